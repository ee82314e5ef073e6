#include "mom/data/shard.h"

#include <gtest/gtest.h>

#include <cstring>

#include "mom/base/error.h"
#include "tests/support/thrown.h"
#include "tests/support/tiny_data.h"

namespace mom::data {
namespace {

constexpr const char* kShard = "train-shapes-00000.safetensors";

class ShardTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    test::make_tiny_encoded(*folder_ / "tiny");
  }
  static void TearDownTestSuite() { delete folder_; }
  static Path fresh_copy() {
    const Path copy = *folder_ / "copy";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(*folder_ / "tiny" / "encoded", copy, std::filesystem::copy_options::recursive);
    return copy;
  }
  // Sets entry `index` of a tensor in the file's bytes, where the reader says they are.
  template <class T>
  static Path with_entry(const char* name, size_t index, T value) {
    const Path copy = copy_without_checksums();
    std::string bytes = read_file(copy / kShard);
    {
      const formats::SafetensorsReader reader(copy / kShard);
      const MappedFile file(copy / kShard);
      const auto& values = reader.get(name).bytes;
      const std::string_view whole(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
      const std::string_view part(reinterpret_cast<const char*>(values.data()), values.size());
      const size_t header = 8 + [&] {
        uint64_t size;
        std::memcpy(&size, whole.data(), 8);
        return size;
      }();
      const Json described = parse_json(whole.substr(8, header - 8), "header");
      const size_t begin = header + described[name]["data_offsets"][0].get<size_t>();
      EXPECT_EQ(whole.substr(begin, part.size()), part);
      std::memcpy(bytes.data() + begin + index * sizeof(T), &value, sizeof(T));
    }
    test::write_file(copy / kShard, bytes);
    return copy;
  }
  static void expect_refused(const Path& folder, const std::string& expected) {
    test::expect_error<InputError>([&] { open_encoded(folder); }, expected);
  }
  static void edit_manifest(const Path& folder, const std::function<void(Json&)>& edit) {
    Json manifest = read_json(folder / "dataset.json");
    edit(manifest);
    manifest.erase("hash");
    test::write_file(folder / "dataset.json", manifest.dump());
  }
  // As another program writes it: no checksum speaks before the reader has seen what is wrong.
  static Path copy_without_checksums() {
    const Path copy = fresh_copy();
    edit_manifest(copy, [](Json& manifest) {
      for (Json& shard : manifest["shards"]) shard.erase("sha256");
    });
    return copy;
  }
  static inline test::TempFolder* folder_ = nullptr;
};

TEST_F(ShardTest, OpensWhatEncodeMade) {
  const EncodedDataset dataset = open_encoded(fresh_copy());
  EXPECT_EQ(dataset.modalities(), (std::vector<std::string>{"text", "image"}));
  EXPECT_EQ(dataset.vocabulary.size(), 320);
  EXPECT_EQ(dataset.vocabulary.latents()->name, "image");
  EXPECT_EQ(dataset.vocabulary.latents()->latent_shape, (std::vector<int64_t>{4, 8, 8}));
  EXPECT_EQ(dataset.codec_hashes.at("text").size(), 64u);
  EXPECT_EQ(dataset.codec_hashes.at("image").size(), 64u);
  EXPECT_EQ(dataset.shards.size(), 4u);
}

TEST_F(ShardTest, TheLayoutIsPlainSafetensors) {
  const formats::SafetensorsReader reader(fresh_copy() / kShard);
  using formats::DType;
  EXPECT_EQ(reader.get("document_segments", DType::kI64, 1).shape, std::vector<int64_t>{21});
  EXPECT_EQ(reader.get("document_free", DType::kU8, 1).shape, std::vector<int64_t>{20});
  EXPECT_EQ(reader.get("segment_modality", DType::kU8, 1).shape, std::vector<int64_t>{40});
  EXPECT_EQ(reader.get("segment_latent", DType::kI64, 1).shape, std::vector<int64_t>{40});
  EXPECT_EQ(reader.get("latents", DType::kF16, 5).shape, (std::vector<int64_t>{20, 2, 4, 8, 8}));
}

TEST_F(ShardTest, RefusesDamagedOffsetsAndTokens) {
  EXPECT_NO_THROW(open_encoded(with_entry<int32_t>("tokens", 0, 319)));
  expect_refused(with_entry<int32_t>("tokens", 0, 320), "tokens");
  expect_refused(with_entry<int32_t>("tokens", 3, -5), "tokens");
  expect_refused(with_entry<int32_t>("tokens", 3, 4), "tokens");  // <boi> inside a text
  expect_refused(with_entry<int64_t>("document_segments", 0, 1), "document_segments");
  expect_refused(with_entry<int64_t>("document_segments", 5, int64_t{1} << 60), "document_segments");
  expect_refused(with_entry<int64_t>("document_segments", 20, 39), "document_segments");
  expect_refused(with_entry<int64_t>("segment_parts", 1, -1), "segment_parts");
  expect_refused(with_entry<int64_t>("part_tokens", 2, int64_t{1} << 40), "part_tokens");
  expect_refused(with_entry<int64_t>("segment_latent", 1, 7), "latent");
  expect_refused(with_entry<int64_t>("segment_latent", 0, 0), "latent");
  expect_refused(with_entry<uint8_t>("segment_modality", 0, 2), "modality");
  expect_refused(with_entry<uint8_t>("segment_modality", 0, 1), "segment 0");
  expect_refused(with_entry<uint8_t>("document_free", 0, 2), "free order");
  expect_refused(with_entry<uint16_t>("latents", 9, 0x7e00), "finite");
}

// What no other check can see; also not where a training sees it (tests/train/damage_test.cpp has every bit).
TEST_F(ShardTest, ChecksumsFindWhatIsAsGoodAsBefore) {
  const Path folder = fresh_copy();
  const std::string hash = content_sha256(open_encoded(folder));
  EXPECT_EQ(content_sha256(open_encoded(copy_without_checksums())), hash);  // as older data and runs have it
  const Path damaged = with_entry<int32_t>("tokens", 0, 319);
  const std::string bytes = read_file(damaged / kShard);
  EXPECT_NE(content_sha256(open_encoded(damaged)), hash);
  test::write_file(fresh_copy() / kShard, bytes);
  expect_refused(folder, std::string(kShard) + ": expected the content that dataset.json states");
  std::string manifest = read_file(fresh_copy() / "dataset.json");
  manifest.replace(manifest.find("\"source\": \"shapes\""), 18, "\"source\": \"shaqes\"");
  test::write_file(folder / "dataset.json", manifest);
  expect_refused(folder, "dataset.json: expected content with the hash");
}

// Other writers of safetensors leave metadata out.
TEST_F(ShardTest, MarksOfKeywordsAreNeededWhereATextHasKeywords) {
  const auto without_marks = [](const std::string& shard) {
    const Path folder = copy_without_checksums();
    std::string bytes = read_file(folder / shard);
    const size_t at = bytes.find("\"colon\"");
    EXPECT_NE(at, std::string::npos);
    bytes.replace(at, 7, "\"nolon\"");
    test::write_file(folder / shard, bytes);
    return folder;
  };
  expect_refused(without_marks(kShard), "has keywords");
  EXPECT_NO_THROW(open_encoded(without_marks("train-words-00000.safetensors")));
}

TEST_F(ShardTest, RefusesMissingAndTruncatedShards) {
  Path folder = fresh_copy();
  std::filesystem::remove(folder / kShard);
  expect_refused(folder, kShard);
  folder = fresh_copy();
  std::filesystem::resize_file(folder / kShard, std::filesystem::file_size(folder / kShard) - 1);
  expect_refused(folder, kShard);
  expect_refused(*folder_ / "tiny" / "documents", "mom-encoded");
  expect_refused(*folder_ / "tiny" / "codec-text", "dataset.json");
}

TEST_F(ShardTest, RefusesAnotherCodec) {
  Path folder = fresh_copy();
  test::write_file(*folder_ / "other.toml", "kind = \"text\"\n[text]\nvocabulary = 321\n");
  std::filesystem::remove_all(folder / "codecs" / "text");
  train_codec(
      {*folder_ / "other.toml", {}, *folder_ / "tiny" / "documents", folder / "codecs" / "text", false});
  expect_refused(folder, "another codec");
  folder = fresh_copy();
  std::filesystem::remove_all(folder / "codecs" / "image");
  std::filesystem::copy(folder / "codecs" / "text", folder / "codecs" / "image",
                        std::filesystem::copy_options::recursive);
  expect_refused(folder, "codecs/image");
}

TEST_F(ShardTest, RefusesAManifestThatDoesNotFit) {
  const auto refuse = [&](const std::string& expected, const std::function<void(Json&)>& edit) {
    const Path folder = fresh_copy();
    edit_manifest(folder, edit);
    expect_refused(folder, expected);
  };
  refuse("version", [](Json& m) { m["version"] = 1; });
  refuse("vocabulary", [](Json& m) { m["vocabulary"]["text"] = {1, 320}; });
  refuse("vocabulary", [](Json& m) { m["vocabulary"].erase("image"); });
  refuse("documents", [](Json& m) { m["shards"][0]["documents"] = 1; });
  refuse("name in the folder", [](Json& m) { m["shards"][0]["file"] = "../x.safetensors"; });
  refuse("latent_shape", [](Json& m) { m["modality_table"]["image"]["latent_shape"] = {4, 8}; });
  refuse("latents of the shape", [](Json& m) { m["modality_table"]["image"]["latent_shape"] = {4, 8, 16}; });
  refuse("modality_table", [](Json& m) { m.erase("modality_table"); });
  refuse("vocabulary", [](Json& m) { m["modality_table"]["image"]["representation"] = "codes"; });
  refuse("smell", [](Json& m) { m["modalities"][1] = "smell"; });
  refuse("codecs", [](Json& m) { m.erase("codecs"); });
}

// As version 2 had it: no table, and what images are beside their codec.
void make_older(Json& manifest) {
  manifest["version"] = 2;
  const Json image = manifest["modality_table"]["image"];
  for (const auto& [key, older] :
       {std::pair{"latent_shape", "latent_shape"}, {"codes_per_item", "codes_per_image"}})
    if (image.contains(key)) manifest["codecs"]["image"][older] = image[key];
  manifest.erase("modality_table");
}

TEST_F(ShardTest, OpensVersionTwo) {
  const Path folder = fresh_copy();
  const modality::Vocabulary vocabulary = open_encoded(folder).vocabulary;
  edit_manifest(folder, make_older);
  EXPECT_EQ(open_encoded(folder).vocabulary, vocabulary);
  edit_manifest(folder, [](Json& m) { m["codecs"]["image"].erase("latent_shape"); });
  expect_refused(folder, "latent_shape");
}

// The same folder with codes of pictures and speech: one shard's tokens are set to what cannot stand there.
TEST_F(ShardTest, CodesStayInTheirRanges) {
  const Path spoken = test::make_tiny_spoken(*folder_ / "spoken");
  const EncodedDataset dataset = open_encoded(spoken);
  EXPECT_EQ(dataset.modalities(), (std::vector<std::string>{"text", "image", "speech"}));
  EXPECT_EQ(dataset.vocabulary.size(), 320 + 16 + 12);
  EXPECT_EQ(dataset.vocabulary.find("image")->positions_per_item(), 16);
  EXPECT_FALSE(dataset.vocabulary.find("speech")->has_fixed_length());
  const Path older = *folder_ / "spoken-older";
  std::filesystem::copy(spoken, older, std::filesystem::copy_options::recursive);
  edit_manifest(older, make_older);
  EXPECT_EQ(open_encoded(older).vocabulary, dataset.vocabulary);
  const Shard* said = nullptr;
  for (const Shard& shard : dataset.shards) {
    if (shard.source == "said" && shard.split == "train") said = &shard;
  }
  ASSERT_NE(said, nullptr);
  const std::string name = said->file->path().filename().string();
  for (size_t segment = 0; segment < 3; ++segment) {
    const modality::Modality& range = dataset.vocabulary.modalities()[said->segment_modality[segment]];
    const auto part = static_cast<size_t>(said->segment_parts[segment]);
    const auto first = static_cast<size_t>(said->part_tokens[part]);
    EXPECT_TRUE(range.contains(said->tokens[first]));
    const int64_t parts = said->segment_parts[segment + 1] - said->segment_parts[segment];
    EXPECT_EQ(parts, range.has_fixed_length() ? 2 : 1) << range.name;  // a picture in two variants
    for (int64_t wrong : {range.begin - 1, range.end}) {
      std::string bytes = read_file(spoken / name);
      const std::string_view whole(bytes);
      uint64_t header = 0;
      std::memcpy(&header, bytes.data(), 8);
      const Json described = parse_json(whole.substr(8, header), "header");
      const auto value = static_cast<int32_t>(wrong);
      std::memcpy(
          bytes.data() + 8 + header + described["tokens"]["data_offsets"][0].get<size_t>() + 4 * first,
          &value, 4);
      const Path copy = *folder_ / "spoken-copy";
      std::filesystem::remove_all(copy);
      std::filesystem::copy(spoken, copy, std::filesystem::copy_options::recursive);
      test::write_file(copy / name, bytes);
      expect_refused(copy, "(" + range.name + "): tokens");
    }
  }
}

}  // namespace
}  // namespace mom::data
