// Samplers on problems whose answer is known.
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/error.h"
#include "mom/generate/diffusion_sampler.h"

namespace mom {
namespace {

using generate::DiffusionMethod;
using generate::DiffusionSampler;
using models::CosineSchedule;
using models::Prediction;

const CosineSchedule kSchedule(1000);

// The noise that was added, read off the latent and its clean original.
at::Tensor true_noise(const at::Tensor& latent, const at::Tensor& clean, int64_t t) {
  const double a = kSchedule.alpha_bar(t);
  return (latent - clean * std::sqrt(a)) / std::sqrt(1 - a);
}

TEST(DiffusionSampler, TimestepsAreEvenFromLastToZero) {
  for (const int64_t steps : {2, 3, 50, 250, 999, 1000}) {
    const DiffusionSampler sampler(kSchedule, Prediction::kNoise, steps, DiffusionMethod::kDdim);
    EXPECT_EQ(sampler.num_steps(), steps);
    EXPECT_EQ(sampler.timestep(0), 999);
    EXPECT_EQ(sampler.timestep(steps - 1), 0);
    for (int64_t visit = 1; visit < steps; ++visit) {
      const double gap = static_cast<double>(sampler.timestep(visit - 1) - sampler.timestep(visit));
      EXPECT_NEAR(gap, 999.0 / static_cast<double>(steps - 1), 1);
      EXPECT_GE(gap, 1);
    }
  }
  EXPECT_EQ(DiffusionSampler(kSchedule, Prediction::kNoise, 1, DiffusionMethod::kDdpm).timestep(0), 999);
  EXPECT_THROW(DiffusionSampler(kSchedule, Prediction::kNoise, 0, DiffusionMethod::kDdim), UserError);
  EXPECT_THROW(DiffusionSampler(kSchedule, Prediction::kNoise, 1001, DiffusionMethod::kDdim), UserError);
  EXPECT_THROW(generate::parse_diffusion_method("euler"), UserError);
}

TEST(DiffusionSampler, WithTheTrueNoiseTheCleanLatentComesOut) {
  torch::manual_seed(1);
  const at::Tensor clean = torch::randn({4, 8, 8}).clamp(-3, 3);
  for (const DiffusionMethod method : {DiffusionMethod::kDdpm, DiffusionMethod::kDdim}) {
    for (const int64_t steps : {1, 2, 10, 50, 1000}) {
      const DiffusionSampler sampler(kSchedule, Prediction::kNoise, steps, method);
      at::Tensor latent = torch::randn_like(clean);
      for (int64_t visit = 0; visit < steps; ++visit)
        latent = sampler.step(visit, latent, true_noise(latent, clean, sampler.timestep(visit)),
                              torch::randn_like(clean));
      // From the first latent alone the signal is 5e-5 of it: f32 keeps three digits there.
      EXPECT_LE((latent - clean).abs().max().item<double>(), steps == 1 ? 1e-2 : 1e-4) << steps;
    }
  }
}

// What a right velocity leads to, and that each step is that of the noise it implies.
TEST(DiffusionSampler, AVelocityIsTheNoiseItImplies) {
  torch::manual_seed(2);
  const at::Tensor clean = torch::randn({4, 8, 8}).clamp(-3, 3);
  for (const DiffusionMethod method : {DiffusionMethod::kDdpm, DiffusionMethod::kDdim}) {
    for (const int64_t steps : {1, 2, 10, 50}) {
      const DiffusionSampler of_noise(kSchedule, Prediction::kNoise, steps, method),
          of_velocity(kSchedule, Prediction::kVelocity, steps, method);
      at::Tensor latent = torch::randn_like(clean);
      for (int64_t visit = 0; visit < steps; ++visit) {
        const double a = kSchedule.alpha_bar(of_noise.timestep(visit));
        const at::Tensor noise = true_noise(latent, clean, of_noise.timestep(visit)),
                         velocity = noise * std::sqrt(a) - clean * std::sqrt(1 - a),
                         fresh = torch::randn_like(clean);
        const at::Tensor next = of_velocity.step(visit, latent, velocity, fresh);
        // At the first visit noise says little of the clean latent, in f32.
        if (visit > 0) {
          EXPECT_LE((next - of_noise.step(visit, latent, noise, fresh)).abs().max().item<double>(), 1e-4);
        }
        latent = next;
      }
      EXPECT_LE((latent - clean).abs().max().item<double>(), 1e-4) << steps;
    }
  }
}

// The best prediction for data of N(mean, deviation^2): noised data is Gaussian too, and its score is known.
at::Tensor gaussian_noise(const at::Tensor& latent, int64_t t, double mean, double deviation) {
  const double a = kSchedule.alpha_bar(t), variance = a * deviation * deviation + 1 - a;
  return (latent - mean * std::sqrt(a)) * (std::sqrt(1 - a) / variance);
}

at::Tensor sample_gaussian(const DiffusionSampler& sampler, int64_t count, int64_t seed) {
  torch::manual_seed(seed);
  at::Tensor latent = torch::randn({count});
  for (int64_t visit = 0; visit < sampler.num_steps(); ++visit)
    latent = sampler.step(visit, latent, gaussian_noise(latent, sampler.timestep(visit), 0.7, 0.4),
                          torch::randn({count}));
  return latent;
}

TEST(DiffusionSampler, DdimWithAllStepsAndEtaOneHasTheDistributionOfDdpm) {
  constexpr int64_t kCount = 40000;
  const at::Tensor ddim = sample_gaussian(
      DiffusionSampler(kSchedule, Prediction::kNoise, 1000, DiffusionMethod::kDdim, 1), kCount, 3);
  const at::Tensor ddpm = sample_gaussian(
      DiffusionSampler(kSchedule, Prediction::kNoise, 1000, DiffusionMethod::kDdpm), kCount, 4);
  // Standard error of a mean 0.002, of a deviation 0.0014.
  for (const at::Tensor& sample : {ddim, ddpm}) {
    EXPECT_NEAR(sample.mean().item<double>(), 0.7, 0.01);
    EXPECT_NEAR(sample.std().item<double>(), 0.4, 0.01);
  }
  const at::Tensor levels = torch::tensor({0.02f, 0.1f, 0.3f, 0.5f, 0.7f, 0.9f, 0.98f});
  EXPECT_LE((torch::quantile(ddim, levels) - torch::quantile(ddpm, levels)).abs().max().item<double>(), 0.02);
}

TEST(DiffusionSampler, WithTheSameNoiseEtaOneIsDdpmToTheLastDigits) {
  const DiffusionSampler ddim(kSchedule, Prediction::kNoise, 100, DiffusionMethod::kDdim, 1),
      ddpm(kSchedule, Prediction::kNoise, 100, DiffusionMethod::kDdpm);
  torch::manual_seed(5);
  for (const int64_t visit : {0, 40, 98, 99}) {
    const at::Tensor latent = torch::randn({64}), noise = latent * 0.3 + torch::randn({64}) * 0.1,
                     fresh = torch::randn({64});
    EXPECT_LE((ddim.step(visit, latent, noise, fresh) - ddpm.step(visit, latent, noise, fresh))
                  .abs()
                  .max()
                  .item<double>(),
              2e-5)
        << visit;
  }
}

TEST(DiffusionSampler, WithoutEtaNothingIsDrawn) {
  const DiffusionSampler ddim(kSchedule, Prediction::kNoise, 20, DiffusionMethod::kDdim),
      ddpm(kSchedule, Prediction::kNoise, 20, DiffusionMethod::kDdpm);
  EXPECT_FALSE(ddim.draws(0));
  EXPECT_TRUE(ddpm.draws(0));
  EXPECT_FALSE(ddpm.draws(19));  // to the clean latent
  EXPECT_EQ(ddim.step(3, torch::ones({2}), torch::zeros({2}), {}).size(0), 2);
}

TEST(DiffusionSampler, LatentsStayInBounds) {
  const DiffusionSampler sampler(kSchedule, Prediction::kNoise, 50, DiffusionMethod::kDdim);
  at::Tensor latent = torch::randn({256});
  for (int64_t visit = 0; visit < 50; ++visit) latent = sampler.step(visit, latent, -latent, {});
  EXPECT_LE(latent.abs().max().item<double>(), generate::kLatentBound);
}

TEST(Guidance, MovesAwayFromTheUnconditional) {
  const at::Tensor guided = generate::guide(torch::tensor({1.0f, 2.0f}), torch::tensor({0.5f, 3.0f}), 3);
  EXPECT_TRUE(torch::equal(guided, torch::tensor({2.0f, 0.0f})));
}

}  // namespace
}  // namespace mom
