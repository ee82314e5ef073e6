// For tests of the import: makes sources, imports them, reads back what became of them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "mom/base/error.h"
#include "mom/data/document.h"
#include "mom/data/import.h"
#include "mom/formats/image_file.h"
#include "mom/formats/tar.h"
#include "tests/support/sounds.h"
#include "tests/support/temp_folder.h"

namespace mom::data {

inline std::string png(uint8_t shade) {
  formats::Image image{.width = 5, .height = 4, .channels = 3, .pixels = {}};
  image.pixels.assign(60, shade);
  return formats::encode_png(image);
}

// 16-bit mono WAV of `num_frames` at 16 kHz.
inline std::string wav(uint32_t num_frames) {
  std::string bytes;
  auto put = [&](uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  };
  bytes += "RIFF", put(36 + num_frames * 2, 4), bytes += "WAVEfmt ";
  put(16, 4), put(1, 2), put(1, 2), put(16000, 4), put(32000, 4), put(2, 2), put(16, 2);
  bytes += "data", put(num_frames * 2, 4);
  for (uint32_t i = 0; i < num_frames; ++i) put(i * 37 & 0x7FF, 2);
  return bytes;
}

using Files = std::vector<std::pair<std::string, std::string>>;
using Lines = std::vector<std::string>;

class ImportTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = Path(testing::TempDir()) / ("mom-import-test-" + std::to_string(::getpid()));
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_ / "out");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  Path make_tar(const Files& files, const std::string& name = "pets.tar") {
    formats::TarWriter writer(root_ / name);
    for (const auto& [member, content] : files) writer.add(member, content);
    writer.close();
    return root_ / name;
  }
  Path make_folder(const Files& files) {
    for (const auto& [name, content] : files) make_file("pets/" + name, content);
    return root_ / "pets";
  }
  Path make_file(const std::string& name, const std::string& content) {
    std::filesystem::create_directories((root_ / name).parent_path());
    test::write_file(root_ / name, content);
    return root_ / name;
  }

  ImportOptions options(const Path& source) const {
    ImportOptions options;
    options.sources = {source};
    options.out = root_ / "out" / "documents";
    options.split = "train";
    return options;
  }
  ImportSummary import(const Path& source) { return import_documents(options(source)); }

  // "key: text | [image] ..." of every document of the result.
  std::vector<std::string> result() const {
    std::vector<std::string> lines;
    DocumentReader reader(root_ / "out" / "documents");
    for (const Collection& collection : reader.collections())
      reader.for_each(collection, [&](const Document& document) {
        std::string line = document.key + (document.free_order ? "*:" : ":");
        for (const Segment& segment : document.segments) {
          line += " " + (segment.modality == "text" ? segment.text : "[" + segment.modality + "]");
          if (segment.modality == "text") continue;
          EXPECT_GT(reader.read_media(segment.media).size(), 0u);
        }
        lines.push_back(line);
      });
    return lines;
  }

  // "REASON place" of everything that was left out, in order.
  Lines left_out() const {
    Lines lines;
    const Path file = root_ / "out" / "documents" / "left_out.jsonl";
    if (!std::filesystem::exists(file)) return lines;
    for_each_line(file, [&](std::string_view line, uint64_t) {
      const Json json = parse_json(line, file.string());
      std::string place = json.at("place");
      if (place.starts_with(root_.string() + "/")) place.erase(0, root_.string().size() + 1);
      lines.push_back(json.at("reason").get<std::string>() + " " + place);
    });
    return lines;
  }
  // What a run that skips bad samples leaves out.
  Lines skipping(const std::vector<Path>& sources) {
    ImportOptions given = options(sources[0]);
    given.sources = sources;
    given.skip_bad = given.replace = true;
    import_documents(given);
    return left_out();
  }

  // The import must fail with an InputError that holds all of `parts`, and leave nothing.
  void expect_error(const ImportOptions& given, const std::vector<std::string>& parts) {
    try {
      import_documents(given);
      ADD_FAILURE() << "no error";
    } catch (const InputError& error) {
      std::string message = error.what();
      for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
    EXPECT_TRUE(std::filesystem::is_empty(root_ / "out"));
  }
  void expect_error(const Path& source, const std::vector<std::string>& parts) {
    expect_error(options(source), parts);
  }

  Path root_;
};

}  // namespace mom::data
