#include "mom/data/codec_training.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/codecs/image_vq.h"
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

}  // namespace
}  // namespace mom::data
