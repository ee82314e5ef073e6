// The causal convolution against its f64 reference, the reference against central differences, and its
// properties.
#include "mom/ops/causal_conv1d.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "mom/kernels/cpu_capability.h"
#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/causal_conv1d_reference.h"
#include "tests/support/gradcheck.h"

namespace mom::ops {
namespace {

struct ConvCase {
  int64_t T = 17, D = 16, K = 4;
  std::vector<int64_t> offsets{};  // empty = absent
  bool bias = true, silu = true, initial = true, order = false, strided = false;
  at::ScalarType type = at::kFloat;
};

struct Conv {
  std::vector<at::Tensor> inputs;  // x weight bias initial
  std::optional<at::Tensor> offsets, order;
  bool silu = true;

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& t, decltype(&causal_conv1d) f) const {
    auto [y, state] = f(t[0], t[1], if_defined(t[2]), silu, offsets, if_defined(t[3]), order);
    return {y, state};
  }
  test::TensorFunction op() const {
    return [*this](const std::vector<at::Tensor>& t) { return run(t, &causal_conv1d); };
  }
  test::TensorFunction reference() const {
    return [*this](const std::vector<at::Tensor>& t) { return run(t, &causal_conv1d_reference); };
  }
};

Conv make_conv(const ConvCase& c) {
  at::manual_seed(6);
  Conv conv;
  conv.silu = c.silu;
  if (!c.offsets.empty()) conv.offsets = at::tensor(c.offsets, at::kLong);
  if (c.order) conv.order = at::randperm(c.T, at::kLong);
  const int64_t S = c.offsets.empty() ? 1 : static_cast<int64_t>(c.offsets.size()) - 1;
  at::Tensor x = at::randn({c.T, c.strided ? 2 * c.D + 1 : c.D}).to(c.type);
  if (c.strided) x = x.narrow(1, 1, c.D);
  const at::Tensor none;
  conv.inputs = {x, at::randn({c.D, c.K}), c.bias ? at::randn({c.D}) : none,
                 c.initial ? at::randn({S, c.D, c.K - 1}).to(c.type) : none};
  return conv;
}

void check_conv(const ConvCase& c, const std::string& what, double limit = test::kF32Nmse) {
  ScopedBackend cpu(Backend::kCpu);
  const Conv conv = make_conv(c);
  test::expect_same(conv.op(), conv.reference(), conv.inputs, limit, what, /*offset=*/3);
}

TEST(CausalConv1dReference, GradientsAgreeWithCentralDifferences) {
  Conv conv = make_conv({.T = 9, .D = 3, .offsets = {0, 2, 2, 3, 9}, .order = true});
  for (at::Tensor& input : conv.inputs) input = input.to(at::kDouble);
  test::expect_gradients(conv.reference(), conv.inputs);
}

TEST(CausalConv1dReference, AgreesWithTorchConvolution) {
  const Conv conv = make_conv({.T = 20, .silu = false, .initial = false});
  const at::Tensor padded = at::constant_pad_nd(conv.inputs[0].t().unsqueeze(0), {3, 0});
  const at::Tensor expected =
      at::conv1d(padded, conv.inputs[1].unsqueeze(1), conv.inputs[2], at::IntArrayRef{1}, at::IntArrayRef{0},
                 at::IntArrayRef{1}, /*groups=*/16);
  EXPECT_LE(test::nmse(conv.reference()(conv.inputs)[0], expected[0].t()), 1e-12);
}

TEST(CausalConv1d, SizesThatHurt) {
  for (int64_t T : {0, 1, 3, 17, 1023}) {
    for (int64_t D : {1, 15, 16, 100}) {
      for (int64_t K : {1, 2, 4, 8}) {
        check_conv({.T = T, .D = D, .K = K},
                   "T " + std::to_string(T) + " D " + std::to_string(D) + " K " + std::to_string(K));
      }
    }
  }
}

TEST(CausalConv1d, SequencesShorterThanTheTaps) {
  check_conv({.T = 40, .offsets = {0, 0, 1, 2, 2, 35, 38, 40, 40}}, "offsets");
  check_conv({.T = 40, .offsets = {0, 0, 1, 2, 2, 35, 38, 40, 40}, .initial = false},
             "offsets, no initial state");
  check_conv({.T = 0, .offsets = {0, 0, 0}}, "only empty sequences");
  check_conv({.T = 0, .offsets = {0}, .initial = false}, "no sequences");
  check_conv({.T = 300, .offsets = {0, 127, 128, 256, 300}}, "borders of tiles");
  check_conv({.T = 130, .K = 8}, "a tile's taps beyond its end");
}

TEST(CausalConv1d, ArgumentsPresentAndAbsent) {
  for (int bits = 0; bits < 32; ++bits) {
    auto on = [&](int i) { return ((bits >> i) & 1) != 0; };
    check_conv(
        {.T = 35, .D = 18, .bias = on(0), .silu = on(1), .initial = on(2), .order = on(3), .strided = on(4)},
        "case " + std::to_string(bits));
  }
}

TEST(CausalConv1d, Bfloat16) {
  check_conv({.T = 70, .D = 20, .order = true, .strided = true, .type = at::kBFloat16}, "bf16",
             test::kBf16Nmse);
}

TEST(CausalConv1d, EveryCpuCapability) {
  for (const std::string& name : kernels::cpu_capabilities()) {
    kernels::set_cpu_capability(name);
    check_conv({.T = 67, .D = 70, .offsets = {0, 20, 67}, .order = true}, name);
    check_conv({.T = 35, .D = 15, .type = at::kBFloat16}, name + " bf16", test::kBf16Nmse);
  }
  kernels::set_cpu_capability("");
}

TEST(CausalConv1d, CheckBackendAndTooManyTaps) {
  Conv conv = make_conv({.T = 35, .order = true});
  for (at::Tensor& input : conv.inputs) input.set_requires_grad(true);
  {
    ScopedBackend both(Backend::kCheck);
    EXPECT_NO_THROW(test::weighted_sum(conv.op()(conv.inputs)).backward());
  }
  const Conv wide = make_conv({.K = 9});
  EXPECT_NO_THROW(wide.op()(wide.inputs));  // auto takes the reference
  ScopedBackend cpu(Backend::kCpu);
  EXPECT_THROW(wide.op()(wide.inputs), c10::Error);
}

TEST(CausalConv1d, SplitAnywhereAndStepByStepEqualWhole) {
  const Conv conv = make_conv({.T = 140, .D = 20});
  const auto whole = conv.op()(conv.inputs);
  for (int64_t cut : {0, 1, 2, 3, 128, 140}) {
    auto head = conv.inputs, tail = conv.inputs;
    head[0] = conv.inputs[0].slice(0, 0, cut);
    tail[0] = conv.inputs[0].slice(0, cut);
    const auto first = conv.op()(head);
    tail[3] = first[1];
    const auto second = conv.op()(tail);
    EXPECT_TRUE(at::equal(at::cat({first[0], second[0]}), whole[0])) << cut;
    EXPECT_TRUE(at::equal(second[1], whole[1])) << cut;
  }
  auto step = conv.inputs;
  for (int64_t t = 0; t < 140; ++t) {
    step[0] = conv.inputs[0].slice(0, t, t + 1);
    const auto result = conv.op()(step);
    ASSERT_TRUE(at::equal(result[0][0], whole[0][t])) << t;
    step[3] = result[1];
  }
}

TEST(CausalConv1d, SameBitsForOneAndTwoThreads) {
  Conv conv = make_conv({.T = 700, .D = 50, .offsets = {0, 500, 510, 700}, .order = true});
  test::expect_same_bits_for_any_threads(conv.op(), conv.inputs);
}

}  // namespace
}  // namespace mom::ops
