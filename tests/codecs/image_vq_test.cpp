#include "mom/codecs/image_vq.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "mom/base/error.h"
#include "mom/codecs/image_vq_train.h"
#include "mom/codecs/pictures.h"
#include "mom/codecs/roundtrip.h"
#include "mom/codecs/vector_quantizer.h"
#include "mom/formats/image_file.h"
#include "tests/support/discs.h"
#include "tests/support/image_files.h"
#include "tests/support/read_image.h"
#include "tests/support/temp_folder.h"

namespace mom::codecs {
namespace {

using test::discs;

// 16 x 16 pictures -> 4 x 4 codes.
ImageVqConfig small_vq() {
  ImageVqConfig config;
  config.image_size = 16;
  config.downsample = 4;
  config.codebook_size = 32;
  config.code_width = 4;
  config.base_channels = 16;
  config.steps = 200;
  return config;
}

class ImageVqTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);  // at these sizes more threads only wait for each other on a busy machine
    folder_ = new test::TempFolder;
    report_ = new Json(train_image_vq(small_vq(), {{discs(64, 1)}, discs(16, 2)}, *folder_ / "codec", false));
    codec_ = new ImageVq(*folder_ / "codec");
  }
  static void TearDownTestSuite() {
    delete codec_;
    delete report_;
    delete folder_;
  }
  static Json train(const ImageVqConfig& config, const std::string& name) {
    return train_image_vq(config, {{discs(12, 1), discs(12, 4)}, discs(3, 2)}, *folder_ / name, false);
  }
  static inline test::TempFolder* folder_ = nullptr;
  static inline ImageVq* codec_ = nullptr;
  static inline Json* report_ = nullptr;
};

TEST_F(ImageVqTest, ShapesAndTypes) {
  EXPECT_EQ(codec_->codebook_size(), 32);
  EXPECT_EQ(codec_->codes_per_image(), 16);
  for (int64_t count : {0, 1, 5}) {
    const at::Tensor codes = codec_->encode(discs(count, 3));
    EXPECT_EQ(codes.sizes(), at::IntArrayRef({count, 16}));
    EXPECT_EQ(codes.scalar_type(), at::kInt);
    const at::Tensor images = codec_->decode(codes);
    EXPECT_EQ(images.sizes(), at::IntArrayRef({count, 3, 16, 16}));
    EXPECT_EQ(images.scalar_type(), at::kByte);
  }
  EXPECT_THROW(codec_->encode(torch::zeros({1, 3, 8, 16}, at::kByte)), c10::Error);
  EXPECT_THROW(codec_->encode(torch::zeros({1, 3, 16, 16})), c10::Error);
  EXPECT_THROW(codec_->encode(torch::zeros({3, 16, 16}, at::kByte)), c10::Error);
  EXPECT_THROW(codec_->decode(torch::zeros({1, 15}, at::kInt)), c10::Error);
  EXPECT_THROW(codec_->decode(torch::zeros({1, 16}, at::kLong)), c10::Error);
}

TEST_F(ImageVqTest, CodesOutsideTheCodebookAreRefused) {
  EXPECT_THROW(codec_->decode(torch::full({1, 16}, 32, at::kInt)), InputError);
  EXPECT_THROW(codec_->decode(torch::full({1, 16}, -1, at::kInt)), InputError);
}

TEST_F(ImageVqTest, HeldOutReconstructionIsBetterThanItsMeanColour) {
  const at::Tensor held_out = discs(16, 2);
  const at::Tensor flat = held_out.to(at::kFloat).mean({2, 3}, true).expand_as(held_out).to(at::kByte);
  const double psnr = psnr_db(held_out, codec_->decode(codec_->encode(held_out))).mean().item<double>();
  EXPECT_GT(psnr, psnr_db(held_out, flat).mean().item<double>() + 2);
  EXPECT_NEAR((*report_)["validation_psnr_db"].get<double>(), psnr, 1e-6);
  EXPECT_EQ((*report_)["train_pictures"], 64);
  EXPECT_EQ((*report_)["validation_pictures"], 16);
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "codec" / "report" / "reconstructions.png"));
}

TEST_F(ImageVqTest, ReportSaysHowManyCodesAreInUse) {
  const CodeUse use = code_use(codec_->encode(discs(64, 1)), 32);
  EXPECT_GE(use.share_used, 0.9);
  EXPECT_EQ((*report_)["codes_used_share"], use.share_used);
  EXPECT_EQ((*report_)["code_perplexity"], use.perplexity);
  EXPECT_EQ((*report_)["validation_codes_used_share"], code_use(codec_->encode(discs(16, 2)), 32).share_used);
}

