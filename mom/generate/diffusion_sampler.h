// From noise to a clean latent: which timesteps of the training's schedule are visited, and what one visit does. Pure
// functions of tensors; the network and the random numbers are the caller's.
//
//   x0 = (x - sqrt(1 - a_t) noise) / sqrt(a_t), or of a velocity sqrt(a_t) x - sqrt(1 - a_t) velocity; clipped to
//        +-kLatentBound
//        a_t: alpha_bar at t;  a_s: at the next visit (1 after the last);  z: standard normal
//   ddpm  x_s = sqrt(a_s) b / (1 - a_t) x0 + sqrt(r) (1 - a_s) / (1 - a_t) x + sqrt(b (1 - a_s) / (1 - a_t)) z
//         with r = a_t / a_s, b = 1 - r: ancestral sampling (Ho et al. 2020, arXiv 2006.11239, equations 6 and 7)
//   ddim  x_s = sqrt(a_s) x0 + sqrt(1 - a_s - sigma^2) noise + sigma z
//         with sigma = eta sqrt((1 - a_s) / (1 - a_t)) sqrt(1 - a_t / a_s), and the noise that belongs to the clipped x0
//         (Song et al. 2020, arXiv 2010.02502, equation 12)
// eta = 0 draws nothing after the first noise; eta = 1 has ddpm's distribution.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "mom/models/diffusion.h"

namespace mom::generate {

// Codecs scale latents to variance 1; of the quickstart's 1.7 million numbers the largest is 4.7. At high t
// x0 is a difference of large numbers, and would leave all bounds without this.
inline constexpr double kLatentBound = 5;

enum class DiffusionMethod { kDdpm, kDdim };
DiffusionMethod parse_diffusion_method(const std::string& name);  // UserError: neither "ddpm" nor "ddim"

class DiffusionSampler {
 public:
  // `steps` visits, evenly spaced from the schedule's last timestep to 0. UserError: below 1 or more than the
  // schedule has.
  DiffusionSampler(const models::CosineSchedule& schedule, models::Prediction prediction, int64_t steps,
                   DiffusionMethod method, double eta = 0);

  int64_t num_steps() const { return static_cast<int64_t>(timesteps_.size()); }
  int64_t timestep(int64_t visit) const { return timesteps_[static_cast<size_t>(visit)]; }
  // True where step() reads `fresh`.
  bool draws(int64_t visit) const;
  // x0, clipped: what the network takes the clean latent for.
  at::Tensor clean(int64_t visit, const at::Tensor& latent, const at::Tensor& predicted) const;
  // The latent at the next visit; after the last the clean one. f32 [..], `fresh` standard normal (may be undefined
  // where nothing is drawn).
  at::Tensor step(int64_t visit, const at::Tensor& latent, const at::Tensor& predicted,
                  const at::Tensor& fresh) const;

 private:
  double alpha_bar_after(int64_t visit) const;
  std::vector<int64_t> timesteps_;
  std::vector<double> alpha_bar_;
  models::Prediction prediction_;
  DiffusionMethod method_;
  double eta_;
};

// Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): unconditional + weight (conditional -
// unconditional). Of velocities it is that of the noises they imply, to which both add the same.
at::Tensor guide(const at::Tensor& conditional, const at::Tensor& unconditional, double weight);

}  // namespace mom::generate
