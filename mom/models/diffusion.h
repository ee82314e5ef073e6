// The noise schedule of the image objective: cosine (Nichol & Dhariwal 2021, arXiv 2102.09672, equation 17), and what
// a network that predicts noise or velocity (prediction.h) says by it. I pictures, C x H x W latents; t counts from 0
// (little noise) to steps - 1 (pure noise).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "mom/models/prediction.h"

namespace mom::models {

class CosineSchedule {
 public:
  explicit CosineSchedule(int64_t steps);
  int64_t steps() const { return static_cast<int64_t>(alpha_bar_.size()); }
  // Share of the signal's variance that is left at step t: product of (1 - beta), each beta at most 0.999.
  double alpha_bar(int64_t t) const { return alpha_bar_[static_cast<size_t>(t)]; }
  // sqrt(alpha_bar) x + sqrt(1 - alpha_bar) noise, one timestep per picture. f32 in and out.
  at::Tensor add_noise(const at::Tensor& clean_ICHW, const at::Tensor& noise_ICHW,
                       const at::Tensor& timesteps_I) const;
  // What is to be predicted.
  at::Tensor target(Prediction prediction, const at::Tensor& clean_ICHW, const at::Tensor& noise_ICHW,
                    const at::Tensor& timesteps_I) const;
  // The clean latent that goes with a noised one if the prediction is right.
  at::Tensor clean(Prediction prediction, const at::Tensor& noised_ICHW, const at::Tensor& predicted_ICHW,
                   const at::Tensor& timesteps_I) const;
  // The noise in it, likewise.
  at::Tensor noise(Prediction prediction, const at::Tensor& noised_ICHW, const at::Tensor& predicted_ICHW,
                   const at::Tensor& timesteps_I) const;
  // Signal over noise, in variances. f64 [I].
  at::Tensor signal_to_noise(const at::Tensor& timesteps_I) const;
  // The squared error of the noise that a prediction implies, over its own squared error. f64 [I].
  at::Tensor noise_error_ratio(Prediction prediction, const at::Tensor& timesteps_I) const;

 private:
  at::Tensor alpha_bars(const at::Tensor& timesteps_I) const;    // f64 [I]
  at::Tensor signal_scale(const at::Tensor& timesteps_I) const;  // sqrt(alpha_bar), f64 [I, 1, 1, 1]
  std::vector<double> alpha_bar_;
};

// The schedule of each modality of latents, by number.
class Schedules {
 public:
  Schedules(CosineSchedule of_all) : schedules_{std::move(of_all)} {}  // NOLINT: what most models have
  explicit Schedules(std::vector<CosineSchedule> schedules) : schedules_(std::move(schedules)) {}
  const CosineSchedule& of(size_t latents) const {
    return schedules_.size() == 1 ? schedules_[0] : schedules_.at(latents);
  }

 private:
  std::vector<CosineSchedule> schedules_;
};

// [I, C, H, W] -> [I * (H/p) * (W/p), C * p * p], patches in raster order; and back.
at::Tensor patchify(const at::Tensor& images_ICHW, int64_t patch_size);
at::Tensor unpatchify(const at::Tensor& patches_QP, const std::vector<int64_t>& latent_shape,
                      int64_t patch_size);

}  // namespace mom::models
