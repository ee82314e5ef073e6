#include "mom/data/encode.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "mom/base/error.h"
#include "mom/codecs/image_vae.h"
#include "mom/codecs/pictures.h"
#include "mom/codecs/text_codec.h"
#include "mom/data/shard.h"
#include "tests/support/thrown.h"
#include "tests/support/tiny_data.h"

namespace mom::data {
namespace {

class EncodeTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    test::make_tiny_encoded(*folder_ / "tiny");
  }
  static void TearDownTestSuite() { delete folder_; }
  static Path tiny() { return *folder_ / "tiny"; }

  static EncodeOptions options(const Path& documents, const std::string& out) {
    EncodeOptions options;
    options.documents = documents;
    options.codecs = {tiny() / "codec-text", tiny() / "codec-image"};
    options.out = *folder_ / out;
    options.variants = 2;
    return options;
  }
  static const Shard& shard(const EncodedDataset& dataset, const std::string& split,
                            const std::string& source) {
    for (const Shard& shard : dataset.shards) {
      if (shard.split == split && shard.source == source) return shard;
    }
    throw std::runtime_error("no shard " + split + "-" + source);
  }
  static std::vector<int32_t> part(const Shard& shard, size_t i) {
    return {shard.tokens.begin() + shard.part_tokens[i], shard.tokens.begin() + shard.part_tokens[i + 1]};
  }
  static std::string error_of(const EncodeOptions& options) {
    return test::message_of<Error>([&] { encode_documents(options); });
  }
  // Documents with one good picture, one that is no picture, and a text.
  static Path documents_with_a_bad_picture() {
    const Path folder = *folder_ / "bad-documents";
    if (std::filesystem::exists(folder)) return folder;
    DocumentWriter writer(folder, false);
    writer.add(
        "mixed", "train",
        {"good",
         false,
         {{"image", "", {}, writer.add_media("good.png", formats::encode_png(test::tiny_picture(1)))}}});
    writer.add("mixed", "train",
               {"broken", false, {{"image", "", {}, writer.add_media("broken.png", "this is no picture")}}});
    writer.add("mixed", "train", {"words", false, {test::text_segment("red disc")}});
    writer.commit();
    return folder;
  }
  static inline test::TempFolder* folder_ = nullptr;
};

TEST_F(EncodeTest, TextAndKeywordsAreTheCodecsTokens) {
  const EncodedDataset dataset = open_encoded(tiny() / "encoded");
  const codecs::TextCodec codec(tiny() / "encoded" / "codecs" / "text");
  const Shard& shapes = shard(dataset, "train", "shapes");
  EXPECT_EQ(shapes.num_documents(), 20);
  ASSERT_EQ(shapes.document_segments[1], 2);
  EXPECT_EQ(shapes.document_free[0], 1);
  ASSERT_EQ(shapes.segment_parts[1], 4);  // the text and three keywords
  EXPECT_EQ(part(shapes, 0), codec.encode("red square"));
  EXPECT_EQ(part(shapes, 1), codec.encode(" red"));
  EXPECT_EQ(part(shapes, 3), codec.encode(" figure"));
  EXPECT_EQ(shapes.colon, codec.encode(":"));
  EXPECT_EQ(shapes.comma, codec.encode(","));
  const Shard& words = shard(dataset, "validation", "words");
  EXPECT_EQ(codec.decode(part(words, 0)), test::tiny_text(5));
  EXPECT_EQ(words.document_free[0], 0);
  EXPECT_EQ(words.latents[0].num_variants, 0);
}

