#include "mom/quality/copies.h"

#include <torch/types.h>

#include <cmath>
#include <limits>

namespace mom::quality {
namespace {

constexpr int64_t kThumbnailSide = 16;
constexpr int64_t kComparedTogether = 128;  // images in one batch: affects memory, not results

at::Tensor root_mean_squares(const at::Tensor& x_NP, const at::Tensor& y_MP) {
  return at::cdist(x_NP, y_MP) / std::sqrt(static_cast<double>(x_NP.size(1)));
}

}  // namespace

at::Tensor thumbnails(const at::Tensor& images_N3SS) {
  return at::adaptive_avg_pool2d(images_N3SS.to(torch::kFloat32), {kThumbnailSide, kThumbnailSide})
      .round()
      .to(torch::kUInt8)
      .flatten(1);
}

NearestTraining nearest_training(const at::Tensor& thumbnails_NP, const at::Tensor& training_MP) {
  const at::Tensor training = training_MP.to(torch::kFloat32);
  std::vector<at::Tensor> indices, distances, ratios;
  for (const at::Tensor& some : thumbnails_NP.to(torch::kFloat32).split(kComparedTogether)) {
    const at::Tensor distances_NM = root_mean_squares(some, training);
    const auto [nearest_N, index_N] = distances_NM.min(1);
    const at::Tensor same_NM = root_mean_squares(training.index_select(0, index_N), training).lt(kSameImage);
    const at::Tensor second_N =
        std::get<0>(distances_NM.masked_fill(same_NM, std::numeric_limits<float>::infinity()).min(1));
    indices.push_back(index_N);
    distances.push_back(nearest_N);
    ratios.push_back(torch::where(second_N.isinf(), torch::ones_like(second_N), nearest_N / second_N));
  }
  return {torch::cat(indices), torch::cat(distances), torch::cat(ratios)};
}

int64_t NearestTraining::copies() const { return ratio_N.lt(kCopyRatio).sum().item<int64_t>(); }

}  // namespace mom::quality
