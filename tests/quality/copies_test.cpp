#include "mom/quality/copies.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

namespace mom::quality {
namespace {

// Each a smooth image of its own.
at::Tensor make_images(int64_t count, uint64_t seed) {
  torch::manual_seed(seed);
  return at::upsample_bilinear2d(torch::rand({count, 3, 4, 4}) * 255, {32, 32}, false).to(torch::kUInt8);
}

// What a codec and a sampler leave of an image.
at::Tensor worn(const at::Tensor& images) {
  return (images.to(torch::kFloat32) + 6 * torch::randn({images.size(0), 3, 32, 32}) + 3)
      .clamp(0, 255)
      .to(torch::kUInt8);
}

int64_t copies_among(const at::Tensor& images, const at::Tensor& training) {
  return nearest_training(thumbnails(images), thumbnails(training)).copies();
}

TEST(Copies, FindsPlantedOnesAndNoOthers) {
  const at::Tensor training = make_images(60, 1), others = make_images(20, 2);
  EXPECT_EQ(copies_among(others, training), 0);
  EXPECT_EQ(copies_among(worn(training.slice(0, 10, 15)), training), 5);
  const NearestTraining nearest =
      nearest_training(thumbnails(worn(training.slice(0, 10, 15))), thumbnails(training));
  EXPECT_TRUE(torch::equal(nearest.index_N, torch::arange(10, 15)));
}

// An image that training shows twice, or in variants that hardly differ, is copied all the same.
TEST(Copies, TwinsInTheTrainingHideNothing) {
  const at::Tensor training = make_images(30, 1), copied = worn(training.slice(0, 0, 5));
  EXPECT_EQ(copies_among(copied, torch::cat({training, training, worn(training)})), 5);
}

// Half way between two training images is no copy of either.
TEST(Copies, AMixtureIsNone) {
  const at::Tensor training = make_images(30, 1);
  const at::Tensor mixed =
      (training.slice(0, 0, 10).to(torch::kFloat32) / 2 + training.slice(0, 10, 20).to(torch::kFloat32) / 2)
          .to(torch::kUInt8);
  EXPECT_EQ(copies_among(mixed, training), 0);
}

TEST(Copies, WithoutASecondImageThereIsNothingToCompareWith) {
  const at::Tensor training = make_images(1, 1);
  EXPECT_EQ(copies_among(training, torch::cat({training, training})), 0);
}

}  // namespace
}  // namespace mom::quality
