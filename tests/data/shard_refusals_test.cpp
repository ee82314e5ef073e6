// Shards as another program may write them: every tensor is checked against the others, the manifest and the codecs before any
// of it is used, and the error names the tensor, the segment and what was found.
#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/data/encoded_writer.h"
#include "mom/data/shard.h"
#include "tests/data/encoded_fixture.h"
#include "tests/support/thrown.h"

namespace mom::data {
namespace {

using formats::DType;

constexpr const char* kMixedShard = "train-mixed-00000.safetensors";

class ShardRefusals : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    make_mixed_encoded(folder_->path());
  }
  static void TearDownTestSuite() { delete folder_; }

  static Path copy() { return copy_without_hashes(*folder_ / "encoded", *folder_ / "copy"); }
  static Path with_manifest(const std::function<void(Json&)>& edit) {
    const Path folder = copy();
    edit_manifest_of(folder, edit);
    return folder;
  }
  static Path with_shard(const std::function<void(ShardFile&)>& edit) {
    const Path folder = copy();
    ShardFile shard(folder / kMixedShard);
    edit(shard);
    shard.write(folder / kMixedShard);
    return folder;
  }
  template <class T>
  static Path with_tensor(const char* name, DType dtype, const std::function<void(std::vector<T>&)>& edit) {
    return with_shard([&](ShardFile& shard) {
      auto values = shard.get<T>(name);
      edit(values);
      shard.set(name, dtype, values);
    });
  }
  static Path with_offsets(const char* name, const std::function<void(std::vector<int64_t>&)>& edit) {
    return with_tensor<int64_t>(name, DType::kI64, edit);
  }
  static void expect_error(const Path& folder, const std::string& expected) {
    test::expect_error<InputError>([&] { open_encoded(folder); }, expected);
  }
  static void expect_shard_error(const Path& folder, const std::string& expected) {
    expect_error(folder, std::string(kMixedShard) + ": expected " + expected);
  }

  static inline test::TempFolder* folder_ = nullptr;
};

TEST_F(ShardRefusals, WhatIsWrittenAnewOpens) {
  const EncodedDataset dataset = open_encoded(with_shard([](ShardFile&) {}));
  EXPECT_EQ(dataset.modalities(), (std::vector<std::string>{"text", "photo", "music"}));
  const Shard& shard = dataset.shards.at(0);
  EXPECT_EQ(std::vector<int64_t>(shard.document_segments.begin(), shard.document_segments.end()),
            (std::vector<int64_t>{0, 2, 4, 8}));
  EXPECT_EQ(std::vector<int64_t>(shard.segment_latent.begin(), shard.segment_latent.end()),
            (std::vector<int64_t>{-1, 0, -1, -1, 1, -1, -1, -1}));
  EXPECT_TRUE(shard.token_repeats.empty());
}

TEST_F(ShardRefusals, OffsetsThatDoNotSpanWhatTheyName) {
  expect_shard_error(with_offsets("document_segments", [](auto& offsets) { offsets.clear(); }),
                     "document_segments beginning with 0, found nothing");
  expect_shard_error(with_offsets("document_segments", [](auto& offsets) { offsets[0] = 1; }),
                     "document_segments beginning with 0, found 1");
  expect_shard_error(with_offsets("document_segments", [](auto& offsets) { offsets[1] = 5; }),
                     "document_segments that never falls, found 4 at entry 2");
  expect_shard_error(with_offsets("document_segments", [](auto& offsets) { offsets[3] = 7; }),
                     "document_segments ending with 8, found 7");
  expect_shard_error(with_offsets("part_tokens", [](auto& offsets) { offsets.clear(); }),
                     "part_tokens beginning with 0, found nothing");
  expect_shard_error(with_offsets("segment_parts", [](auto& offsets) { offsets[8] += 1; }),
                     "segment_parts ending with 8, found 9");
}

TEST_F(ShardRefusals, TensorsOfOtherLengthsThanTheirOffsets) {
  expect_shard_error(with_tensor<uint8_t>("document_free", DType::kU8, [](auto& free) { free.pop_back(); }),
                     "document_free with 3 entries, found 2");
  expect_shard_error(with_offsets("segment_parts", [](auto& offsets) { offsets.pop_back(); }),
                     "segment_parts with 9 entries, found 8");
  expect_shard_error(with_offsets("segment_latent", [](auto& rows) { rows.push_back(-1); }),
                     "segment_latent with 8 entries, found 9");
}

