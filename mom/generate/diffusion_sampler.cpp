#include "mom/generate/diffusion_sampler.h"

#include <ATen/ATen.h>

#include <cmath>

#include "mom/base/error.h"

namespace mom::generate {

DiffusionMethod parse_diffusion_method(const std::string& name) {
  if (name == "ddpm") return DiffusionMethod::kDdpm;
  if (name == "ddim") return DiffusionMethod::kDdim;
  throw UserError({"--sampler", "ddpm or ddim", "\"" + name + "\"", ""});
}

DiffusionSampler::DiffusionSampler(const models::CosineSchedule& schedule, models::Prediction prediction,
                                   int64_t steps, DiffusionMethod method, double eta)
    : prediction_(prediction), method_(method), eta_(eta) {
  if (steps < 1 || steps > schedule.steps())
    throw UserError({"--steps", "1 to " + std::to_string(schedule.steps()) + ", the steps of the schedule",
                     std::to_string(steps), ""});
  for (int64_t visit = 0; visit < steps; ++visit) {
    const int64_t last = schedule.steps() - 1;
    timesteps_.push_back(steps == 1 ? last : last * (steps - 1 - visit) / (steps - 1));
    alpha_bar_.push_back(schedule.alpha_bar(timesteps_.back()));
  }
}

double DiffusionSampler::alpha_bar_after(int64_t visit) const {
  return visit + 1 < num_steps() ? alpha_bar_[static_cast<size_t>(visit + 1)] : 1;
}

bool DiffusionSampler::draws(int64_t visit) const {
  return visit + 1 < num_steps() && (method_ == DiffusionMethod::kDdpm || eta_ > 0);
}

at::Tensor DiffusionSampler::clean(int64_t visit, const at::Tensor& latent,
                                   const at::Tensor& predicted) const {
  const double now = alpha_bar_[static_cast<size_t>(visit)];
  const at::Tensor cut = predicted * std::sqrt(1 - now);
  return (prediction_ == models::Prediction::kNoise ? (latent - cut) / std::sqrt(now)
                                                    : latent * std::sqrt(now) - cut)
      .clamp(-kLatentBound, kLatentBound);
}

at::Tensor DiffusionSampler::step(int64_t visit, const at::Tensor& latent, const at::Tensor& predicted,
                                  const at::Tensor& fresh) const {
  const double now = alpha_bar_[static_cast<size_t>(visit)], next = alpha_bar_after(visit);
  const at::Tensor clean = this->clean(visit, latent, predicted);
  if (visit + 1 == num_steps()) return clean;
  const double ratio = now / next, share = (1 - next) / (1 - now);
  if (method_ == DiffusionMethod::kDdpm)
    return clean * (std::sqrt(next) * (1 - ratio) / (1 - now)) + latent * (std::sqrt(ratio) * share) +
           fresh * std::sqrt((1 - ratio) * share);
  const double sigma = eta_ * std::sqrt(share * (1 - ratio));
  const at::Tensor cut_noise = (latent - clean * std::sqrt(now)) / std::sqrt(1 - now);
  const at::Tensor moved =
      clean * std::sqrt(next) + cut_noise * std::sqrt(std::max(0.0, 1 - next - sigma * sigma));
  return sigma > 0 ? moved + fresh * sigma : moved;
}

at::Tensor guide(const at::Tensor& conditional, const at::Tensor& unconditional, double weight) {
  return unconditional + (conditional - unconditional) * weight;
}

}  // namespace mom::generate
