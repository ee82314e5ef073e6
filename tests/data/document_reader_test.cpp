// What another program may have written: every field of a documents folder that cannot be meant is refused, with the file, the
// line and the field.
#include <gtest/gtest.h>

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/data/document.h"
#include "tests/support/temp_folder.h"

namespace mom::data {
namespace {

class DocumentReaderTest : public testing::Test {
 protected:
  // A folder of one collection, whose only line is `line`. `changes`: a merge patch, in which null removes a key.
  void write(const std::string& line, const Json& changes = Json::object()) {
    Json manifest = {
        {"format", "mom-documents"}, {"version", 2}, {"skipped", 0}, {"collections", {collection_}}};
    manifest.merge_patch(changes);
    test::write_file(folder_ / "dataset.json", manifest.dump());
    test::write_file(folder_ / "pets.jsonl", line + "\n");
    test::write_file(folder_ / "media.tar", "0123456789");
  }
  std::string reading_error() const {
    try {
      const DocumentReader reader(folder_.path());
      for (const Collection& collection : reader.collections())
        reader.for_each(collection, [&](const Document& document) {
          for (const Segment& segment : document.segments)
            if (segment.modality != kText) reader.read_media(segment.media);
        });
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }
  void expect_manifest_refused(const Json& changes, const std::string& expected) {
    write(kLine, changes);
    EXPECT_NE(reading_error().find("dataset.json: expected " + expected), std::string::npos)
        << changes << ": " << reading_error();
  }
  void expect_collection_refused(const Json& changes, const std::string& expected) {
    Json collection = collection_;
    collection.merge_patch(changes);
    expect_manifest_refused({{"collections", {collection}}}, expected);
  }
  void expect_line_refused(const std::string& line, const std::string& expected) {
    write(line);
    EXPECT_NE(reading_error().find("pets.jsonl:1: expected " + expected), std::string::npos)
        << line << ": " << reading_error();
  }
  void expect_segment_refused(const std::string& segment, const std::string& expected) {
    expect_line_refused(R"({"key": "k", "segments": [)" + segment + "]}", expected);
  }

  static constexpr const char* kLine = R"({"key": "k", "segments": [{"text": "a fox"}]})";
  const Json collection_ = {{"source", "pets"},
                            {"split", "train"},
                            {"file", "pets.jsonl"},
                            {"documents", 1},
                            {"segments", {{"text", 1}}}};
  test::TempFolder folder_;
};

TEST_F(DocumentReaderTest, RefusesManifestsByField) {
  write(kLine);
  ASSERT_EQ(reading_error(), "");
  expect_manifest_refused({{"format", nullptr}}, "\"format\": \"mom-documents\", found null");
  expect_manifest_refused({{"format", "mom-encoded"}},
                          "\"format\": \"mom-documents\", found \"mom-encoded\"");
  expect_manifest_refused({{"version", 0}}, "\"version\": 1 or 2, found 0");
  expect_manifest_refused({{"version", 3}}, "\"version\": 1 or 2, found 3");
  expect_manifest_refused({{"version", "2"}}, "\"version\" as an integer");
  expect_manifest_refused({{"skipped", -1}}, "\"skipped\" not below 0, found -1");
  expect_manifest_refused({{"titles", "pets of people"}}, "\"titles\" as an object, found string");
  expect_manifest_refused({{"titles", {{"pets", 5}}}}, "a title as a string, found number");
  expect_manifest_refused({{"collections", nullptr}}, "\"collections\" as a list");
  expect_manifest_refused({{"collections", 5}}, "\"collections\" as a list");
  expect_manifest_refused({{"collections", {"pets"}}}, "a collection as an object, found string");
  expect_manifest_refused({{"hash", 5}}, "\"hash\" as a string");
  test::write_file(folder_ / "dataset.json", "[]");
  EXPECT_NE(reading_error().find("\"mom-documents\", found none"), std::string::npos) << reading_error();
}

TEST_F(DocumentReaderTest, RefusesCollectionsByField) {
  expect_collection_refused({{"source", nullptr}}, "\"source\" as a string");
  expect_collection_refused({{"split", 1}}, "\"split\" as a string");
  for (const std::string name : {"", ".hidden", "..", "sub/pets.jsonl", "/etc/passwd"})
    expect_collection_refused({{"file", name}},
                              "\"file\" as a file name in the same folder, found '" + name + "'");
  expect_collection_refused({{"documents", -5}}, "\"documents\" not below 0, found -5");
  expect_collection_refused({{"segments", nullptr}}, "\"segments\" as an object");
  expect_collection_refused({{"segments", 5}}, "\"segments\" as an object");
  expect_collection_refused({{"segments", {{"text", -1}}}}, "\"text\" not below 0, found -1");
  for (const Json& seconds : {Json("long"), Json(-0.5), Json(2e9)})
    expect_collection_refused({{"speech_seconds", seconds}},
                              "\"speech_seconds\" as a number not below 0, found " + seconds.dump());
  expect_collection_refused({{"sha256", 5}}, "\"sha256\" as a string");
}

TEST_F(DocumentReaderTest, RefusesDocumentsByField) {
  expect_line_refused("[]", "a document as an object, found array");
  expect_line_refused(R"({"segments": [{"text": "t"}]})", "\"key\" as a string");
  expect_line_refused(R"({"key": "k", "free_order": 1, "segments": [{"text": "t"}]})",
                      "\"free_order\" as true or false, found number");
  for (const char* line :
       {R"({"key": "k"})", R"({"key": "k", "segments": {"text": "t"}})", R"({"key": "k", "segments": []})"})
    expect_line_refused(line, "\"segments\" as a list of at least one");
  expect_line_refused(R"({"key": "k", "free_order": true, "segments": [{"text": "t"}, {"text": "u"}]})",
                      "one segment of a modality, as \"free_order\" says, found several");
}

TEST_F(DocumentReaderTest, RefusesSegmentsByField) {
  expect_segment_refused("\"text\"", "a segment as an object, found string");
  expect_segment_refused(R"({"text": 5})", "\"text\" as a string, found number");
  expect_segment_refused(R"({"text": "t", "keywords": ["red", 5]})", "a keyword as a string, found number");
  for (const char* keywords : {"\"red\"", "{\"a\": \"red\"}", "null", "5"})
    expect_segment_refused(R"({"text": "t", "keywords": )" + std::string(keywords) + "}",
                           "\"keywords\" as a list of strings");
  expect_segment_refused(R"({"video": "v"})",
                         "a segment with \"text\", \"image\", \"speech\" or \"modality\"");
  expect_segment_refused(R"({"image": "a.png"})", "media as an object, found string");
  expect_segment_refused(R"({"speech": []})", "media as an object, found array");
  expect_segment_refused(R"({"image": {"file": "a/b.tar", "offset": 0, "bytes": 1}})",
                         "\"file\" as a file name in the same folder, found 'a/b.tar'");
  expect_segment_refused(R"({"image": {"file": "media.tar", "offset": -1, "bytes": 1}})",
                         "\"offset\" not below 0, found -1");
  expect_segment_refused(R"({"image": {"file": "media.tar", "offset": 0, "bytes": -2}})",
                         "\"bytes\" not below 0, found -2");
  expect_segment_refused(R"({"image": {"file": "media.tar", "offset": 0, "bytes": 1, "sha256": 5}})",
                         "\"sha256\" as a string");
  expect_segment_refused(R"({"speech": {"file": "media.tar", "offset": 0, "bytes": 1, "seconds": "1.5"}})",
                         "\"seconds\" as a number not below 0, found \"1.5\"");
  expect_segment_refused(R"({"speech": {"file": "media.tar", "offset": 0, "bytes": 1, "seconds": 1e10}})",
                         "\"seconds\" as a number not below 0");
  for (const std::string modality : {"", "text", "mu sic", "a/b"})
    expect_segment_refused(
        R"({"modality": ")" + modality + R"(", "file": "media.tar", "offset": 0, "bytes": 1})",
        "\"modality\" of letters, digits, \"_\" and \"-\", other than text, found \"" + modality + "\"");
}

TEST_F(DocumentReaderTest, ReadsFieldsThatMayBeLeftOut) {
  write(
      R"({"key": "k", "free_order": false, "segments": [{"text": "t"},
          {"modality": "Music_2-a", "file": "media.tar", "offset": 2, "bytes": 3},
          {"speech": {"file": "media.tar", "offset": 9, "bytes": 1}}]})");
  std::string line = read_file(folder_ / "pets.jsonl");
  std::replace(line.begin(), line.end() - 1, '\n', ' ');
  test::write_file(folder_ / "pets.jsonl", line);
  const DocumentReader reader(folder_.path());
  int visited = 0;
  reader.for_each(reader.collections().at(0), [&](const Document& document) {
    ++visited;
    EXPECT_FALSE(document.free_order);
    ASSERT_EQ(document.segments.size(), 3u);
    EXPECT_TRUE(document.segments[0].keywords.empty());
    EXPECT_EQ(document.segments[1].modality, "Music_2-a");
    EXPECT_TRUE(document.segments[1].encoded);
    EXPECT_EQ(reader.read_media(document.segments[1].media), "234");
    EXPECT_FALSE(document.segments[2].encoded);
    EXPECT_EQ(document.segments[2].seconds, 0);
    EXPECT_EQ(reader.read_media(document.segments[2].media), "9");
  });
  EXPECT_EQ(visited, 1);
}

TEST_F(DocumentReaderTest, MediaMustLieInTheirFile) {
  const auto error_of = [&](const std::string& file, uint64_t offset, uint64_t num_bytes) -> std::string {
    try {
      DocumentReader(folder_.path()).read_media({file, offset, num_bytes});
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  write(kLine);
  EXPECT_EQ(error_of("media.tar", 0, 10), "");
  EXPECT_EQ(error_of("media.tar", 10, 0), "");
  for (const auto& [offset, num_bytes] :
       {std::pair<uint64_t, uint64_t>{0, 11}, {1, 10}, {11, 0}, {UINT64_MAX, 5}, {5, UINT64_MAX}}) {
    const std::string error = error_of("media.tar", offset, num_bytes);
    EXPECT_NE(error.find("media.tar: byte " + std::to_string(offset) + ": expected " +
                         std::to_string(num_bytes) + " bytes of a media file, found a file of 10 bytes"),
              std::string::npos)
        << error;
  }
  const std::string error = error_of("gone.tar", 0, 5);
  EXPECT_NE(error.find("gone.tar: byte 0: expected 5 bytes of a media file, found no such file"),
            std::string::npos)
      << error;
}

TEST_F(DocumentReaderTest, DamagedLinesAreNamedBeforeTheChecksumIs) {
  const auto state_checksum_of = [&](const std::string& content) {
    Json manifest = read_json(folder_ / "dataset.json");
    manifest["collections"][0]["sha256"] = sha256_hex(content);
    test::write_file(folder_ / "dataset.json", manifest.dump());
  };
  write(R"({"key": 5})");
  state_checksum_of("what it was");
  EXPECT_NE(reading_error().find("pets.jsonl:1: expected \"key\" as a string"), std::string::npos)
      << reading_error();
  write(std::string(kLine) + "\n" + R"({"key": "l", "segments": [{"text": "an owl"}]})");
  state_checksum_of("what it was");
  EXPECT_NE(reading_error().find("pets.jsonl: expected 1 documents, found 2"), std::string::npos)
      << reading_error();
}

// Those of encoded data and of programs that write it.
TEST(CheckSegments, OrderIsFreeForSegmentsOfDifferentModalities) {
  const auto error_of = [](const std::vector<std::string>& modalities, bool free_order) -> std::string {
    std::vector<Segment> segments;
    for (const std::string& modality : modalities) segments.push_back({modality, "", {}, {}});
    try {
      check_segments(segments, free_order, "here");
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(error_of({"text"}, false), "");
  EXPECT_EQ(error_of({"text", "text"}, false), "");
  EXPECT_EQ(error_of({"text", "image", "speech"}, true), "");
  EXPECT_EQ(error_of({}, false), "here: expected at least one segment, found none");
  const std::string expected =
      "here: expected two segments or more, one a modality, as \"free_order\" says, found ";
  EXPECT_EQ(error_of({"text"}, true), expected + "1 segments");
  EXPECT_EQ(error_of({"text", "image", "text"}, true), expected + "3 segments, several of a modality");
}

}  // namespace
}  // namespace mom::data
