#include "mom/data/codec_training.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/codecs/image_vq.h"
#include "mom/codecs/text_codec.h"
#include "tests/support/tiny_data.h"

namespace mom::data {
namespace {

class CodecTrainingTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);
    folder_ = new test::TempFolder;
    test::make_tiny_documents(*folder_ / "documents");
  }
  static void TearDownTestSuite() { delete folder_; }
  static OrderedJson train(const std::string& toml, const std::string& out) {
    test::write_file(*folder_ / "codec.toml", toml);
    return train_codec({*folder_ / "codec.toml", {}, *folder_ / "documents", *folder_ / out, false});
  }
  static inline test::TempFolder* folder_ = nullptr;
};

TEST_F(CodecTrainingTest, VqImageLearnsFromTrainingPicturesAndReportsHeldOutOnes) {
  const OrderedJson result = train(
      "kind = \"vq_image\"\n[vq_image]\nimage_size = 16\ndownsample = 4\ncodebook_size = 16\n"
      "base_channels = 8\nsteps = 20\n",
      "vq");
  EXPECT_EQ(result["kind"], "vq_image");
  EXPECT_EQ(result["report"]["train_pictures"], 20);
  EXPECT_EQ(result["report"]["validation_pictures"], 4);
  for (const char* key : {"validation_psnr_db", "validation_mse", "codes_used_share", "code_perplexity",
                          "validation_codes_used_share", "validation_code_perplexity"})
    EXPECT_GT(result["report"][key].get<double>(), 0) << key;
  const codecs::ImageVq codec(*folder_ / "vq");
  EXPECT_EQ(codec.info().hash, result["hash"]);
  EXPECT_EQ(codec.info().modality, "image");
  EXPECT_EQ(codec.codes_per_image(), 16);
}

TEST_F(CodecTrainingTest, RefusesConfigsItDoesNotKnow) {
  EXPECT_THROW(train("kind = \"vq\"\n", "no"), UserError);
  EXPECT_THROW(train("kind = \"vq_image\"\n[vq_image]\nlatent_channels = 4\n", "no"), UserError);
  EXPECT_THROW(train("kind = \"vq_image\"\n[vq_image]\ndownsample = 6\n", "no"), UserError);
  EXPECT_THROW(train("[vq_image]\nsteps = 1\n", "no"), UserError);
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "no"));
}

TEST_F(CodecTrainingTest, OptionsComeBeforeTheConfig) {
  test::write_file(*folder_ / "codec.toml", "kind = \"text\"\n[text]\nvocabulary = 320\n");
  CodecTrainOptions options{
      *folder_ / "codec.toml", {"text.vocabulary=300"}, *folder_ / "documents", *folder_ / "overridden"};
  train_codec(options);
  EXPECT_EQ(codecs::TextCodec(options.out).vocabulary(), 300);
  EXPECT_THROW(train_codec(options), UserError) << "it is there now";
  options.replace = true;
  options.overrides = {"text.vocabulary=310", "text.sample_bytes=2000"};
  const OrderedJson part = train_codec(options);
  EXPECT_EQ(codecs::TextCodec(options.out).vocabulary(), 310);
  EXPECT_LT(part["report"]["sample_bytes"].get<int>(), 4000) << "about as much as was asked for";
  options.overrides = {"text.vocabulary=few"};
  EXPECT_THROW(train_codec(options), UserError);
  options.overrides.clear();
  options.steps = 5;  // of which a text codec has none
  EXPECT_THROW(train_codec(options), UserError);
}

TEST_F(CodecTrainingTest, SettingsOfOtherKindsAreSaid) {
  testing::internal::CaptureStderr();
  train("kind = \"text\"\n[text]\nvocabulary = 300\n[vq_image]\nsteps = 7\n", "warned");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("vq_image.steps has no effect with kind = \"text\""), std::string::npos) << log;
  EXPECT_EQ(log.find("text.vocabulary"), std::string::npos) << log;
}

TEST_F(CodecTrainingTest, StepsAndPicturesAsMuchAsAsked) {
  test::write_file(*folder_ / "codec.toml",
                   "kind = \"vq_image\"\n[vq_image]\nimage_size = 16\ndownsample = 4\ncodebook_size = 16\n"
                   "base_channels = 8\nmax_images = 8\nsteps = 900000\n");
  CodecTrainOptions options{*folder_ / "codec.toml", {}, *folder_ / "documents", *folder_ / "few", false, 2};
  const int pictures = train_codec(options)["report"]["train_pictures"].get<int>();
  EXPECT_GT(pictures, 0);
  EXPECT_LT(pictures, 20);
  EXPECT_EQ(codecs::ImageVq(options.out).config().steps, 2);
}

TEST_F(CodecTrainingTest, WhatDocumentsDoNotHave) {
  const Path texts = *folder_ / "texts", shown = *folder_ / "shown";
  {
    DocumentWriter writer(texts, false);
    writer.add("words", "train",
               {"a", false, {test::text_segment("red disc", {"round"}), test::text_segment("blue bar")}});
    writer.add("words", "train", {"b", false, {test::text_segment("")}});
    writer.commit();
    DocumentWriter pictures(shown, false);
    for (int i = 0; i < 4; ++i) {
      const std::string key = std::to_string(i);
      pictures.add(
          "shapes", "train",
          {key,
           false,
           {{"image", "", {}, pictures.add_media(key, formats::encode_png(test::tiny_picture(i)))}}});
    }
    pictures.commit();
  }
  const Path text = *folder_ / "text.toml", image = *folder_ / "image.toml";
  test::write_file(text, "kind = \"text\"\n[text]\nvocabulary = 300\n");
  test::write_file(image,
                   "kind = \"vq_image\"\n[vq_image]\nimage_size = 16\ndownsample = 4\ncodebook_size = 4\n"
                   "base_channels = 8\nsteps = 2\n");
  EXPECT_EQ(train_codec({text, {}, texts, *folder_ / "of-texts"})["report"]["sample_bytes"],
            std::string("red disc: round\nblue bar").size());
  EXPECT_THROW(train_codec({text, {}, shown, *folder_ / "none"}), UserError);
  EXPECT_THROW(train_codec({image, {}, texts, *folder_ / "none"}), UserError);
  const Json report = train_codec({image, {}, shown, *folder_ / "of-shown"})["report"];
  EXPECT_EQ(report["train_pictures"], 4);
  EXPECT_EQ(report["validation_pictures"], 0);
  EXPECT_FALSE(report.contains("validation_code_perplexity")) << "nothing is held out to measure it on";
}

}  // namespace
}  // namespace mom::data