TEST_F(ImageVqTest, CodesAreTheSameOnAnyNumberOfThreadsAndInAnyCompany) {
  const at::Tensor images = discs(7, 5);
  const at::Tensor codes = codec_->encode(images), back = codec_->decode(codes);
  for (int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    EXPECT_TRUE(codec_->encode(images).equal(codes)) << threads;
    EXPECT_TRUE(codec_->decode(codes).equal(back)) << threads;
    for (int64_t i = 0; i < 7; ++i) {
      EXPECT_TRUE(codec_->encode(images.slice(0, i, i + 1)).equal(codes.slice(0, i, i + 1))) << threads;
      EXPECT_TRUE(codec_->decode(codes.slice(0, i, i + 1)).equal(back.slice(0, i, i + 1))) << threads;
    }
    EXPECT_EQ(at::get_num_threads(), threads);
  }
  at::set_num_threads(1);
  EXPECT_TRUE(ImageVq(*folder_ / "codec").encode(images).equal(codes));
}

TEST_F(ImageVqTest, CodesAreInRasterOrder) {
  // Another code in the top right corner changes the picture most there.
  at::Tensor image = torch::full({1, 3, 16, 16}, 255, at::kByte);
  const at::Tensor white = codec_->decode(codec_->encode(image));
  at::Tensor codes = codec_->encode(image).clone();
  codes[0][3] = (codes[0][3] + 1).remainder(32);  // row 0, last column
  const at::Tensor change = (codec_->decode(codes).to(at::kInt) - white.to(at::kInt)).abs().sum(1)[0];
  const double nearby =
      change.slice(0, 0, 8).slice(1, 8, 16).sum().item<double>();  // a quarter of the picture
  EXPECT_GT(nearby, 0.6 * change.sum().item<double>());
}

TEST_F(ImageVqTest, SameSeedSameCodecOtherSeedAnother) {
  ImageVqConfig config = small_vq();
  config.steps = 6;
  train(config, "a");
  train(config, "b");
  EXPECT_EQ(read_codec_info(*folder_ / "a").hash, read_codec_info(*folder_ / "b").hash);
  config.seed = 2;
  train(config, "c");
  EXPECT_NE(read_file(*folder_ / "a" / "model.safetensors"), read_file(*folder_ / "c" / "model.safetensors"));
}

TEST_F(ImageVqTest, LargePicturesBecome1024Codes) {
  ImageVqConfig config = small_vq();
  config.image_size = 512;
  config.downsample = 16;
  config.codebook_size = 8;
  config.base_channels = 4;
  config.steps = 3;
  config.batch_images = 1;
  const at::Tensor images = torch::upsample_nearest2d(discs(2, 1), {512, 512});
  train_image_vq(config, {{images}, images.slice(0, 0, 0)}, *folder_ / "large", false);
  const ImageVq codec(*folder_ / "large");
  EXPECT_EQ(codec.codes_per_image(), 1024);
  const at::Tensor codes = codec.encode(images);
  EXPECT_EQ(codes.sizes(), at::IntArrayRef({2, 1024}));
  EXPECT_EQ(codec.decode(codes).sizes(), images.sizes());
  EXPECT_FALSE(codec.info().report.contains("validation_psnr_db"));
}

TEST_F(ImageVqTest, RefusesConfigsThatDoNotGoTogether) {
  ImageVqConfig config = small_vq();
  config.downsample = 3;
  EXPECT_THROW(train(config, "no"), UserError);
  config.downsample = 32;
  EXPECT_THROW(train(config, "no"), UserError);
  EXPECT_THROW(train_image_vq(small_vq(), {{discs(0, 1)}, discs(0, 2)}, *folder_ / "no", false), UserError);
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "no"));
}