TEST_F(ShardRefusals, PartsThatASegmentCannotHave) {
  // The two keywords of segment 0 and its text go to the photo behind it.
  expect_shard_error(with_offsets("segment_parts", [](auto& offsets) { offsets[1] = 0; }),
                     "segment 0 with at least one part, found 0 parts");
  expect_shard_error(with_offsets("segment_parts", [](auto& offsets) { offsets[1] = 1; }),
                     "segment 1 (photo) without parts, found 2 parts");
  // The last code of the music in segment 3 goes to the text behind it.
  expect_shard_error(with_offsets("part_tokens", [](auto& offsets) { --offsets[5]; }),
                     "segment 3 (music) with 3 codes, found 2");
  expect_shard_error(with_offsets("segment_latent", [](auto& rows) { rows[4] = 0; }),
                     "segment 4 with latent 1, found 0");
  expect_shard_error(with_tensor<uint8_t>("segment_modality", DType::kU8, [](auto& of) { of[2] = 3; }),
                     "segment 2 of a modality below 3, found 3");
}

TEST_F(ShardRefusals, FreeOrderOfDocumentsThatHaveOne) {
  const auto with_free = [](size_t document, uint8_t value) {
    return with_tensor<uint8_t>("document_free", DType::kU8, [&](auto& free) { free[document] = value; });
  };
  EXPECT_NO_THROW(open_encoded(with_free(1, 1)));
  expect_shard_error(with_free(1, 2), "document 1 of free order with two segments or more, one a modality");
  expect_shard_error(with_free(2, 1),
                     "document 2 of free order with two segments or more, one a modality, found 4");
  const Path folder = with_shard([](ShardFile& shard) {
    shard.set("document_segments", DType::kI64, std::vector<int64_t>{0, 1, 4, 8});
  });
  expect_shard_error(folder, "document 0 of free order with two segments or more, one a modality, found 1");
}

TEST_F(ShardRefusals, LatentsOfOtherNumbersOrShapes) {
  const auto with_latents = [](std::vector<int64_t> shape, size_t size) {
    return with_shard(
        [&](ShardFile& shard) { shard.set("latents", DType::kF16, std::vector<uint16_t>(size, 0), shape); });
  };
  EXPECT_NO_THROW(open_encoded(with_latents({2, 1, 1, 2, 2}, 8)));
  expect_shard_error(with_latents({3, 1, 1, 2, 2}, 12), "latents with 2 rows, found 3");
  expect_shard_error(with_latents({2, 2, 1, 2, 2}, 16), "latents of the shape that dataset.json states");
  expect_shard_error(with_latents({2, 1, 1, 4, 2}, 16), "latents of the shape that dataset.json states");
  expect_error(with_latents({2, 1, 4}, 8), "latents");
  expect_shard_error(with_shard([](ShardFile& shard) { shard.tensors.erase("latents"); }),
                     "latents with 2 rows, found 0");
}

TEST_F(ShardRefusals, RepeatsOfTokens) {
  const size_t num_tokens = ShardFile(*folder_ / "encoded" / kMixedShard).get<int32_t>("tokens").size();
  std::vector<int16_t> repeats(num_tokens, 1);
  const auto with_repeats = [&] {
    return with_shard([&](ShardFile& shard) { shard.set("token_repeats", DType::kI16, repeats); });
  };
  repeats[3] = 5;
  EXPECT_EQ(open_encoded(with_repeats()).shards.at(0).token_repeats[3], 5);
  for (const int16_t wrong : {0, -1}) {
    repeats[3] = wrong;
    expect_shard_error(with_repeats(),
                       "token_repeats of 1 or more, found " + std::to_string(wrong) + " at entry 3");
  }
  repeats.pop_back();
  expect_shard_error(with_repeats(), "token_repeats with " + std::to_string(num_tokens) + " entries, found " +
                                         std::to_string(num_tokens - 1));
}

TEST_F(ShardRefusals, MarksOfKeywords) {
  const auto with_marks = [](const std::map<std::string, std::string>& marks) {
    return with_shard([&](ShardFile& shard) { shard.metadata = marks; });
  };
  EXPECT_EQ(open_encoded(with_marks({{"colon", " 30  31 "}, {"comma", "32"}})).shards.at(0).colon,
            (std::vector<int32_t>{30, 31}));
  for (const std::string wrong : {"30,31", "-1", "9999999999", "x"})
    expect_shard_error(with_marks({{"colon", wrong}, {"comma", "32"}}),
                       "metadata \"colon\" of space-separated ids, found \"" + wrong + "\"");
  expect_shard_error(with_marks({{"colon", "30"}, {"comma", "99999"}}), "metadata \"comma\" from ");
  expect_shard_error(with_marks({{"colon", "30"}}),
                     "metadata \"colon\" and \"comma\", since segment 0 has keywords, found none");
}

