// Ten thousand samples with random faults, in folders, tars and lines: each becomes a document, or is left out by name, and
// no import ends with anything but an answer.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tests/data/import_fixture.h"

namespace mom::data {
namespace {

constexpr int kSources = 50, kSamplesPerSource = 200;

// What was made, and what must become of it: documents by key, and samples that are left out by what their place ends with.
struct Expected {
  std::set<std::string> documents, left_out;
  size_t num_extras = 0;  // files that are left out by themselves
};

class ImportProperty : public ImportTest {
 protected:
  int draw(int below) { return static_cast<int>(random_() % static_cast<uint32_t>(below)); }

  // A name of letters that mean nothing; in folders also with dots, blanks and bytes that are not UTF-8.
  std::pair<std::string, std::string> key(int number, bool in_tar) {
    std::string name = "s" + std::to_string(number), printed = name;
    switch (draw(in_tar ? 4 : 6)) {
      case 0:
        return {"d" + std::to_string(draw(5)) + "/" + name, ""};
      case 1:
        return {name + "\xE9", name + "\\xe9"};
      case 2:
        return {name + " (caf\xC3\xA9)", ""};
      case 4:
        return {name + ".v1.0", ""};
      case 5:
        return {name + ".2021.05", ""};
      default:
        return {name, ""};
    }
  }

  static std::string one_of(std::vector<std::string> choices, int which) {
    return choices[static_cast<size_t>(which) % choices.size()];
  }

  // One sample of a folder or tar.
  void add_files(int number, bool in_tar, Files& files, Expected& expected) {
    auto [name, printed] = key(number, in_tar);
    if (printed.empty()) printed = name;
    auto put = [&](const std::string& ending, const std::string& content) {
      files.emplace_back(name + ending, content);
    };
    const int kind = draw(22);
    const std::string text = "caption " + std::to_string(number);
    const std::string png_ending = one_of({".png", ".PNG", ".jpg", ".webp"}, draw(4));
    if (kind < 8) {  // sound samples, of all ways to write a caption
      if (kind < 4) {
        put(one_of({".txt", ".TXT", ".caption"}, draw(3)), text);
        if (kind == 0) put(".json", R"({"width": 5})"), ++expected.num_extras;
        if (kind == 1) put(".cls", "7"), ++expected.num_extras;
        if (kind == 2) put(".mp4", "x"), ++expected.num_extras;
      } else if (kind < 6) {
        put(".json", "{\"" + one_of({"caption", "text"}, draw(2)) + "\": \"" + text + "\"}");
      } else {
        put(".txt", text), put(".wav", wav_);
        if (kind == 7) files.emplace_back("." + std::to_string(number), "hidden"), ++expected.num_extras;
      }
      put(png_ending, png_);
      expected.documents.insert(printed);
      return;
    }
    if (kind == 8) {
      put(".json", R"({"segments": [{"text": "t", "image": null}, {"text": "u"}]})");
      expected.documents.insert(printed);
      return;
    }
    expected.left_out.insert("sample '" + printed + "'");
    switch (kind) {
      case 9:
        return put(".txt", text);
      case 10:
        return put(png_ending, png_);
      case 11:
        return put(".wav", wav_);
      case 12:
        return put(".txt", ""), put(png_ending, png_);
      case 13:
        return put(".txt", text), put(png_ending, "");
      case 14:
        return put(".txt", text), put(png_ending, png_.substr(0, png_.size() / 2));
      case 15:
        return put(".txt", "caf\xE9"), put(png_ending, png_);
      case 16:
        return put(".txt", text), put(one_of({".mp4", ".heic", ".m4a", ".TIFF", ".xyz"}, draw(4)), "x");
      case 17:
        return put(".txt", text), put(".xyz", png_);
      case 18:
        return put(".json", "{\"caption\": "), put(png_ending, png_);
      case 19:
        return put(".txt", text), put(".png", png_), put(".jpg", png_);
      case 20:
        return put(".txt", text), put(".caption", text), put(png_ending, png_);
      default:
        return put(".json", R"({"segments": [{"image": "gone.png"}]})");
    }
  }

  std::string line(int number, const std::string& stem, Expected& expected) {
    const std::string key = stem + ":" + std::to_string(number);
    static const std::vector<std::string> kGood = {
        R"({"text": "t"})", R"({"text": "t", "image": null, "meta": {"n": 1}})",
        R"({"segments": [{"text": "t"}]})", R"({"text": "t", "image": "media/a.png"})",
        R"({"text": "t \ud83d\ude00 \u0000"})"};
    static const std::vector<std::string> kBad = {"{\"text\": ",
                                                  R"([{"text": "t"}])",
                                                  R"({"text": "t"},)",
                                                  R"({"text": "t"}{"text": "t"})",
                                                  R"({"content": "t"})",
                                                  R"({"text": "half \ud83d"})",
                                                  "{\"text\": \"caf\xE9\"}",
                                                  R"({"text": "t", "image": "media/gone.png"})",
                                                  R"({"text": "t", "file_name": "media/a.png"})",
                                                  R"({"text": "t", "score": NaN})",
                                                  R"({"text": null})",
                                                  R"({"text": ""})",
                                                  R"({"segments": []})",
                                                  R"({"text": "t", "speech": "media/a.png"})",
                                                  "null",
                                                  "\xFF\xFE{"};
    const bool is_good = draw(3) != 0;
    if (is_good) expected.documents.insert(key);
    if (!is_good) expected.left_out.insert(".jsonl:" + std::to_string(number));
    const std::vector<std::string>& choices = is_good ? kGood : kBad;
    return choices[static_cast<size_t>(draw(static_cast<int>(choices.size())))] +
           (draw(4) == 0 ? "\r\n" : "\n");
  }

