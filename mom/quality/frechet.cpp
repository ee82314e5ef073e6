#include "mom/quality/frechet.h"

#include <torch/types.h>

namespace mom::quality {
namespace {

struct Moments {
  at::Tensor mean_F, covariance_FF;
};

Moments moments_of(const at::Tensor& vectors_NF) {
  TORCH_CHECK(vectors_NF.dim() == 2 && vectors_NF.size(0) >= 2,
              "[frechet_distance] expected at least two vectors [N, F], got ", vectors_NF.sizes());
  const at::Tensor mean_F = vectors_NF.mean(0), centred_NF = vectors_NF - mean_F;
  return {mean_F, centred_NF.t().matmul(centred_NF) / static_cast<double>(vectors_NF.size(0) - 1)};
}

// Of a positive semidefinite matrix; negative eigenvalues from rounding are taken as 0.
at::Tensor symmetric_root(const at::Tensor& matrix_FF) {
  const auto [values_F, vectors_FF] = torch::linalg_eigh(matrix_FF);
  return (vectors_FF * values_F.clamp_min(0).sqrt()).matmul(vectors_FF.t());
}

}  // namespace

at::Tensor pooled_features(const at::Tensor& encodings_NCHW, int64_t max_features) {
  const int64_t channels = encodings_NCHW.size(1), side = encodings_NCHW.size(2);
  TORCH_CHECK(encodings_NCHW.dim() == 4 && side == encodings_NCHW.size(3),
              "[pooled_features] expected square encodings [N, C, H, W], got ", encodings_NCHW.sizes());
  int64_t grid = 1;
  for (int64_t finer = 2; finer <= side; ++finer)
    if (side % finer == 0 && channels * finer * finer <= max_features) grid = finer;
  return torch::avg_pool2d(encodings_NCHW, side / grid).flatten(1).to(torch::kFloat64);
}

double frechet_distance(const at::Tensor& a_NF, const at::Tensor& b_MF) {
  const Moments a = moments_of(a_NF), b = moments_of(b_MF);
  const at::Tensor root_FF = symmetric_root(a.covariance_FF);
  const at::Tensor values_F = torch::linalg_eigvalsh(root_FF.matmul(b.covariance_FF).matmul(root_FF));
  const at::Tensor distance = (a.mean_F - b.mean_F).square().sum() + a.covariance_FF.trace() +
                              b.covariance_FF.trace() - 2 * values_F.clamp_min(0).sqrt().sum();
  return std::max(0.0, distance.item<double>());
}

Nearest nearest(const at::Tensor& a_NF, const at::Tensor& b_MF) {
  const auto [distances_N, indices_N] = torch::cdist(a_NF, b_MF).min(1);
  return {indices_N, distances_N};
}

}  // namespace mom::quality
