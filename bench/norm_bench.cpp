// Residual addition and RMS norm, forward and backward.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "bench/bench.h"
#include "mom/ops/backend.h"
#include "mom/ops/rms_norm.h"

namespace mom::bench {
namespace {

Bench make_norm() {
  at::manual_seed(1);
  const int64_t T = 4096, E = 256;
  const at::Tensor x = at::randn({T, E}).set_requires_grad(true),
                   weight = at::ones({E}).set_requires_grad(true);
  const at::Tensor residual = at::randn({T, E}).set_requires_grad(true), dy = at::randn({T, E});
  Bench bench;
  bench.name = "norm";
  bench.shape = "4096x256 f32, fwd+bwd";
  bench.work = {static_cast<double>(T * E) * 18, static_cast<double>(T * E) * 4 * 8, 0, 0, 0};
  bench.check = [=] {
    ops::ScopedBackend both(ops::Backend::kCheck);
    auto [normed, sum] = ops::add_rms_norm(x, residual, weight, 1e-5);
    torch::autograd::grad({normed, sum}, {x, residual, weight}, {dy, dy});
  };
  bench.run = [=] {
    auto [normed, sum] = ops::add_rms_norm(x, residual, weight, 1e-5);
    torch::autograd::grad({normed, sum}, {x, residual, weight}, {dy, dy});
  };
  return bench;
}

}  // namespace

void register_norm_benches() {
  Register("norm", "residual addition + RMS norm, forward + backward", make_norm);
}

}  // namespace mom::bench