TEST_F(EncodeTest, LatentsAreTheCodecsAndVariantsDiffer) {
  const EncodedDataset dataset = open_encoded(tiny() / "encoded");
  const codecs::ImageVae codec(tiny() / "encoded" / "codecs" / "image");
  EXPECT_EQ(dataset.vocabulary.latents()->latent_shape, (std::vector<int64_t>{4, 8, 8}));
  const Shard& shapes = shard(dataset, "train", "shapes");
  ASSERT_EQ(shapes.latents[0].num_variants, 2);
  EXPECT_EQ(shapes.latents[0].values.size(), 20u * 2 * 4 * 8 * 8);
  const at::Tensor stored =
      torch::from_blob(const_cast<uint16_t*>(shapes.latents[0].values.data()), {20, 2, 4, 8, 8}, at::kHalf)
          .to(at::kFloat);
  const formats::Image fitted = formats::fit_square(formats::blend_on_white(test::tiny_picture(1)), 16);
  const at::Tensor expected = codec.encode(codecs::to_tensor(fitted).unsqueeze(0))[0];
  const double f16_error = 1e-3 * (1 + expected.abs().max().item<double>());  // f16 keeps 11 bits
  EXPECT_LT((stored[1][0] - expected).abs().max().item<double>(), f16_error);
  EXPECT_GT((stored[1][1] - expected).abs().max().item<double>(), 10 * f16_error);
}

TEST_F(EncodeTest, CountsInManifestAndResultAgree) {
  EncodeOptions again = options(tiny() / "documents", "again");
  const OrderedJson result = encode_documents(again);
  EXPECT_EQ(result["documents"], test::kTinyPictures + test::kTinyTexts);
  EXPECT_EQ(result["segments"]["image"], test::kTinyPictures);
  EXPECT_EQ(result["tokens"]["image"], test::kTinyPictures * 16);  // 8 x 8 latent pixels in patches of 2 x 2
  uint64_t tokens = 0;
  const EncodedDataset dataset = open_encoded(again.out);
  for (const Shard& item : dataset.shards) tokens += item.tokens.size();
  EXPECT_EQ(result["tokens"]["text"], tokens);
  for (const Json& entry : dataset.manifest["shards"]) {
    const std::string name = entry["file"];
    EXPECT_EQ(read_file(again.out / name), read_file(tiny() / "encoded" / name))
        << "the same input gives the same bytes";
  }
}

TEST_F(EncodeTest, ABadPictureStopsWithItsNameAndLeavesNothing) {
  const EncodeOptions bad = options(documents_with_a_bad_picture(), "bad");
  const std::string message = error_of(bad);
  EXPECT_NE(message.find("document \"broken\""), std::string::npos) << message;
  EXPECT_NE(message.find("train-mixed.jsonl"), std::string::npos) << message;
  EXPECT_FALSE(std::filesystem::exists(bad.out));
}

TEST_F(EncodeTest, SkipBadCountsAndKeepsTheRest) {
  EncodeOptions skip = options(documents_with_a_bad_picture(), "skip");
  skip.skip_bad = true;
  const OrderedJson result = encode_documents(skip);
  EXPECT_EQ(result["documents"], 2);
  EXPECT_EQ(result["skipped"], 1);
  const EncodedDataset dataset = open_encoded(skip.out);
  EXPECT_EQ(dataset.manifest["skipped"], 1);
  EXPECT_EQ(dataset.shards[0].num_documents(), 2);
}

TEST_F(EncodeTest, RefusesMissingAndDoubleCodecsAndExistingFolders) {
  EncodeOptions missing = options(tiny() / "documents", "missing");
  missing.codecs.pop_back();
  EXPECT_NE(error_of(missing).find("codec for image"), std::string::npos) << error_of(missing);
  EXPECT_THROW(encode_documents(missing), UserError);
  EncodeOptions twice = options(tiny() / "documents", "twice");
  twice.codecs.push_back(tiny() / "codec-text");
  EXPECT_THROW(encode_documents(twice), UserError);
  EncodeOptions existing = options(tiny() / "documents", "tiny/encoded");
  EXPECT_THROW(encode_documents(existing), UserError);
  EncodeOptions none = options(tiny() / "documents", "none");
  none.variants = 0;
  EXPECT_THROW(encode_documents(none), UserError);
}

