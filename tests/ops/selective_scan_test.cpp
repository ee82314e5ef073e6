// The selective scan against its f64 reference, the reference against central differences, and the scan's
// properties. T tokens, S sequences, D channels, N states.
#include "mom/ops/selective_scan.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "mom/kernels/cpu_capability.h"
#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/selective_scan_reference.h"
#include "tests/support/gradcheck.h"

namespace mom::ops {
namespace {

using test::expect_same;
using test::kBf16Nmse;
using test::kF32Nmse;

struct ScanCase {
  int64_t T = 17, D = 16, N = 16;
  std::vector<int64_t> offsets{};  // empty = absent
  bool skip = true, gate = true, bias = true, softplus = true, initial = true, order = false, strided = false;
  double dt_low = -3, dt_high = 1;  // dt before softplus
  at::ScalarType type = at::kFloat;
};

struct Scan {
  std::vector<at::Tensor> inputs;  // u dt a b c skip gate bias initial
  std::optional<at::Tensor> offsets, order;
  bool softplus = true;

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& t, decltype(&selective_scan) f) const {
    auto [y, state] = f(t[0], t[1], t[2], t[3], t[4], if_defined(t[5]), if_defined(t[6]), if_defined(t[7]),
                        softplus, offsets, if_defined(t[8]), order);
    return {y, state};
  }
  test::TensorFunction op() const {
    return [*this](const std::vector<at::Tensor>& t) { return run(t, &selective_scan); };
  }
  test::TensorFunction reference() const {
    return [*this](const std::vector<at::Tensor>& t) { return run(t, &selective_scan_reference); };
  }
};

Scan make_scan(const ScanCase& c) {
  at::manual_seed(5);
  const auto options = at::TensorOptions(at::kFloat);
  auto rows = [&](int64_t width) {
    // Strided: columns out of the middle of a wider matrix, as in_proj's halves are.
    at::Tensor wide = at::randn({c.T, c.strided ? 2 * width + 3 : width}, options).to(c.type);
    return c.strided ? wide.narrow(1, 2, width) : wide;
  };
  Scan scan;
  scan.softplus = c.softplus;
  if (!c.offsets.empty()) scan.offsets = at::tensor(c.offsets, at::kLong);
  if (c.order) scan.order = at::randperm(c.T, at::kLong);
  const int64_t S = c.offsets.empty() ? 1 : static_cast<int64_t>(c.offsets.size()) - 1;
  at::Tensor u = rows(c.D), dt = rows(c.D);
  dt.copy_(at::rand({c.T, c.D}, options) * (c.dt_high - c.dt_low) + c.dt_low);
  const at::Tensor a = -(at::rand({c.D, c.N}, options) * static_cast<double>(c.N) + 0.1);
  const at::Tensor b = rows(c.N), cc = rows(c.N), none;
  scan.inputs = {u,
                 dt,
                 a,
                 b,
                 cc,
                 c.skip ? at::randn({c.D}, options) : none,
                 c.gate ? rows(c.D) : none,
                 c.bias ? at::randn({c.D}, options) * 0.1 : none,
                 c.initial ? at::randn({S, c.D, c.N}, options) : none};
  return scan;
}

void check_scan(const ScanCase& c, const std::string& what, double limit = kF32Nmse) {
  ScopedBackend cpu(Backend::kCpu);
  const Scan scan = make_scan(c);
  expect_same(scan.op(), scan.reference(), scan.inputs, limit, what);
}

TEST(SelectiveScanReference, GradientsAgreeWithCentralDifferences) {
  for (bool softplus : {true, false}) {
    ScanCase c{.T = 7, .D = 2, .N = 3, .offsets = {0, 3, 3, 4, 7}, .softplus = softplus, .order = true};
    Scan scan = make_scan(c);
    for (at::Tensor& input : scan.inputs) input = input.to(at::kDouble);
    test::expect_gradients(scan.reference(), scan.inputs);
  }
}

TEST(SelectiveScan, SizesThatHurt) {
  for (int64_t T : {0, 1, 3, 17, 33}) {
    for (int64_t D : {1, 15, 16, 100}) {
      for (int64_t N : {1, 8, 16, 5}) {
        check_scan({.T = T, .D = D, .N = N},
                   "T " + std::to_string(T) + " D " + std::to_string(D) + " N " + std::to_string(N));
      }
    }
  }
}

TEST(SelectiveScan, LongSequence) {
  for (int64_t D : {1, 15, 16, 100}) {
    for (int64_t N : {1, 8, 16}) {
      check_scan({.T = 1023, .D = D, .N = N}, "T 1023 D " + std::to_string(D) + " N " + std::to_string(N));
    }
  }
}

TEST(SelectiveScan, SequencesOfLengthOneAndZero) {
  check_scan({.T = 40, .offsets = {0, 0, 1, 2, 2, 35, 40, 40}}, "offsets");
  check_scan({.T = 0, .offsets = {0, 0, 0}}, "only empty sequences");
  check_scan({.T = 0, .offsets = {0}, .initial = false}, "no sequences");
}

TEST(SelectiveScan, ManyGroupsOfSequences) {
  std::vector<int64_t> offsets;
  for (int64_t t = 0; t <= 1023; t += 11) offsets.push_back(t);
  check_scan({.T = 1023, .D = 70, .N = 4, .offsets = offsets, .order = true}, "93 sequences");
}

// Long sequences are cut into pieces, short ones share a unit, and both occur in any order.
TEST(SelectiveScan, LongAndShortSequencesTogether) {
  check_scan({.T = 2700, .D = 40, .N = 5, .offsets = {0, 300, 1500, 1500, 1510, 2022, 2700}, .order = true},
             "mixed");
  check_scan({.T = 1030, .D = 24, .offsets = {0, 512, 1030}, .initial = false},
             "a piece's length and just above");
}

TEST(SelectiveScan, ArgumentsPresentAndAbsent) {
  for (int bits = 0; bits < 64; ++bits) {
    auto on = [&](int i) { return ((bits >> i) & 1) != 0; };
    ScanCase c{.T = 35,
               .D = 18,
               .N = 4,
               .skip = on(0),
               .gate = on(1),
               .bias = on(2),
               .initial = on(3),
               .order = on(4)};
    c.strided = on(5);
    check_scan(c, "case " + std::to_string(bits));
  }
}

TEST(SelectiveScan, StepsFromTinyToHuge) {
  check_scan({.T = 200, .bias = false, .softplus = false, .dt_low = 1e-6, .dt_high = 2e-6}, "dt 1e-6");
  check_scan({.T = 1023, .D = 3, .bias = false, .softplus = false, .dt_low = 1e-6, .dt_high = 1.1e-6},
             "dt 1e-6, long");
  check_scan({.T = 200, .bias = false, .dt_low = -14, .dt_high = -12}, "softplus of -14 to -12");
  check_scan({.T = 200, .bias = false, .dt_low = -80, .dt_high = -70}, "softplus of -80 to -70");
  check_scan({.T = 200, .bias = false, .dt_low = 20, .dt_high = 30}, "dt 30");
  check_scan({.T = 200, .bias = false, .softplus = false, .dt_low = 1e-6, .dt_high = 30}, "dt 1e-6 to 30");
}

TEST(SelectiveScan, Bfloat16Inputs) {
  check_scan({.T = 70, .D = 20, .type = at::kBFloat16}, "bf16", kBf16Nmse);
  check_scan({.T = 70, .D = 20, .order = true, .strided = true, .type = at::kBFloat16}, "bf16 strided",
             kBf16Nmse);
}

TEST(SelectiveScan, EveryCpuCapability) {
  for (const std::string& name : kernels::cpu_capabilities()) {
    kernels::set_cpu_capability(name);
    EXPECT_EQ(kernels::cpu_capability(), name);
    check_scan({.T = 67, .D = 70, .N = 9, .offsets = {0, 20, 67}, .order = true}, name);
    check_scan({.T = 35, .D = 15, .N = 16, .type = at::kBFloat16}, name + " bf16", kBf16Nmse);
  }
  kernels::set_cpu_capability("");
}

TEST(SelectiveScan, CheckBackendComparesValuesAndGradients) {
  ScopedBackend both(Backend::kCheck);
  Scan scan = make_scan({.T = 35, .order = true});
  for (at::Tensor& input : scan.inputs) input.set_requires_grad(true);
  EXPECT_NO_THROW(test::weighted_sum(scan.op()(scan.inputs)).backward());
}

TEST(SelectiveScan, ForcedBackendThatCannotRunSaysWhy) {
  ScopedBackend cpu(Backend::kCpu);
  Scan scan = make_scan({});
  for (at::Tensor& input : scan.inputs) input = input.to(at::kDouble);
  try {
    scan.op()(scan.inputs);
    FAIL() << "f64 ran on the kernels";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("not Double"), std::string::npos) << error.what();
  }
}

