// Import of encoded segments: .npy files in tars and folders, and codes in lines of JSON.
#include "mom/formats/npy.h"
#include "tests/data/import_fixture.h"

namespace mom::data {
namespace {

std::string codes(std::vector<int64_t> values, std::vector<int64_t> shape = {}) {
  if (shape.empty()) shape = {std::ssize(values)};
  return formats::write_npy({shape, std::move(values)});
}

std::string latents(size_t count) {
  return formats::write_npy({{2, static_cast<int64_t>(count) / 2}, std::vector<float>(count, 0.5f)});
}

class ImportEncodedTest : public ImportTest {
 protected:
  // The array of the only encoded segment of the only document.
  formats::Npy array() const {
    DocumentReader reader(root_ / "out" / "documents");
    formats::Npy found;
    reader.for_each(reader.collections().at(0), [&](const Document& document) {
      for (const Segment& segment : document.segments) {
        if (!segment.encoded) continue;
        const std::string bytes = reader.read_media(segment.media);
        found = formats::read_npy(std::as_bytes(std::span(bytes)), "array");
      }
    });
    return found;
  }
};

TEST_F(ImportEncodedTest, MembersOfATarAndFilesOfAFolder) {
  const Files files = {{"a.txt", "a song"},         {"a.music.npy", codes({3, 1, 2})},
                       {"a.photo.NPY", latents(8)}, {"b.txt", "a cat"},
                       {"b.png", png(1)},           {"b.music.npy", codes({7})}};
  import(make_tar(files));
  const Lines expected = {"a*: a song [music] [photo]", "b*: a cat [image] [music]"};
  EXPECT_EQ(result(), expected);
  std::filesystem::remove_all(root_ / "out" / "documents");
  import(make_folder(files));
  EXPECT_EQ(result(), expected);
}

TEST_F(ImportEncodedTest, SeveralOfOneModalityAreTheDocumentsOrder) {
  import(make_tar({{"a.txt", "two"}, {"a.left.music.npy", codes({1})}, { "a.right.music.npy", codes({2}) }}));
  EXPECT_EQ(result(), (Lines{"a: two [music] [music]"}));
}

TEST_F(ImportEncodedTest, ArraysAloneWhereNothingHasText) {
  import(make_tar({{"a.music.npy", codes({1})}, { "b.music.npy", codes({2}) }}));
  EXPECT_EQ(result(), (Lines{"a: [music]", "b: [music]"}));
  const Path mixed =
      make_tar({{"a.music.npy", codes({1})}, {"a.txt", "x"}, {"b.music.npy", codes({2})}}, "m.tar");
  std::filesystem::remove_all(root_ / "out" / "documents");
  expect_error(options(mixed), {"sample 'b'", "array b.music.npy without text"});
}

TEST_F(ImportEncodedTest, LinesOfJson) {
  make_file("x.npy", latents(6));
  import(make_file(
      "a.jsonl",
      R"({"segments": [{"text": "low"}, {"modality": "music", "codes": [[1, 2, 3], [4, 5, 6]]}]})"));
  EXPECT_EQ(result(), (Lines{"a:1: low [music]"}));
  EXPECT_EQ(array().shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(array().integers(), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  std::filesystem::remove_all(root_ / "out" / "documents");
  import(make_file("b.jsonl", R"({"segments": [{"modality": "photo", "file": "x.npy"}]})"));
  EXPECT_EQ(result(), (Lines{"b:1: [photo]"}));
  EXPECT_EQ(array().reals().size(), 6u);
}

// A document of other programs that only know version 1 would be misread by them.
TEST_F(ImportEncodedTest, RaisesTheVersion) {
  const auto version = [&] { return read_json(root_ / "out" / "documents" / "dataset.json").at("version"); };
  import(make_tar({{"a.txt", "x"}, { "a.png", png(1) }}));
  EXPECT_EQ(version(), 1);
  std::filesystem::remove_all(root_ / "out" / "documents");
  import(make_tar({{"a.txt", "x"}, { "a.music.npy", codes({1}) }}, "b.tar"));
  EXPECT_EQ(version(), 2);
}

TEST_F(ImportEncodedTest, RefusesByName) {
  const auto refuse = [&](const Files& files, const std::vector<std::string>& parts) {
    expect_error(options(make_tar(files)), parts);
  };
  refuse({{"a.txt", "x"}, {"a.npy", codes({1})}}, {"a.npy", "KEY.MODALITY.npy"});
  refuse({{"a.txt", "x"}, {"a.text.npy", codes({1})}}, {"a.text.npy", "other than text"});
  refuse({{"a.txt", "x"}, {"a.mu sic.npy", codes({1})}}, {"letters"});
  refuse({{"a.txt", "x"}, {"a.music.npy", "no array"}}, {"a.music.npy", ".npy file"});
  refuse({{"a.txt", "x"}, {"a.music.npy", codes({1})}, {"a.music.NPY", codes({2})}}, {"a.music.NPY"});
  const auto refuse_line = [&](const std::string& line, const std::vector<std::string>& parts) {
    expect_error(options(make_file("a.jsonl", line)), parts);
  };
  make_file("x.npy", codes({1}));
  refuse_line(R"({"segments": [{"modality": "music"}]})", {"codes", "neither"});
  refuse_line(R"({"segments": [{"modality": "music", "codes": [1], "file": "x.npy"}]})", {"both"});
  refuse_line(R"({"segments": [{"modality": "music", "codes": [1, [2]]}]})", {"integers"});
  refuse_line(R"({"segments": [{"modality": "music", "codes": [[1, 2], [3]]}]})", {"one length"});
  refuse_line(R"({"segments": [{"modality": "music", "codes": []}]})", {"codes"});
  refuse_line(R"({"segments": [{"modality": "music", "codes": [1.5]}]})", {"integers", "1.5"});
  refuse_line(R"({"segments": [{"modality": "music", "file": "y.npy"}]})", {"y.npy", "none"});
  refuse_line(R"({"segments": [{"modality": "music", "codes": [1], "text": "x"}]})", {"\"text\""});
  refuse_line(R"({"text": "x", "music": "x.npy"})", {"\"modality\": \"music\""});
}

}  // namespace
}  // namespace mom::data
