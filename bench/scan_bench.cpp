// Selective scan, forward and backward apart, 4,096 tokens of width 512 with 16 states, all options on.
#include <torch/torch.h>

#include "bench/bench.h"
#include "mom/ops/backend.h"
#include "mom/ops/selective_scan.h"

namespace mom::bench {
namespace {

struct ScanCase {
  at::Tensor u, dt, a, b, c, skip, gate, bias, offsets;

  ScanCase(int64_t S, int64_t L, int64_t D, int64_t N) {
    at::manual_seed(1);
    const int64_t T = S * L;
    const at::Tensor xz = at::randn({T, 2 * D});
    u = at::randn({T, D});
    gate = xz.narrow(1, D, D);
    dt = at::randn({T, D}) - 4;
    a = -at::arange(1, N + 1).to(at::kFloat).repeat({D, 1});
    const at::Tensor bc = at::randn({T, 2 * N});
    b = bc.narrow(1, 0, N);
    c = bc.narrow(1, N, N);
    skip = at::ones({D});
    bias = at::zeros({D});
    offsets = at::arange(S + 1, at::kLong) * L;
    for (at::Tensor* tensor : {&u, &gate, &dt, &a, &b, &c, &skip, &bias}) tensor->set_requires_grad(true);
  }
  at::Tensor run() const {
    return std::get<0>(ops::selective_scan(u, dt, a, b, c, skip, gate, bias, true, offsets, std::nullopt));
  }
  std::vector<at::Tensor> gradients(const at::Tensor& y, const at::Tensor& dy, bool keep) const {
    return torch::autograd::grad({y}, {u, dt, a, b, c, skip, gate, bias}, {dy}, keep);
  }
};

void check_small() {
  ops::ScopedBackend both(ops::Backend::kCheck);
  const ScanCase x(2, 70, 80, 16);
  const at::Tensor y = x.run();
  x.gradients(y, at::ones_like(y), false);
}

Bench make(const std::string& name, int64_t S, int64_t L, bool backward) {
  const int64_t D = 512, N = 16, T = S * L;
  auto x = std::make_shared<ScanCase>(S, L, D, N);
  const double updates = static_cast<double>(T) * D * N, row_bytes = static_cast<double>(T) * D * 4;
  Bench bench;
  bench.name = name;
  bench.shape = std::to_string(S) + "x" + std::to_string(L) + " D 512 N 16 f32";
  bench.check = check_small;
  if (backward) {
    // step * a, h (2), c * h (2) again, and on the way back 7 multiply-adds; exponentials apart.
    bench.work = {updates * 19, row_bytes * 7, updates};
    auto y = std::make_shared<at::Tensor>(x->run());
    auto dy = std::make_shared<at::Tensor>(at::randn({T, D}));
    bench.run = [=] { x->gradients(*y, *dy, true); };
  } else {
    bench.work = {updates * 6, row_bytes * 4, updates};  // step * a, du * b, h (2), c * h (2)
    bench.run = [=] {
      at::NoGradGuard no_grad;
      x->run();
    };
  }
  return bench;
}

}  // namespace

void register_scan_benches() {
  auto add = [](const std::string& name, int64_t S, int64_t L, bool backward, const std::string& help) {
    Register(name, help, [=] { return make(name, S, L, backward); });
  };
  add("scan_forward", 8, 512, false, "selective scan, forward, 8 sequences of 512");
  add("scan_backward", 8, 512, true, "selective scan, backward, 8 sequences of 512");
  add("scan_long", 1, 4096, false, "selective scan, forward, one sequence of 4,096");
  add("scan_short", 64, 64, false, "selective scan, forward, 64 sequences of 64");
}

}  // namespace mom::bench