TEST(SelectiveScan, WrongArgumentsAreNamed) {
  Scan scan = make_scan({});
  auto fails = [&](size_t i, const at::Tensor& bad, const std::string& name) {
    auto inputs = scan.inputs;
    inputs[i] = bad;
    try {
      scan.op()(inputs);
      FAIL() << name << " was accepted";
    } catch (const c10::Error& error) {
      EXPECT_NE(std::string(error.what()).find("[selective_scan] " + name), std::string::npos)
          << error.what();
    }
  };
  fails(1, at::zeros({17, 15}), "dt_TD");
  fails(2, at::zeros({16}), "a_DN");
  fails(3, at::zeros({17, 16}, at::kLong), "b_TN");
  fails(8, at::zeros({2, 16, 16}), "initial_state_SDN");
  scan.offsets = at::tensor({int64_t{0}, int64_t{9}, int64_t{8}, int64_t{17}}, at::kLong);
  fails(0, scan.inputs[0], "offsets_S1");
  scan.offsets.reset();
  scan.order = at::zeros({17}, at::kLong);
  fails(0, scan.inputs[0], "order_T");
}

// Properties, on the kernels' own bits.

std::vector<at::Tensor> slice_rows(std::vector<at::Tensor> inputs, int64_t begin, int64_t end) {
  for (size_t i : {0, 1, 3, 4, 6}) inputs[i] = inputs[i].slice(0, begin, end);
  return inputs;
}

