// in_proj at d_model 256, forward and backward: one modality (dense) against two on half the rows each.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "bench/bench.h"
#include "mom/base/error.h"
#include "mom/ops/backend.h"
#include "mom/ops/modality_linear.h"
#include "mom/ops/modality_linear_reference.h"

namespace mom::bench {
namespace {

Bench make_linear(int64_t num_groups) {
  const int64_t T = 4096, I = 256, O = 1024;
  at::manual_seed(1);
  auto x = std::make_shared<at::Tensor>(at::randn({T, I}).set_requires_grad(true));
  auto weights = std::make_shared<std::vector<at::Tensor>>();
  for (int64_t m = 0; m < num_groups; ++m) weights->push_back(at::randn({O, I}).set_requires_grad(true));
  const at::Tensor offsets = at::arange(num_groups + 1, at::kLong) * (T / num_groups), dy = at::randn({T, O});
  Bench bench;
  bench.name = num_groups == 1 ? "linear_dense" : "linear_modality";
  bench.shape = "4096x256 -> 1024 f32, fwd+bwd";
  bench.work = {6.0 * T * I * O, 4.0 * (3 * T * I + 3 * T * O + 3 * num_groups * I * O), 0, 0,
                3.0 * T * I * O};
  bench.check = [=] {
    at::NoGradGuard no_grad;
    ops::check_close("modality_linear", "y_TO", ops::modality_linear(*x, *weights, {}, offsets),
                     ops::modality_linear_reference(
                         x->to(at::kDouble),
                         [&] {
                           std::vector<at::Tensor> doubles;
                           for (const at::Tensor& weight : *weights)
                             doubles.push_back(weight.to(at::kDouble));
                           return doubles;
                         }(),
                         {}, offsets));
  };
  bench.run = [=] {
    std::vector<at::Tensor> inputs = *weights;
    inputs.push_back(*x);
    torch::autograd::grad({ops::modality_linear(*x, *weights, {}, offsets)}, inputs, {dy});
  };
  return bench;
}

}  // namespace

void register_linear_benches() {
  Register("linear_dense", "in_proj of one weight, forward + backward", [] { return make_linear(1); });
  Register("linear_modality", "in_proj of two modalities, forward + backward", [] { return make_linear(2); });
}

}  // namespace mom::bench
