// Causal convolution with SiLU on the first half of in_proj's output.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "bench/bench.h"
#include "mom/ops/backend.h"
#include "mom/ops/causal_conv1d.h"

namespace mom::bench {
namespace {

struct ConvCase {
  at::Tensor x, weight, bias, offsets;
  ConvCase(int64_t S, int64_t L, int64_t D) {
    at::manual_seed(1);
    x = at::randn({S * L, 2 * D}).narrow(1, 0, D).set_requires_grad(true);
    weight = at::randn({D, 4}).set_requires_grad(true);
    bias = at::randn({D}).set_requires_grad(true);
    offsets = at::arange(S + 1, at::kLong) * L;
  }
  at::Tensor run() const {
    return std::get<0>(ops::causal_conv1d(x, weight, bias, true, offsets, std::nullopt));
  }
};

Bench make_conv(bool backward) {
  auto c = std::make_shared<ConvCase>(8, 512, 512);
  const double elements = 4096.0 * 512;
  Bench bench;
  bench.name = backward ? "conv_backward" : "conv_forward";
  bench.shape = "8x512 D 512 K 4 f32";
  bench.check = [] {
    ops::ScopedBackend both(ops::Backend::kCheck);
    const ConvCase small(2, 70, 80);
    small.run().sum().backward();
  };
  if (backward) {
    bench.work = {elements * 24, elements * 12, elements, 0, elements * 30};
    auto y = std::make_shared<at::Tensor>(c->run());
    auto dy = std::make_shared<at::Tensor>(at::randn({4096, 512}));
    bench.run = [=] { torch::autograd::grad({*y}, {c->x, c->weight, c->bias}, {*dy}, true); };
  } else {
    bench.work = {elements * 8, elements * 8, elements, 0, elements * 10};
    bench.run = [=] {
      at::NoGradGuard no_grad;
      c->run();
    };
  }
  return bench;
}

}  // namespace

void register_conv_benches() {
  Register("conv_forward", "causal convolution + SiLU, forward", [] { return make_conv(false); });
  Register("conv_backward", "causal convolution + SiLU, backward", [] { return make_conv(true); });
}

}  // namespace mom::bench