TEST_F(ImageVqTest, DamagedOrForeignFoldersAreRefused) {
  auto expect_error = [&](const char* words) {
    try {
      ImageVq codec(*folder_ / "bad");
      FAIL() << "no error";
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  const auto overwrite =
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing;
  expect_error("a codec folder");
  std::filesystem::copy(*folder_ / "codec", *folder_ / "bad", overwrite);
  std::string model = read_file(*folder_ / "bad" / "model.safetensors");
  model.back() ^= 1;
  test::write_file(*folder_ / "bad" / "model.safetensors", model);
  expect_error("model.safetensors: expected the content that codec.json states");
  std::filesystem::copy(*folder_ / "codec", *folder_ / "bad", overwrite);
  const CodecInfo info = codec_->info();
  write_codec_info(*folder_ / "bad", "image_vae", "image", info.config, info.report);
  expect_error("vq_image");
  Json config = info.config;
  config["codebook_size"] = 33;  // not what the weights hold
  write_codec_info(*folder_ / "bad", "vq_image", "image", config, info.report);
  expect_error("codebook");
}

// Any picture a user may have is put through or refused by name.
TEST_F(ImageVqTest, RoundtripTakesPicturesOfAllKinds) {
  const std::vector<png_color> palette = {{10, 20, 30}, {200, 100, 50}};
  const std::map<std::string, std::string> files = {
      {"one_pixel.png", formats::encode_png({1, 1, 3, {9, 99, 200}})},
      {"cmyk.jpg", test::make_jpeg(8, 8, std::vector<uint8_t>(256, 90), 4, JCS_CMYK, true)},
      {"grey.jpg", test::make_jpeg(8, 8, std::vector<uint8_t>(64, 90), 1, JCS_GRAYSCALE, false)},
      {"grey.png", test::make_png(2, 1, {{7, 250}}, {8, PNG_COLOR_TYPE_GRAY})},
      {"deep.png", test::make_png(1, 1, {{0xff, 0xff, 0, 0, 1, 0xff}}, {16, PNG_COLOR_TYPE_RGB})},
      {"palette.png",
       test::make_png(8, 1, {{0b01010101}}, {1, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, palette})},
      {"alpha.webp", formats::encode_webp_lossless({3, 2, 4, std::vector<uint8_t>(24, 128)})}};
  for (const auto& [name, bytes] : files) {
    test::write_file(*folder_ / name, bytes);
    const OrderedJson figures = roundtrip({*folder_ / "codec", *folder_ / name, *folder_ / "out.png", {}});
    EXPECT_EQ(figures["kind"], "vq_image") << name;
    EXPECT_EQ(figures["codes"], 16) << name;
    const formats::Image rgb = formats::blend_on_white(test::read_image(*folder_ / name));
    const at::Tensor original = to_tensor(formats::fit_square(rgb, 16)).unsqueeze(0);
    const at::Tensor back = to_tensor(test::read_image(*folder_ / "out.png")).unsqueeze(0);
    EXPECT_TRUE(back.equal(codec_->decode(codec_->encode(original)))) << name;
  }
}

TEST_F(ImageVqTest, RoundtripRefusesForeignFilesByName) {
  const std::map<std::string, std::pair<std::string, std::string>> files = {
      {"cut.gif", {"GIF89a......", "a whole GIF"}},
      {"photo.png",
       {std::string("\0\0\0\x1c"
                    "ftypavif",
                    12),
        "an AVIF image"}},
      {"empty.png", {"", "nothing"}}};
  for (const auto& [name, content] : files) {
    test::write_file(*folder_ / name, content.first);
    try {
      roundtrip({*folder_ / "codec", *folder_ / name, *folder_ / "refused.png", {}});
      ADD_FAILURE() << name << ": no error";
    } catch (const InputError& error) {
      const std::string words = error.what();
      EXPECT_NE(words.find(name), std::string::npos) << words;
      EXPECT_NE(words.find(content.second), std::string::npos) << words;
    }
  }
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "refused.png"));
}

TEST_F(ImageVqTest, RoundtripPictureIsWhatTheCodecGives) {
  test::write_file(*folder_ / "in.png", formats::encode_png(to_image(discs(1, 2)[0])));
  const OrderedJson figures = roundtrip({*folder_ / "codec", *folder_ / "in.png", *folder_ / "out.png", {}});
  const at::Tensor original = discs(1, 2), codes = codec_->encode(original);
  const at::Tensor back = to_tensor(test::read_image(*folder_ / "out.png")).unsqueeze(0);
  EXPECT_TRUE(back.equal(codec_->decode(codes)));
  EXPECT_EQ(figures["different_codes"], code_use(codes, 32).num_used);
  EXPECT_NEAR(figures["psnr_db"].get<double>(), psnr_db(original, back).item<double>(), 1e-9);
}

}  // namespace
}  // namespace mom::codecs