TEST_F(EncodeTest, TextAloneNeedsNoImageCodec) {
  const Path documents = *folder_ / "texts";
  DocumentWriter writer(documents, false);
  writer.add("words", "train", {"a", false, {test::text_segment("red disc"), test::text_segment("")}});
  writer.set_titles({{"words", "words of colours"}});
  writer.commit();
  EncodeOptions text = options(documents, "text-only");
  text.codecs.pop_back();
  encode_documents(text);
  const EncodedDataset dataset = open_encoded(text.out);
  EXPECT_EQ(dataset.modalities(), std::vector<std::string>{"text"});
  EXPECT_EQ(dataset.manifest["titles"], (Json{{"words", "words of colours"}}));
  EXPECT_EQ(dataset.shards[0].part_tokens[1], dataset.shards[0].part_tokens[2])
      << "an empty text has no tokens";
}

TEST_F(EncodeTest, WithoutAModality) {
  const Path documents = *folder_ / "spoken";
  DocumentWriter writer(documents, false);
  const auto sound = [&] { return Segment{"speech", "", {}, writer.add_media("a.wav", "not read at all")}; };
  writer.add("spoken", "train", {"both", true, {test::text_segment("red disc"), sound()}});
  writer.add("spoken", "train", {"alone", false, {sound()}});
  writer.add("spoken", "train",
             {"ordered", false, {test::text_segment("a"), sound(), test::text_segment("b"), sound()}});
  writer.commit();
  EncodeOptions text = options(documents, "unspoken");
  text.codecs.pop_back();
  EXPECT_NE(error_of(text).find("'--without speech'"), std::string::npos) << error_of(text);
  text.without = {"image"};
  EXPECT_NE(error_of(text).find("a modality of the documents (speech, text), found 'image'"),
            std::string::npos)
      << error_of(text);
  text.without = {"text"};
  EXPECT_NE(error_of(text).find("no codec for text"), std::string::npos) << error_of(text);
  text.without = {"speech"};
  const OrderedJson result = encode_documents(text);
  EXPECT_EQ(result["documents"], 2);
  EXPECT_EQ(result["skipped"], 1);
  EXPECT_EQ(result["segments"].dump(), R"({"text":3})");
  const EncodedDataset dataset = open_encoded(text.out);
  EXPECT_EQ(dataset.modalities(), std::vector<std::string>{"text"});
  EXPECT_EQ(dataset.manifest["without"], (Json{"speech"}));
  EXPECT_EQ(dataset.shards[0].document_free[0], 0) << "one segment has no order";
  EXPECT_EQ(dataset.shards[0].document_segments[2], 3);
}

TEST(PictureViews, FirstIsThePictureOthersAreMovedByTheKey) {
  const formats::Image picture = test::tiny_picture(1);
  const auto views = codecs::image_views(picture, 16, 4, "key");
  ASSERT_EQ(views.size(), 4u);
  EXPECT_EQ(views[0].pixels, formats::fit_square(formats::blend_on_white(picture), 16).pixels);
  for (size_t i = 1; i < views.size(); ++i) {
    EXPECT_EQ(views[i].pixels.size(), 16u * 16 * 3);
    EXPECT_NE(views[i].pixels, views[i - 1].pixels);
    EXPECT_EQ(views[i].pixels, codecs::image_views(picture, 16, 4, "key")[i].pixels);
    EXPECT_NE(views[i].pixels, codecs::image_views(picture, 16, 4, "other key")[i].pixels);
  }
}

TEST(EvenShares, TakeAsEvenlyAsTheSourcesAllow) {
  EXPECT_EQ(even_shares({100, 100, 100}, 90), (std::vector<uint64_t>{30, 30, 30}));
  EXPECT_EQ(even_shares({5, 100, 40}, 90), (std::vector<uint64_t>{5, 45, 40}));
  EXPECT_EQ(even_shares({5, 6}, 90), (std::vector<uint64_t>{5, 6}));
  EXPECT_EQ(even_shares({}, 90), (std::vector<uint64_t>{}));
}

}  // namespace
}  // namespace mom::data
