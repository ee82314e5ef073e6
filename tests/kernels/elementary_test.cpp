// The elementary functions of the kernels over their whole range, against libm in double, for every
// instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/kernels/elementary_test.cpp"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/simd-inl.h"

#ifndef MOM_TESTS_ELEMENTARY
#define MOM_TESTS_ELEMENTARY
namespace mom::kernels {
enum class Function { kExp2, kExp, kSoftplus, kSigmoid, kSoftplusSlope, kSilu, kReciprocal };
}
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

void apply(Function function, const float* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const Rows row{from, 0, Element::kF32};
    const MutableRows out{to, 0, Element::kF32};
    const int64_t left = count - i;
    const Vec x = load_row(row, 0, i, left);
    Vec y = zero();
    switch (function) {
      case Function::kExp2:
        y = exp2(x);
        break;
      case Function::kExp:
        y = exp(x);
        break;
      case Function::kSoftplus:
        y = softplus(x);
        break;
      case Function::kSigmoid:
        y = sigmoid(x);
        break;
      case Function::kSoftplusSlope:
        y = softplus_and_slope(x).slope;
        break;
      case Function::kSilu:
        y = silu(x);
        break;
      case Function::kReciprocal:
        y = reciprocal(x);
        break;
    }
    store_row(y, out, 0, i, left);
  }
}

void round_to_bf16(const float* from, uint16_t* to, int64_t count) {
  const Rows row{from, 0, Element::kF32};
  const MutableRows out{to, 0, Element::kBF16};
  for (int64_t i = 0; i < count; i += kLanes) store_row(load_row(row, 0, i, count - i), out, 0, i, count - i);
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {
namespace {

HWY_EXPORT(apply);
HWY_EXPORT(round_to_bf16);

// Floats from low to high: every bit pattern would be 2^32; a step of 127 patterns visits each binade
// thousands of times, and the ends.
std::vector<float> floats_between(float low, float high) {
  auto rank = [](float x) {  // rises with x
    const auto bits = std::bit_cast<int32_t>(x);
    return bits >= 0 ? int64_t{bits} : -int64_t{bits & 0x7fffffff};
  };
  auto float_of = [](int64_t r) {
    return r >= 0 ? std::bit_cast<float>(static_cast<int32_t>(r))
                  : -std::bit_cast<float>(static_cast<int32_t>(-r));
  };
  std::vector<float> values;
  for (int64_t r = rank(low); r < rank(high); r += 127) values.push_back(float_of(r));
  values.push_back(high);
  return values;
}

std::vector<float> applied(Function function, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  HWY_DYNAMIC_DISPATCH(apply)(function, x.data(), y.data(), static_cast<int64_t>(x.size()));
  return y;
}

// The largest relative error over [low, high].
double worst(Function function, const std::function<double(double)>& exact, float low, float high) {
  const std::vector<float> x = floats_between(low, high), y = applied(function, x);
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = exact(x[i]);
    if (std::abs(expected) < 1.3e-38) continue;  // subnormal numbers have few bits
    largest = std::max(largest, std::abs(y[i] - expected) / std::abs(expected));
  }
  return largest;
}

class Elementary : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { set_cpu_capability(GetParam()); }
  void TearDown() override { set_cpu_capability(""); }
};
INSTANTIATE_TEST_SUITE_P(, Elementary, ::testing::ValuesIn(cpu_capabilities()),
                         [](const auto& test) { return test.param; });

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double softplus_of(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

// The bounds are those docs/numerics.md states: truncation of the polynomial and rounding.
TEST_P(Elementary, Exp2) {
  EXPECT_LE(worst(
                Function::kExp2, [](double x) { return std::exp2(x); }, -126.0f, 127.49f),
            3.1e-7);
  EXPECT_EQ(applied(Function::kExp2, {0.0f, -0.0f}), (std::vector<float>{1.0f, 1.0f}));
  // Slow decays stay slow: for tiny x the error is a rounding of 1.
  EXPECT_LE(worst(
                Function::kExp2, [](double x) { return std::exp2(x); }, -1e-3f, 0.0f),
            6.1e-8);
}

TEST_P(Elementary, Exp2OutsideItsRange) {
  const float inf = std::numeric_limits<float>::infinity();
  for (float y : applied(Function::kExp2, {-127.0f, -150.0f, -1e4f, -3e38f, -inf})) {
    EXPECT_GE(y, 0);
    EXPECT_LE(y, 1.2e-38f);  // 0, or the smallest normal number
  }
  for (float y : applied(Function::kExp2, {128.0f, 1e4f, 3e38f, inf})) EXPECT_GE(y, 2.4e38f);
  EXPECT_TRUE(std::isnan(applied(Function::kExp2, {std::nanf("")})[0]));
}

TEST_P(Elementary, Exp) {
  EXPECT_LE(worst(
                Function::kExp, [](double x) { return std::exp(x); }, -87.2f, 87.9f),
            2.0e-7);
}

TEST_P(Elementary, Softplus) {
  EXPECT_LE(worst(Function::kSoftplus, softplus_of, -87.0f, 3e38f), 3.0e-7);
  EXPECT_LE(worst(Function::kSoftplusSlope, sigmoid_of, -87.0f, 3e38f), 3.6e-7);
}

TEST_P(Elementary, SigmoidAndSilu) {
  EXPECT_LE(worst(Function::kSigmoid, sigmoid_of, -87.0f, 3e38f), 3.6e-7);
  EXPECT_LE(worst(
                Function::kSilu, [](double x) { return x * sigmoid_of(x); }, -80.0f, 3e38f),
            4.2e-7);
  for (Function f : {Function::kExp, Function::kSoftplus, Function::kSigmoid, Function::kSilu})
    EXPECT_TRUE(std::isnan(applied(f, {std::nanf("")})[0])) << static_cast<int>(f);
  for (float x : {-100.0f, -1e4f, -3e38f})
    EXPECT_LE(std::abs(applied(Function::kSigmoid, {x})[0]), 1.3e-38f) << x;  // exp(-87.3)
}

TEST_P(Elementary, Reciprocal) {
  EXPECT_LE(worst(
                Function::kReciprocal, [](double x) { return 1 / x; }, 1.0f, 2.0f),
            1.2e-7);
}

// To nearest even, as LibTorch rounds; NaN stays NaN.
TEST_P(Elementary, Bfloat16RoundsToNearestEven) {
  const std::vector<std::pair<uint32_t, uint16_t>> known{
      {0x3f800000, 0x3f80},  // 1
      {0x3f808000, 0x3f80},  // ties, to even
      {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, {0xbf807fff, 0xbf80}, {0x7f800000, 0x7f80},  // infinity
      {0x7f7fffff, 0x7f80},  // the largest number rounds to it
      {0x7fc00000, 0x7fc0},  // NaN, and one whose bits are all in the part that is cut
      {0x7f800001, 0x7fc0}};
  for (size_t width : {size_t{3}, size_t{64}}) {  // element by element, and whole vectors
    for (const auto& [bits, expected] : known) {
      const std::vector<float> x(width, std::bit_cast<float>(bits));
      std::vector<uint16_t> y(width);
      HWY_DYNAMIC_DISPATCH(round_to_bf16)(x.data(), y.data(), static_cast<int64_t>(width));
      EXPECT_EQ(y, std::vector<uint16_t>(width, expected)) << std::hex << bits;
    }
  }
}

}  // namespace
}  // namespace mom::kernels
#endif
