// modality_linear and add_rms_norm against their f64 references, and the references against central
// differences.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/kernels/cpu_capability.h"
#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/modality_linear.h"
#include "mom/ops/modality_linear_reference.h"
#include "mom/ops/rms_norm.h"
#include "mom/ops/rms_norm_reference.h"
#include "tests/support/gradcheck.h"

namespace mom::ops {
namespace {

using Tensors = std::vector<at::Tensor>;

// inputs = x, M weights, then M biases or none.
test::TensorFunction linear(decltype(&modality_linear) f, const std::vector<int64_t>& offsets) {
  return [=](const Tensors& t) {
    const size_t M = offsets.size() - 1;
    const at::TensorList all(t);
    return Tensors{f(t[0], all.slice(1, M), all.slice(1 + M), at::tensor(offsets, at::kLong))};
  };
}

Tensors linear_inputs(const std::vector<int64_t>& offsets, bool bias, bool strided) {
  at::manual_seed(7);
  at::Tensor x = at::randn({offsets.back(), strided ? 20 : 12});
  if (strided) x = x.narrow(1, 5, 12);
  Tensors inputs{x};
  for (size_t m = 0; m + 1 < offsets.size(); ++m) inputs.push_back(at::randn({9, 12}));
  for (size_t m = 0; bias && m + 1 < offsets.size(); ++m) inputs.push_back(at::randn({9}));
  return inputs;
}

const std::vector<std::vector<int64_t>> kGroups = {{0, 17},         {0, 5, 17}, {0, 0, 17},
                                                   {0, 17, 17, 17}, {0, 0},     {0, 1, 2, 1023}};

TEST(ModalityLinear, ValuesAndGradients) {
  for (const auto& offsets : kGroups) {
    for (bool bias : {false, true}) {
      for (bool strided : {false, true}) {
        test::expect_same(linear(&modality_linear, offsets), linear(&modality_linear_reference, offsets),
                          linear_inputs(offsets, bias, strided), test::kF32Nmse,
                          "last offset " + std::to_string(offsets.back()));
      }
    }
  }
}

TEST(ModalityLinear, AbsentModalityHasZeroGradients) {
  Tensors inputs = linear_inputs({0, 17, 17}, true, false);
  for (at::Tensor& input : inputs) input.set_requires_grad(true);
  linear(&modality_linear, {0, 17, 17})(inputs)[0].sum().backward();
  EXPECT_TRUE(at::equal(inputs[2].grad(), at::zeros_like(inputs[2])));
  EXPECT_TRUE(at::equal(inputs[4].grad(), at::zeros_like(inputs[4])));
  EXPECT_GT(inputs[1].grad().abs().sum().item<double>(), 0);
}

TEST(ModalityLinear, Bfloat16AndReferenceGradients) {
  Tensors inputs = linear_inputs({0, 5, 17}, true, true);
  Tensors doubles;
  for (const at::Tensor& input : inputs) doubles.push_back(input.to(at::kDouble));
  test::expect_gradients(linear(&modality_linear_reference, {0, 5, 17}), doubles);
  for (at::Tensor& input : inputs) input = input.to(at::kBFloat16);
  test::expect_same(linear(&modality_linear, {0, 5, 17}), linear(&modality_linear_reference, {0, 5, 17}),
                    inputs, test::kBf16Nmse, "bf16");
}

TEST(ModalityLinear, WrongArgumentsAreNamed) {
  const Tensors inputs = linear_inputs({0, 17}, false, false);
  try {
    modality_linear(inputs[0], {inputs[1], inputs[1].narrow(1, 0, 3)}, {},
                    at::tensor({int64_t{0}, int64_t{3}, int64_t{17}}, at::kLong));
    FAIL();
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("weights_OI[1]"), std::string::npos) << error.what();
  }
  EXPECT_THROW(modality_linear(inputs[0], {inputs[1]}, {}, at::tensor({int64_t{0}, int64_t{16}}, at::kLong)),
               c10::Error);
  EXPECT_THROW(modality_linear(inputs[0], {inputs[1].to(at::kDouble)}, {},
                               at::tensor({int64_t{0}, int64_t{17}}, at::kLong)),
               c10::Error);
}

test::TensorFunction norm(decltype(&add_rms_norm) f) {
  return [=](const Tensors& t) {
    auto [normed, sum] = f(t[0], if_defined(t[1]), t[2], 1e-5);
    return Tensors{normed, sum};
  };
}

void check_norm(int64_t T, int64_t E, bool residual, at::ScalarType type, const std::string& what) {
  ScopedBackend cpu(Backend::kCpu);
  at::manual_seed(8);
  const Tensors inputs{at::randn({T, E + 3}).to(type).narrow(1, 1, E),
                       residual ? at::randn({T, E}) : at::Tensor(), at::randn({E})};
  test::expect_same(norm(&add_rms_norm), norm(&add_rms_norm_reference), inputs,
                    type == at::kFloat ? test::kF32Nmse : test::kBf16Nmse, what);
}

TEST(AddRmsNorm, ValuesAndGradients) {
  for (int64_t T : {0, 1, 3, 17, 1023}) {
    for (int64_t E : {1, 15, 16, 100, 768}) {
      for (bool residual : {false, true}) {
        check_norm(T, E, residual, at::kFloat, "T " + std::to_string(T) + " E " + std::to_string(E));
      }
    }
  }
}

// Weights a modality: each group of rows as if it were alone.
TEST(AddRmsNorm, ModalityWeights) {
  at::manual_seed(12);
  for (const std::vector<int64_t>& offsets :
       {std::vector<int64_t>{0, 5, 17}, {0, 0, 17}, {0, 17, 17, 17}, {0, 0}}) {
    const size_t groups = offsets.size() - 1;
    Tensors inputs{at::randn({offsets.back(), 20}), at::randn({offsets.back(), 20})};
    for (size_t m = 0; m < groups; ++m) inputs.push_back(at::randn({20}));
    auto fused = [&](const Tensors& t) {
      auto [normed, sum] =
          add_modality_rms_norm(t[0], t[1], at::TensorList(t).slice(2), at::tensor(offsets, at::kLong), 1e-5);
      return Tensors{normed, sum};
    };
    auto apart = [&](const Tensors& t) {
      Tensors normed, sums;
      for (size_t m = 0; m < groups; ++m) {
        auto rows = [&](const at::Tensor& x) { return x.narrow(0, offsets[m], offsets[m + 1] - offsets[m]); };
        auto [n, s] = add_rms_norm_reference(rows(t[0]), rows(t[1]), t[2 + m], 1e-5);
        normed.push_back(n), sums.push_back(s);
      }
      return Tensors{at::cat(normed), at::cat(sums)};
    };
    test::expect_same(fused, apart, inputs, test::kF32Nmse, "groups");
  }
  const at::Tensor x = at::randn({4, 3}), weight = at::ones({3});
  EXPECT_THROW(add_modality_rms_norm(x, std::nullopt, {weight, weight}, at::tensor({0L, 4L}), 1e-5),
               c10::Error);
}

TEST(AddRmsNorm, EveryCpuCapabilityAndBfloat16) {
  for (const std::string& name : kernels::cpu_capabilities()) {
    kernels::set_cpu_capability(name);
    check_norm(70, 100, true, at::kFloat, name);
    check_norm(70, 100, true, at::kBFloat16, name + " bf16");
  }
  kernels::set_cpu_capability("");
}

TEST(AddRmsNorm, ReferenceGradientsAndCheckBackend) {
  at::manual_seed(9);
  const auto f64 = at::TensorOptions(at::kDouble);
  test::expect_gradients(norm(&add_rms_norm_reference),
                         {at::randn({4, 5}, f64), at::randn({4, 5}, f64), at::randn({5}, f64)});
  ScopedBackend both(Backend::kCheck);
  const at::Tensor x = at::randn({30, 40}).set_requires_grad(true),
                   weight = at::ones({40}).set_requires_grad(true);
  EXPECT_NO_THROW(test::weighted_sum(norm(&add_rms_norm)({x, at::Tensor(), weight})).backward());
}

TEST(AddRmsNorm, SameBitsForOneAndTwoThreads) {
  at::manual_seed(10);
  test::expect_same_bits_for_any_threads(norm(&add_rms_norm),
                                         {at::randn({700, 100}), at::randn({700, 100}), at::randn({100})});
}

TEST(Backend, NamesAndScope) {
  EXPECT_EQ(parse_backend("check"), Backend::kCheck);
  EXPECT_THROW(parse_backend("gpu"), UserError);
  set_backend(Backend::kReference);
  {
    ScopedBackend cpu(Backend::kCpu);
    EXPECT_EQ(current_backend(), Backend::kCpu);
  }
  EXPECT_EQ(current_backend(), Backend::kReference);
  set_backend(Backend::kAuto);
}

TEST(Backend, CheckThrowsWhereValuesDiffer) {
  const at::Tensor expected = at::ones({10}, at::kDouble);
  EXPECT_NO_THROW(check_close("op", "y", expected.to(at::kFloat), expected));
  EXPECT_THROW(check_close("op", "y", expected.to(at::kFloat) * 1.001f, expected), c10::Error);
}

}  // namespace
}  // namespace mom::ops