  Path make_source(int source, Expected& expected) {
    const std::string name = "source" + std::string(1, static_cast<char>('a' + source % 26)) +
                             std::string(1, static_cast<char>('a' + source / 26));
    if (source % 3 == 2) {
      std::string lines;
      for (int i = 1; i <= kSamplesPerSource; ++i) lines += line(i, name, expected);
      return make_file(name + ".jsonl", lines);
    }
    const bool in_tar = source % 3 == 1;
    Files files;
    for (int i = 0; i < kSamplesPerSource; ++i) add_files(i, in_tar, files, expected);
    if (!in_tar) {
      for (const auto& [file, content] : files) make_file(name + "/" + file, content);
      return root_ / name;
    }
    std::shuffle(files.begin(), files.end(), random_);
    return make_tar(files, name + ".tar");
  }

  const std::string png_ = png(7), wav_ = wav(8);
  std::mt19937 random_{20261128};
};

TEST_F(ImportProperty, EverySampleIsADocumentOrLeftOutByName) {
  make_file("media/a.png", png_);
  size_t num_samples = 0, num_documents = 0;
  for (int source = 0; source < kSources; ++source) {
    Expected expected;
    const Path path = make_source(source, expected);
    SCOPED_TRACE(path.filename().string());
    ASSERT_EQ(expected.documents.size() + expected.left_out.size(), static_cast<size_t>(kSamplesPerSource));
    ImportOptions given = options(path);
    given.replace = true;
    testing::internal::CaptureStderr();
    try {
      import_documents(given);
      ADD_FAILURE() << "no error";
    } catch (const InputError&) {  // and nothing else
    }
    given.skip_bad = true;
    const ImportSummary summary = import_documents(given);
    testing::internal::GetCapturedStderr();
    std::set<std::string> documents, places;
    const DocumentReader reader(given.out);
    for (const Collection& collection : reader.collections())
      reader.for_each(collection, [&](const Document& document) { documents.insert(document.key); });
    size_t num_files = 0;
    for (const std::string& item : left_out()) {
      const bool is_line = item.find(".jsonl:") != std::string::npos;
      const size_t at = item.find(is_line ? ".jsonl:" : "sample '");
      if (at == std::string::npos) {
        ++num_files;
      } else {
        places.insert(item.substr(at));
      }
    }
    EXPECT_EQ(documents, expected.documents);
    EXPECT_EQ(places, expected.left_out);
    EXPECT_EQ(num_files, expected.num_extras);
    EXPECT_EQ(summary.num_documents, documents.size());
    EXPECT_EQ(summary.num_skipped, places.size());
    EXPECT_EQ(summary.left_out.num_all(), places.size() + num_files);
    num_documents += documents.size();
    num_samples += documents.size() + places.size();
  }
  EXPECT_EQ(num_samples, static_cast<size_t>(kSources) * kSamplesPerSource);
  EXPECT_GT(num_documents, num_samples / 3);
}

// Bytes at random where a reader expects a tar, a compressed file or JSON lines.
TEST_F(ImportProperty, DamagedContainersEndWithAnAnswer) {
  Files files;
  Expected ignored;
  for (int i = 0; i < 20; ++i) add_files(i, true, files, ignored);
  const std::string tar = read_file(make_tar(files, "whole.tar"));
  std::string lines;
  for (int i = 1; i <= 50; ++i) lines += line(i, "l", ignored);
  make_file("media/a.png", png_);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 300; ++i) {
    std::string bytes = i % 2 == 0 ? tar : lines;
    for (int changes = draw(20); changes >= 0; --changes)
      bytes[static_cast<size_t>(draw(static_cast<int>(bytes.size())))] = static_cast<char>(draw(256));
    if (draw(2) == 0) bytes.resize(static_cast<size_t>(draw(static_cast<int>(bytes.size()))));
    ImportOptions given = options(make_file(i % 2 == 0 ? "x.tar" : "x.jsonl", bytes));
    given.skip_bad = given.replace = true;
    try {
      import_documents(given);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ExitCode::kBadInput || error.code() == ExitCode::kNoResource)
          << error.what();
    }
  }
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace mom::data
