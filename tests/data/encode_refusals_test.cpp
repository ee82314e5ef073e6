// Documents that do not fit their codecs or their own dataset.json: each is named, or left out and counted.
#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/data/shard.h"
#include "tests/data/encoded_fixture.h"
#include "tests/support/thrown.h"

namespace mom::data {
namespace {

class EncodeRefusals : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    make_mixed_encoded(folder_->path());
  }
  static void TearDownTestSuite() { delete folder_; }

  static EncodeOptions options(const Path& documents, const std::vector<std::string>& codecs) {
    EncodeOptions options;
    options.documents = documents;
    options.out = *folder_ / "out";
    options.replace = true;
    for (const std::string& codec : codecs) options.codecs.push_back(*folder_ / ("codec-" + codec));
    return options;
  }
  // The fixture's documents with another dataset.json.
  static Path documents_with(const std::function<void(Json&)>& edit) {
    const Path copy = *folder_ / "changed";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(*folder_ / "documents", copy);
    edit_manifest_of(copy, [&](Json& manifest) {
      manifest.erase("hash");
      edit(manifest);
    });
    return copy;
  }
  // One document "d" of `segment`, whose array is `array`.
  static Path document_of(const std::string& modality, const std::string& array, bool encoded = true) {
    const Path folder = *folder_ / "one";
    std::filesystem::remove_all(folder);
    DocumentWriter writer(folder, false);
    writer.add("one", "train", {"d", false, {{modality, "", {}, writer.add_media("a", array), 0, encoded}}});
    writer.commit();
    return folder;
  }
  template <class Kind>
  static void expect_error(const EncodeOptions& given, const std::string& expected) {
    test::expect_error<Kind>([&] { encode_documents(given); }, expected);
  }
  static inline test::TempFolder* folder_ = nullptr;
};

TEST_F(EncodeRefusals, SegmentsThatTheManifestDoesNotCount) {
  EncodeOptions given = options(documents_with([](Json& manifest) {
                                  for (Json& collection : manifest["collections"])
                                    collection["segments"].erase("photo");
                                }),
                                {"text", "music"});
  expect_error<InputError>(given,
                           "train-mixed.jsonl, document \"d0\": expected segments of a modality that "
                           "dataset.json counts, found \"photo\"");
  given.skip_bad = true;
  const OrderedJson result = encode_documents(given);
  EXPECT_EQ(result["documents"], 2);
  EXPECT_EQ(result["skipped"], 2);
}

TEST_F(EncodeRefusals, AModalityThatIsCountedAsNoneNeedsNoCodec) {
  const Path documents =
      documents_with([](Json& manifest) { manifest["collections"][0]["segments"]["speech"] = 0; });
  EXPECT_EQ(encode_documents(options(documents, {"text", "photo", "music"}))["documents"], 4);
  EncodeOptions without = options(documents, {"text", "photo", "music"});
  without.without = {"speech"};
  expect_error<UserError>(without,
                          "--without: expected a modality of the documents (music, photo, text), found "
                          "'speech'");
}

TEST_F(EncodeRefusals, ArraysThatAreNotAsTheirCodecSays) {
  const auto refuse = [](const std::string& modality, const formats::Npy& array,
                         const std::string& expected) {
    expect_error<InputError>(options(document_of(modality, formats::write_npy(array)), {modality}),
                             "train-one.jsonl, document \"d\": " + expected);
  };
  using Codes = std::vector<int64_t>;
  using Floats = std::vector<float>;
  refuse("music", {{3}, Codes{1, 8, 2}}, "media-00000.tar at byte 512: expected codes from 0 to 7");
  refuse("music", {{2}, Codes{1, 2}}, "media-00000.tar at byte 512: expected 3 codes");
  refuse("music", {{3}, Floats{1, 2, 3}}, "media-00000.tar at byte 512: expected codes (integers)");
  refuse("photo", {{1, 2, 2}, Codes{1, 2, 3, 4}}, "media-00000.tar at byte 512: expected latents (floats)");
  refuse("photo", {{1, 4, 1}, Floats{1, 2, 3, 4}}, "media-00000.tar at byte 512: expected shape [1, 2, 2]");
  refuse("photo", {{1, 2, 2}, Floats{1e9f, 2, 3, 4}},
         "photo: expected latents within 65504 standard deviations");
}

TEST_F(EncodeRefusals, AnImageWhereItsCodecIsOneOfArrays) {
  CodecDescribeOptions describe;
  describe.documents = document_of("image", formats::write_npy({{2}, std::vector<int64_t>{1, 2}}));
  describe.name = "image", describe.codebook_size = 4, describe.out = *folder_ / "codec-image";
  describe_codec(describe);
  EXPECT_EQ(encode_documents(options(describe.documents, {"image"}))["documents"], 1);
  expect_error<InputError>(
      options(document_of("image", "a picture", /*encoded=*/false), {"image"}),
      "document \"d\": expected encoded segments (.npy), found media; the codec of image is of "
      "kind external");
}

TEST_F(EncodeRefusals, NothingButBadDocuments) {
  EncodeOptions given = options(document_of("music", "no array"), {"music"});
  given.skip_bad = true;
  expect_error<InputError>(given, "expected at least one good document, found none");
}

TEST_F(EncodeRefusals, VariantsInTheirRange) {
  for (const int64_t variants : {0, 65}) {
    EncodeOptions given = options(*folder_ / "documents", {"text", "photo", "music"});
    given.variants = variants;
    expect_error<UserError>(given, "--variants: expected 1 to 64, found " + std::to_string(variants));
  }
}

// More documents than go through the codecs at a time.
TEST_F(EncodeRefusals, ManyDocumentsKeepTheirOrder) {
  const Path documents = *folder_ / "many";
  DocumentWriter writer(documents, false);
  for (int i = 0; i < 600; ++i) {
    const std::string array = formats::write_npy({{3}, std::vector<int64_t>{i % 8, i / 8 % 8, i / 64 % 8}});
    writer.add(
        "many", "train",
        {"d" + std::to_string(i), false, {{"music", "", {}, writer.add_media("a.npy", array), 0, true}}});
  }
  writer.commit();
  const EncodeOptions given = options(documents, {"music"});
  EXPECT_EQ(encode_documents(given)["documents"], 600);
  const EncodedDataset dataset = open_encoded(given.out);
  const Shard& shard = dataset.shards.at(0);
  ASSERT_EQ(shard.tokens.size(), 1800u);
  const auto begin = static_cast<int32_t>(dataset.vocabulary.find("music")->begin);
  for (size_t i = 0; i < 600; ++i)
    EXPECT_EQ(shard.tokens[3 * i] - begin + 8 * (shard.tokens[3 * i + 1] - begin) +
                  64 * (shard.tokens[3 * i + 2] - begin),
              static_cast<int32_t>(i % 512));
}

}  // namespace
}  // namespace mom::data
