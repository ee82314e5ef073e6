#include "mom/models/diffusion.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace mom::models {

CosineSchedule::CosineSchedule(int64_t steps) {
  constexpr double kOffset = 0.008, kBetaMax = 0.999, kHalfPi = 1.57079632679489661923;
  auto f = [&](double t) {
    const double c = std::cos((t / static_cast<double>(steps) + kOffset) / (1 + kOffset) * kHalfPi);
    return c * c;
  };
  double product = 1;
  for (int64_t t = 0; t < steps; ++t) {
    product *= 1 - std::min(1 - f(static_cast<double>(t + 1)) / f(static_cast<double>(t)), kBetaMax);
    alpha_bar_.push_back(product);
  }
}

at::Tensor CosineSchedule::alpha_bars(const at::Tensor& timesteps_I) const {
  return torch::tensor(alpha_bar_, torch::kFloat64).index_select(0, timesteps_I);
}

at::Tensor CosineSchedule::signal_scale(const at::Tensor& timesteps_I) const {
  return alpha_bars(timesteps_I).sqrt().view({-1, 1, 1, 1});
}

at::Tensor CosineSchedule::add_noise(const at::Tensor& clean, const at::Tensor& noise,
                                     const at::Tensor& timesteps_I) const {
  const at::Tensor signal = signal_scale(timesteps_I);
  return clean * signal.to(torch::kFloat32) + noise * (1 - signal.square()).sqrt().to(torch::kFloat32);
}

at::Tensor CosineSchedule::target(Prediction prediction, const at::Tensor& clean, const at::Tensor& noise,
                                  const at::Tensor& timesteps_I) const {
  if (prediction == Prediction::kNoise) return noise;
  const at::Tensor signal = signal_scale(timesteps_I);
  return noise * signal.to(torch::kFloat32) - clean * (1 - signal.square()).sqrt().to(torch::kFloat32);
}

at::Tensor CosineSchedule::clean(Prediction prediction, const at::Tensor& noised, const at::Tensor& predicted,
                                 const at::Tensor& timesteps_I) const {
  const at::Tensor signal = signal_scale(timesteps_I);
  const at::Tensor cut = predicted * (1 - signal.square()).sqrt().to(torch::kFloat32);
  return prediction == Prediction::kNoise ? (noised - cut) / signal.to(torch::kFloat32)
                                          : noised * signal.to(torch::kFloat32) - cut;
}

at::Tensor CosineSchedule::noise(Prediction prediction, const at::Tensor& noised, const at::Tensor& predicted,
                                 const at::Tensor& timesteps_I) const {
  if (prediction == Prediction::kNoise) return predicted;
  const at::Tensor a = alpha_bars(timesteps_I).view({-1, 1, 1, 1});
  return noised * (1 - a).sqrt().to(torch::kFloat32) + predicted * a.sqrt().to(torch::kFloat32);
}

at::Tensor CosineSchedule::signal_to_noise(const at::Tensor& timesteps_I) const {
  const at::Tensor a = alpha_bars(timesteps_I);
  return a / (1 - a);
}

at::Tensor CosineSchedule::noise_error_ratio(Prediction prediction, const at::Tensor& timesteps_I) const {
  // noise = sqrt(a) velocity + sqrt(1 - a) noised
  const at::Tensor a = alpha_bars(timesteps_I);
  return prediction == Prediction::kNoise ? torch::ones_like(a) : a;
}

at::Tensor patchify(const at::Tensor& images, int64_t p) {
  const int64_t n = images.size(0), c = images.size(1), h = images.size(2) / p, w = images.size(3) / p;
  return images.reshape({n, c, h, p, w, p}).permute({0, 2, 4, 1, 3, 5}).reshape({n * h * w, c * p * p});
}

at::Tensor unpatchify(const at::Tensor& patches, const std::vector<int64_t>& shape, int64_t p) {
  const int64_t c = shape[0], h = shape[1] / p, w = shape[2] / p;
  return patches.reshape({-1, h, w, c, p, p}).permute({0, 3, 1, 4, 2, 5}).reshape({-1, c, h * p, w * p});
}

}  // namespace mom::models