TEST_F(ShardRefusals, ManifestsByField) {
  const auto refuse = [](const std::string& expected, const std::function<void(Json&)>& edit) {
    expect_error(with_manifest(edit), expected);
  };
  refuse("format \"mom-encoded\" version 2 to 4, found \"mom-documents\" version 3",
         [](Json& m) { m["format"] = "mom-documents"; });
  refuse("found \"mom-encoded\" version 5", [](Json& m) { m["version"] = 5; });
  refuse("expected \"modalities\", found none", [](Json& m) { m.erase("modalities"); });
  refuse("names of letters, digits", [](Json& m) { m["modalities"][1] = Json::array(); });
  refuse("expected \"vocabulary\", found none", [](Json& m) { m.erase("vocabulary"); });
  refuse("expected \"shards\", found none", [](Json& m) { m.erase("shards"); });
  refuse("expected \"codecs\", found none", [](Json& m) { m.erase("codecs"); });
  refuse("expected \"text\", found none", [](Json& m) { m["codecs"] = Json::array(); });
  refuse("expected \"music\", found none", [](Json& m) { m["codecs"].erase("music"); });
  refuse("the number of codes of an item of music, found none",
         [](Json& m) { m["modality_table"]["music"].erase("codes_per_item"); });
  refuse("\"variants\" as an integer", [](Json& m) { m["codecs"]["photo"].erase("variants"); });
  refuse("4 documents, as dataset.json states, found 3", [](Json& m) { m["shards"][0]["documents"] = 4; });
  refuse("\"sha256\" as a string", [](Json& m) { m["shards"][0]["sha256"] = 5; });
  for (const std::string name : {"..", "../x.safetensors", "sub/x.safetensors", "/x.safetensors"})
    refuse("\"file\" as a name in the folder, found \"" + name + "\"",
           [&](Json& m) { m["shards"][0]["file"] = name; });
  EXPECT_THROW(open_encoded(with_manifest([](Json& m) { m = Json::array(); })), InputError);
  EXPECT_THROW(open_encoded(with_manifest([](Json& m) { m["shards"] = {5}; })), InputError);
}

TEST_F(ShardRefusals, ACodecOfAnotherModality) {
  const Path folder =
      with_manifest([](Json& m) { m["codecs"]["music"]["hash"] = m["codecs"]["photo"]["hash"]; });
  std::filesystem::remove_all(folder / "codecs" / "music");
  std::filesystem::copy(folder / "codecs" / "photo", folder / "codecs" / "music");
  expect_error(folder, "found photo codec ");
}

TEST_F(ShardRefusals, NoFolderThere) {
  expect_error(*folder_ / "nowhere", "encoded data (with dataset.json), found none there");
}

// Version 2 had no word on modalities but images.
TEST_F(ShardRefusals, TextAloneOfVersionTwoOpens) {
  EncodeOptions text;
  text.documents = *folder_ / "documents";
  text.out = *folder_ / "text-only";
  text.codecs = {*folder_ / "codec-text"};
  text.without = {"photo", "music"};
  encode_documents(text);
  const Path older = copy_without_hashes(text.out, *folder_ / "older");
  edit_manifest_of(older, [](Json& m) {
    m["version"] = 2;
    m.erase("modality_table");
  });
  const EncodedDataset dataset = open_encoded(older);
  EXPECT_EQ(dataset.modalities(), std::vector<std::string>{"text"});
  EXPECT_EQ(dataset.shards.at(0).num_documents(), 3);
}

TEST_F(ShardRefusals, WriterKeepsMarksAndRepeats) {
  ShardWriter writer({.latents = {}, .colon = {40, 41}, .comma = {42}});
  writer.add({false, {{0, {{50, 51}}, {}, {}, 0}}});
  writer.add({false, {{0, {{60, 61, 62}}, {1, 2, 3}, {}, 0}, {0, {{70}}, {}, {}, 0}}});
  const Path path = *folder_ / "written.safetensors";
  writer.write(path);
  const ShardFile shard(path);
  EXPECT_EQ(shard.metadata.at("colon"), "40 41");
  EXPECT_EQ(shard.metadata.at("comma"), "42");
  EXPECT_EQ(shard.get<int32_t>("tokens"), (std::vector<int32_t>{50, 51, 60, 61, 62, 70}));
  EXPECT_EQ(shard.get<int16_t>("token_repeats"), (std::vector<int16_t>{1, 1, 1, 2, 3, 1}));
}

TEST(EncodedViews, RunsThatAShardCannotSayAreSplit) {
  modality::Modality speech = modality::Modality::codes("speech", {}, 0);
  speech.begin = 100;
  EncodedSegment segment;
  EncodedWriter::append_view({.codes = {7, 9}, .counts = {40'000, 2}}, speech, segment);
  EXPECT_EQ(segment.parts, (std::vector<std::vector<int32_t>>{{107, 107, 109}}));
  EXPECT_EQ(segment.repeats, (std::vector<int16_t>{32'767, 7'233, 2}));
}

}  // namespace
}  // namespace mom::data
