// Selective scan, forward and backward separately, 4,096 tokens of width 512 with 16 states, all options on.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

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

constexpr int64_t kChannels = 512, kStates = 16;

// Multiply-adds. For each state forward: step * a, step * u * b, h, c * h; backward the same again, with e *
// h apart, and c * dy, b's, c's and a's sums, the sums over states, and two products. For each channel:
// softplus' logarithm, skip and gate.
constexpr double kForwardPerState = 4, kForwardPerChannel = 16, kBackwardPerState = 12,
                 kBackwardPerChannel = 34;

Work work_of(int64_t T, bool backward) {
  const double channels = static_cast<double>(T * kChannels), states = channels * kStates;
  Work work;
  work.exponentials = states + 2 * channels;  // decays; softplus and gate
  work.bytes = channels * 4 * (backward ? 7 : 4);
  work.multiply_adds = backward ? states * kBackwardPerState + channels * kBackwardPerChannel
                                : states * kForwardPerState + channels * kForwardPerChannel;
  work.flops = 2 * work.multiply_adds;
  return work;
}

std::string shape_of(int64_t S, int64_t L) {
  return std::to_string(S) + "x" + std::to_string(L) + " D 512 N 16 f32";
}

// Forward as in training: with what backward needs.
Bench make_scan(const std::string& name, int64_t S, int64_t L, bool backward) {
  auto x = std::make_shared<ScanCase>(S, L, kChannels, kStates);
  Bench bench;
  bench.name = name;
  bench.shape = shape_of(S, L);
  bench.check = check_small;
  bench.work = work_of(S * L, backward);
  if (backward) {
    auto y = std::make_shared<at::Tensor>(x->run());
    auto dy = std::make_shared<at::Tensor>(at::randn({S * L, kChannels}));
    bench.run = [=] { x->gradients(*y, *dy, true); };
  } else {
    bench.run = [=] { x->run(); };
  }
  return bench;
}

Bench make_scan_both(const std::string& name, int64_t S, int64_t L) {
  auto x = std::make_shared<ScanCase>(S, L, kChannels, kStates);
  auto dy = std::make_shared<at::Tensor>(at::randn({S * L, kChannels}));
  Bench bench;
  bench.name = name;
  bench.shape = shape_of(S, L) + ", both";
  bench.check = check_small;
  bench.work = work_of(S * L, false);
  const Work back = work_of(S * L, true);
  bench.work.flops += back.flops, bench.work.bytes += back.bytes;
  bench.work.exponentials += back.exponentials, bench.work.multiply_adds += back.multiply_adds;
  bench.run = [=] { x->gradients(x->run(), *dy, false); };
  return bench;
}

}  // namespace

void register_scan_benches() {
  Register("scan_forward", "selective scan, forward, 8 sequences of 512",
           [] { return make_scan("scan_forward", 8, 512, false); });
  Register("scan_backward", "selective scan, backward, 8 sequences of 512",
           [] { return make_scan("scan_backward", 8, 512, true); });
  Register("scan_one_sequence", "forward + backward of one sequence of 4,096, in turns with 64 of 64", [] {
    Bench bench = make_scan_both("scan_one_sequence", 1, 4096);
    auto many = std::make_shared<Bench>(make_scan_both("64 x 64", 64, 64));
    bench.baseline = many->run;
    bench.baseline_name = many->name;
    return bench;
  });
}

}  // namespace mom::bench