TEST(SelectiveScan, SplitAnywhereAndCarryEqualsWhole) {
  const Scan scan = make_scan({.T = 75, .D = 20});
  const auto whole = scan.op()(scan.inputs);
  for (int64_t cut : {0, 1, 31, 32, 33, 74, 75}) {
    const auto head = scan.op()(slice_rows(scan.inputs, 0, cut));
    auto rest = slice_rows(scan.inputs, cut, 75);
    rest[8] = head[1];
    const auto tail = scan.op()(rest);
    EXPECT_TRUE(at::equal(at::cat({head[0], tail[0]}), whole[0])) << cut;
    EXPECT_TRUE(at::equal(tail[1], whole[1])) << cut;
  }
}

TEST(SelectiveScan, StepByStepEqualsWhole) {
  const Scan scan = make_scan({.T = 40, .D = 20});
  const auto whole = scan.op()(scan.inputs);
  at::Tensor state = scan.inputs[8];
  for (int64_t t = 0; t < 40; ++t) {
    auto step = slice_rows(scan.inputs, t, t + 1);
    step[8] = state;
    const auto result = scan.op()(step);
    EXPECT_TRUE(at::equal(result[0][0], whole[0][t])) << t;
    state = result[1];
  }
  EXPECT_TRUE(at::equal(state, whole[1]));
}

TEST(SelectiveScan, PackedEqualsSeparate) {
  const Scan packed = make_scan({.T = 60, .D = 20, .offsets = {0, 7, 7, 40, 60}});
  const auto together = packed.op()(packed.inputs);
  const int64_t offsets[] = {0, 7, 7, 40, 60};
  Scan alone = packed;
  alone.offsets.reset();
  for (int64_t s = 0; s < 4; ++s) {
    auto inputs = slice_rows(packed.inputs, offsets[s], offsets[s + 1]);
    inputs[8] = packed.inputs[8].slice(0, s, s + 1);
    const auto result = alone.op()(inputs);
    EXPECT_TRUE(at::equal(result[0], together[0].slice(0, offsets[s], offsets[s + 1])));
    EXPECT_TRUE(at::equal(result[1][0], together[1][s]));
  }
}

TEST(SelectiveScan, LaterTokensDoNotChangeEarlierOutputs) {
  const Scan scan = make_scan({.T = 70, .D = 20});
  const auto before = scan.op()(scan.inputs);
  auto changed = scan.inputs;
  for (size_t i : {0, 1, 3, 4, 6}) {
    changed[i] = changed[i].clone();
    changed[i].slice(0, 40).mul_(-3);
  }
  const auto after = scan.op()(changed);
  EXPECT_TRUE(at::equal(before[0].slice(0, 0, 40), after[0].slice(0, 0, 40)));
  EXPECT_FALSE(at::equal(before[0].slice(0, 40), after[0].slice(0, 40)));
}

TEST(SelectiveScan, PermutedRowsWithOrderAreTheSame) {
  const Scan scan = make_scan({.T = 70, .D = 20, .offsets = {0, 30, 70}});
  Scan permuted = scan;
  permuted.order = at::randperm(70, at::kLong);
  for (size_t i : {0, 1, 3, 4, 6}) {
    permuted.inputs[i] = at::empty_like(scan.inputs[i]);
    permuted.inputs[i].index_copy_(0, *permuted.order, scan.inputs[i]);
  }
  const auto plain = scan.op()(scan.inputs), through = permuted.op()(permuted.inputs);
  EXPECT_TRUE(at::equal(through[0].index_select(0, *permuted.order), plain[0]));
  EXPECT_TRUE(at::equal(through[1], plain[1]));
}

TEST(SelectiveScan, SameBitsForOneAndTwoThreads) {
  Scan scan = make_scan({.T = 1100, .D = 200, .offsets = {0, 500, 510, 1100}, .order = true});
  test::expect_same_bits_for_any_threads(scan.op(), scan.inputs);
}

}  // namespace
}  // namespace mom::ops
