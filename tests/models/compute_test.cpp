// How a model is computed does not change what it computes: recomputation, bf16, gradients that are added up.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "mom/models/objective.h"
#include "tests/support/tiny_model.h"

namespace mom {
namespace {

using Gradients = std::map<std::string, at::Tensor>;

// Gradients of `passes` backward passes over one batch, added up.
Gradients gradients(const models::Compute& compute, const std::vector<std::string>& decoupled, int passes = 1,
                    const std::string& scan = nn::kRasterScan, bool adaptive_norm = false) {
  models::ModelSpec spec = test::tiny_spec(decoupled, scan);
  spec.adaptive_norm = adaptive_norm;
  models::Model model = test::initialised(spec);
  model->set_compute(compute);
  const data::Batch batch = test::small_batch(model->spec());
  const models::Objective objective({}, model->spec().vocabulary);
  for (int i = 0; i < passes; ++i) {
    models::BatchLoss loss =
        objective(*model, batch, models::count_terms(batch, model->spec()), models::Timesteps::kUniform);
    loss.total.backward();
  }
  Gradients found;
  for (auto& item : model->named_parameters()) found[item.key()] = item.value().grad();
  return found;
}

double nmse(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).square().sum() / expected.square().sum()).item<double>();
}

const std::vector<std::vector<std::string>> kDecoupled = {{}, {"in_proj", "x_proj", "dt_proj", "out_proj"}};

TEST(Compute, RecomputationHasTheSameBits) {
  for (const auto& decoupled : kDecoupled) {
    for (const std::string& scan : nn::scan_patterns()) {
      for (const bool adaptive_norm : {false, true}) {
        const Gradients kept = gradients({at::kFloat, false}, decoupled, 1, scan, adaptive_norm),
                        again = gradients({at::kFloat, true}, decoupled, 1, scan, adaptive_norm);
        for (const auto& [name, gradient] : kept) EXPECT_TRUE(torch::equal(gradient, again.at(name))) << name;
      }
    }
  }
}

TEST(Compute, Bfloat16GradientsAreFloat32AndClose) {
  for (const auto& decoupled : kDecoupled) {
    const Gradients exact = gradients({at::kFloat, false}, decoupled),
                    rounded = gradients({at::kBFloat16, true}, decoupled);
    for (const auto& [name, gradient] : exact) {
      EXPECT_EQ(rounded.at(name).scalar_type(), at::kFloat) << name;
      EXPECT_LE(nmse(rounded.at(name), gradient), 2e-2)
          << name;  // a relative error of 2^-8 or so, over three blocks
      EXPECT_FALSE(torch::equal(rounded.at(name), gradient)) << name;
    }
  }
}

// The second pass adds to the gradients that are there, without another copy of them.
TEST(Compute, GradientsOfTwoPassesAddUp) {
  for (const bool recompute : {false, true}) {
    const Gradients once = gradients({at::kFloat, recompute}, kDecoupled[1]),
                    twice = gradients({at::kFloat, recompute}, kDecoupled[1], 2);
    for (const auto& [name, gradient] : once) EXPECT_LE(nmse(twice.at(name), 2 * gradient), 1e-12) << name;
  }
}

}  // namespace
}  // namespace mom
