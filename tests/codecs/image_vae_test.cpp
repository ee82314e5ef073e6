#include "mom/codecs/image_vae.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "mom/base/error.h"
#include "mom/codecs/image_vae_train.h"
#include "mom/codecs/pictures.h"
#include "mom/codecs/roundtrip.h"
#include "mom/formats/image_file.h"
#include "tests/support/discs.h"
#include "tests/support/read_image.h"
#include "tests/support/temp_folder.h"

namespace mom::codecs {
namespace {

using test::discs;

ImageVaeConfig small_vae() {
  ImageVaeConfig config;
  config.image_size = 16;
  config.downsample = 4;
  config.base_channels = 16;
  config.steps = 150;
  return config;
}

class ImageVaeTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);  // at these sizes more threads only wait for each other on a busy machine
    folder_ = new test::TempFolder;
    report_ =
        new Json(train_image_vae(small_vae(), {{discs(64, 1)}, discs(16, 2)}, *folder_ / "codec", false));
    codec_ = new ImageVae(*folder_ / "codec");
  }
  static void TearDownTestSuite() {
    delete codec_;
    delete report_;
    delete folder_;
  }
  static inline test::TempFolder* folder_ = nullptr;
  static inline ImageVae* codec_ = nullptr;
  static inline Json* report_ = nullptr;
};

TEST_F(ImageVaeTest, ShapesAndTypes) {
  for (int64_t count : {0, 1, 5, 40}) {
    const at::Tensor latents = codec_->encode(discs(count, 3));
    EXPECT_EQ(latents.sizes(), at::IntArrayRef({count, 4, 4, 4}));
    EXPECT_EQ(latents.scalar_type(), at::kFloat);
    const at::Tensor images = codec_->decode(latents);
    EXPECT_EQ(images.sizes(), at::IntArrayRef({count, 3, 16, 16}));
    EXPECT_EQ(images.scalar_type(), at::kByte);
  }
  EXPECT_THROW(codec_->encode(torch::zeros({1, 3, 8, 16}, at::kByte)), c10::Error);
  EXPECT_THROW(codec_->encode(torch::zeros({1, 3, 16, 16})), c10::Error);
  EXPECT_THROW(codec_->decode(torch::zeros({1, 3, 4, 4})), c10::Error);
}

TEST_F(ImageVaeTest, HeldOutReconstructionIsBetterThanItsMeanColour) {
  const at::Tensor held_out = discs(16, 2);
  const at::Tensor flat = held_out.to(at::kFloat).mean({2, 3}, true).expand_as(held_out).to(at::kByte);
  const double psnr = psnr_db(held_out, codec_->decode(codec_->encode(held_out))).mean().item<double>();
  EXPECT_GT(psnr, psnr_db(held_out, flat).mean().item<double>() + 3);
  EXPECT_NEAR((*report_)["validation_psnr_db"].get<double>(), psnr, 1e-6);
  EXPECT_EQ((*report_)["validation_pictures"], 16);
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "codec" / "report" / "reconstructions.png"));
}

TEST_F(ImageVaeTest, LatentsOfTrainingPicturesHaveMeanZeroAndVarianceOne) {
  const at::Tensor latents = codec_->encode(discs(64, 1)).to(at::kDouble);
  EXPECT_LT(latents.mean({0, 2, 3}).abs().max().item<double>(), 1e-4);
  EXPECT_LT((latents.var(at::IntArrayRef{0, 2, 3}, false) - 1).abs().max().item<double>(), 1e-3);
}

TEST_F(ImageVaeTest, SameSeedSameCodecOtherSeedAnother) {
  ImageVaeConfig config = small_vae();
  config.steps = 5;
  const TrainingPictures pictures{{discs(12, 1), discs(12, 4)}, discs(3, 2)};
  train_image_vae(config, pictures, *folder_ / "a", false);
  train_image_vae(config, pictures, *folder_ / "b", false);
  EXPECT_EQ(read_codec_info(*folder_ / "a").hash, read_codec_info(*folder_ / "b").hash);
  config.seed = 2;
  train_image_vae(config, pictures, *folder_ / "c", false);
  EXPECT_NE(read_file(*folder_ / "a" / "model.safetensors"), read_file(*folder_ / "c" / "model.safetensors"));
}

TEST_F(ImageVaeTest, EveryDownsamplingFactorTrains) {
  for (int64_t downsample : {2, 8}) {
    ImageVaeConfig config = small_vae();
    config.downsample = downsample;
    config.steps = 2;
    const Path out = *folder_ / ("f" + std::to_string(downsample));
    train_image_vae(config, {{discs(4, 1)}, discs(0, 2)}, out, false);
    EXPECT_EQ(ImageVae(out).encode(discs(2, 1)).sizes(),
              at::IntArrayRef({2, 4, 16 / downsample, 16 / downsample}));
  }
}

TEST_F(ImageVaeTest, RefusesConfigsThatDoNotGoTogether) {
  ImageVaeConfig config = small_vae();
  config.downsample = 3;
  EXPECT_THROW(train_image_vae(config, {{discs(4, 1)}, discs(0, 2)}, *folder_ / "no", false), UserError);
  config.downsample = 16;
  EXPECT_THROW(train_image_vae(config, {{discs(4, 1)}, discs(0, 2)}, *folder_ / "no", false), UserError);
  EXPECT_THROW(train_image_vae(small_vae(), {{discs(0, 1)}, discs(0, 2)}, *folder_ / "no", false), UserError);
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "no"));
}

TEST_F(ImageVaeTest, RoundtripWritesAPictureAndItsPsnr) {
  test::write_file(*folder_ / "in.png", formats::encode_png(to_image(discs(1, 2)[0])));
  const OrderedJson figures = roundtrip({*folder_ / "codec", *folder_ / "in.png", *folder_ / "out.png", {}});
  EXPECT_EQ(figures["latent_shape"], OrderedJson({4, 4, 4}));
  const at::Tensor original = discs(1, 2),
                   back = to_tensor(test::read_image(*folder_ / "out.png")).unsqueeze(0);
  EXPECT_NEAR(figures["psnr_db"].get<double>(), psnr_db(original, back).item<double>(), 1e-9);
  EXPECT_GT(figures["psnr_db"].get<double>(), 10);
}

TEST(Psnr, IsWhatTheFormulaSays) {
  const at::Tensor black = torch::zeros({1, 3, 8, 8}, at::kByte);
  EXPECT_NEAR(psnr_db(black, torch::full_like(black, 255)).item<double>(), 0, 1e-9);
  EXPECT_NEAR(psnr_db(black, torch::full_like(black, 51)).item<double>(), 13.979400, 1e-5);
  EXPECT_EQ(psnr_db(black, black).item<double>(), 99);
}

}  // namespace
}  // namespace mom::codecs
