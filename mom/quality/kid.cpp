#include "mom/quality/kid.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "mom/base/random.h"

namespace mom::quality {
namespace {

constexpr int64_t kSubsets = 50, kLargestSubset = 100;

at::Tensor kernel(const at::Tensor& x_NF, const at::Tensor& y_MF) {
  return (x_NF.matmul(y_MF.t()) / static_cast<double>(x_NF.size(1)) + 1).pow(3);
}

// Over all pairs of different vectors.
double mean_of_others(const at::Tensor& kernel_NN) {
  const auto n = static_cast<double>(kernel_NN.size(0));
  return ((kernel_NN.sum() - kernel_NN.trace()) / (n * (n - 1))).item<double>();
}

at::Tensor subset(const at::Tensor& vectors_NF, int64_t count, RandomStream& random) {
  std::vector<int64_t> rows(static_cast<size_t>(vectors_NF.size(0)));
  std::iota(rows.begin(), rows.end(), 0);
  random.shuffle(rows);
  rows.resize(static_cast<size_t>(count));
  return vectors_NF.index_select(0, torch::tensor(rows, torch::kInt64));
}

}  // namespace

double squared_mmd(const at::Tensor& x_NF, const at::Tensor& y_MF) {
  TORCH_CHECK(x_NF.dim() == 2 && y_MF.dim() == 2 && x_NF.size(1) == y_MF.size(1) && x_NF.size(0) >= 2 &&
                  y_MF.size(0) >= 2,
              "[squared_mmd] expected at least two vectors [N, F] each, got ", x_NF.sizes(), " and ",
              y_MF.sizes());
  return mean_of_others(kernel(x_NF, x_NF)) + mean_of_others(kernel(y_MF, y_MF)) -
         2 * kernel(x_NF, y_MF).mean().item<double>();
}

Kid kernel_distance(const at::Tensor& x_NF, const at::Tensor& y_MF, uint64_t seed) {
  const int64_t fewest = std::min(x_NF.size(0), y_MF.size(0));
  const int64_t size = std::clamp<int64_t>(fewest / 2, 2, kLargestSubset);
  RandomStream random(stream_key({seed, fnv1a64("kid")}));
  std::vector<double> distances;
  for (int64_t i = 0; i < kSubsets; ++i)
    distances.push_back(squared_mmd(subset(x_NF, size, random), subset(y_MF, size, random)));
  Kid kid;
  kid.mean = std::accumulate(distances.begin(), distances.end(), 0.0) / kSubsets;
  double squares = 0;
  for (const double distance : distances) squares += (distance - kid.mean) * (distance - kid.mean);
  // Subsets overlap: their spread is that of sets of their size, and shrinks with the root of it.
  kid.standard_error = std::sqrt(squares / (kSubsets - 1)) *
                       std::sqrt(static_cast<double>(size) / static_cast<double>(fewest));
  return kid;
}

OrderedJson Kid::to_json() const { return {{"mean", mean}, {"standard_error", standard_error}}; }

}  // namespace mom::quality
