// Output heads with their losses against the plain versions, which are checked against central differences.
#include "mom/ops/head_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "mom/kernels/cpu_capability.h"
#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/embedding.h"
#include "mom/ops/head_loss_reference.h"
#include "tests/support/gradcheck.h"

namespace mom::ops {
namespace {

using Tensors = std::vector<at::Tensor>;

at::Tensor some_rows(int64_t T, int64_t R) {
  return std::get<0>(at::randperm(T, at::kLong).narrow(0, 0, R).sort());
}

// inputs = hidden, weight
test::TensorFunction cross_entropy(decltype(&linear_cross_entropy) f, const at::Tensor& rows,
                                   const at::Tensor& targets, double z_weight = 0) {
  return [=](const Tensors& t) { return Tensors{f(t[0], t[1], rows, targets, {0.3, z_weight}).loss}; };
}

// inputs = hidden, weight, bias or undefined
test::TensorFunction squared_error(decltype(&linear_squared_error) f, const at::Tensor& rows,
                                   const at::Tensor& target) {
  return [=](const Tensors& t) {
    const bool wide = t[0].scalar_type() == at::kDouble;
    return Tensors{f(t[0], t[1], if_defined(t[2]), rows, wide ? target.to(at::kDouble) : target, 0.3)};
  };
}

void check_cross_entropy(int64_t T, int64_t R, int64_t E, int64_t V, at::ScalarType type,
                         const std::string& what) {
  at::manual_seed(3);
  const at::Tensor rows = some_rows(T, R), targets = at::randint(0, V, {R}, at::kLong);
  const Tensors inputs{at::randn({T, E}).to(type), at::randn({V, E})};
  for (double z_weight : {0.0, 0.02})
    test::expect_same(cross_entropy(&linear_cross_entropy, rows, targets, z_weight),
                      cross_entropy(&linear_cross_entropy_reference, rows, targets, z_weight), inputs,
                      type == at::kFloat ? test::kF32Nmse : test::kBf16Nmse, what);
}

TEST(LinearCrossEntropy, SizesThatHurt) {
  for (int64_t V : {1, 2, 15, 17, 512, 1000})
    for (int64_t T : {1, 33, 300})
      check_cross_entropy(T, (T + 1) / 2, 20, V, at::kFloat, "V " + std::to_string(V));
  check_cross_entropy(5, 0, 20, 7, at::kFloat, "no rows");
}

TEST(LinearCrossEntropy, SeveralPiecesGiveTheWhole) {
  // 128 rows per piece at this vocabulary. Hidden states less than 12 wide would test how MKL sums, not the pieces
  // (docs/numerics.md, "Order of sums").
  check_cross_entropy(300, 290, 16, 70000, at::kFloat, "three pieces");
}

TEST(LinearCrossEntropy, EveryCpuCapabilityAndBfloat16) {
  for (const std::string& name : kernels::cpu_capabilities()) {
    kernels::set_cpu_capability(name);
    check_cross_entropy(70, 50, 24, 301, at::kFloat, name);
    check_cross_entropy(70, 50, 24, 301, at::kBFloat16, name + " bf16");
  }
  kernels::set_cpu_capability("");
}

TEST(LinearCrossEntropy, LogitsOfAnySizeStayFinite) {
  const at::Tensor hidden = at::tensor({1e3f, -1e3f}).view({2, 1}).set_requires_grad(true),
                   weight = at::tensor({90.f, 0.f, -90.f}).view({3, 1});
  const at::Tensor loss =
      linear_cross_entropy(hidden, weight, at::arange(2), at::tensor({int64_t{0}, int64_t{0}}), {}).loss;
  EXPECT_FLOAT_EQ(loss.item<float>(), 180000.0f);  // the first is sure and right, the second sure and wrong
  loss.backward();
  EXPECT_TRUE(hidden.grad().isfinite().all().item<bool>());
}

TEST(LinearCrossEntropy, NatsOfEachRowAreWithoutScaleAndZLoss) {
  at::manual_seed(8);
  const at::Tensor hidden = at::randn({9, 6}), weight = at::randn({300, 6}), rows = some_rows(9, 7),
                   targets = at::randint(0, 300, {7}, at::kLong);
  const at::Tensor expected = -at::matmul(hidden.index_select(0, rows), weight.t())
                                   .log_softmax(1)
                                   .gather(1, targets.unsqueeze(1))
                                   .squeeze(1);
  for (Backend backend : {Backend::kCpu, Backend::kReference}) {
    ScopedBackend scoped(backend);
    const CrossEntropy found = linear_cross_entropy(hidden, weight, rows, targets, {0.5, 0.1});
    EXPECT_TRUE(at::allclose(found.nats_R, expected, 1e-5, 1e-5));
    EXPECT_GT(found.loss.item<float>(), 0.5f * expected.sum().item<float>());
  }
}

TEST(LinearCrossEntropy, IntoTheLeafGivesTheSameGradientAlsoWhenTied) {
  at::manual_seed(9);
  const at::Tensor weight = at::randn({30, 6}).set_requires_grad(true),
                   ids = at::randint(0, 30, {8}, at::kLong), rows = some_rows(8, 5),
                   targets = at::randint(0, 30, {5}, at::kLong);
  const at::Tensor plain = at::embedding(weight, ids).tanh();
  linear_cross_entropy(plain, weight, rows, targets, {0.5}).loss.backward();
  const at::Tensor expected = weight.grad().clone();
  weight.mutable_grad() = at::Tensor();
  for (int pass = 1; pass <= 2; ++pass) {  // the second adds
    const at::Tensor hidden = embedding_of_parameter(weight, ids).tanh();
    linear_cross_entropy(hidden, weight, rows, targets, {0.5, 0, true}).loss.backward();
    EXPECT_TRUE(at::allclose(weight.grad(), pass * expected, 1e-5, 1e-6)) << pass;
  }
}

TEST(LinearSquaredError, ValuesAndGradients) {
  for (bool bias : {false, true}) {
    for (int64_t R : {0, 1, 33}) {
      at::manual_seed(4);
      const at::Tensor rows = some_rows(40, R), target = at::randn({R, 5});
      const Tensors inputs{at::randn({40, 12}), at::randn({5, 12}), bias ? at::randn({5}) : at::Tensor()};
      test::expect_same(squared_error(&linear_squared_error, rows, target),
                        squared_error(&linear_squared_error_reference, rows, target), inputs, test::kF32Nmse,
                        "R " + std::to_string(R));
    }
  }
}

TEST(HeadLoss, ReferencesAgainstCentralDifferences) {
  at::manual_seed(5);
  const auto f64 = at::TensorOptions(at::kDouble);
  const at::Tensor rows = some_rows(6, 4);
  test::expect_gradients(
      cross_entropy(&linear_cross_entropy_reference, rows, at::randint(0, 5, {4}, at::kLong), 0.1),
      {at::randn({6, 3}, f64), at::randn({5, 3}, f64)});
  test::expect_gradients(squared_error(&linear_squared_error_reference, rows, at::randn({4, 2})),
                         {at::randn({6, 3}, f64), at::randn({2, 3}, f64), at::randn({2}, f64)});
}

TEST(HeadLoss, CheckBackendComparesValuesAndGradients) {
  ScopedBackend both(Backend::kCheck);
  at::manual_seed(6);
  const at::Tensor hidden = at::randn({9, 6}).set_requires_grad(true),
                   weight = at::randn({11, 6}).set_requires_grad(true);
  const at::Tensor rows = some_rows(9, 5);
  EXPECT_NO_THROW(
      linear_cross_entropy(hidden, weight, rows, at::randint(0, 11, {5}, at::kLong), {0.5}).loss.backward());
  EXPECT_NO_THROW(
      linear_squared_error(hidden, weight, at::randn({11}), rows, at::randn({5, 11}), 0.5).backward());
}

TEST(HeadLoss, WrongArgumentsAreNamed) {
  const at::Tensor hidden = at::randn({4, 3}), weight = at::randn({5, 3});
  const at::Tensor rows = at::arange(2), targets = at::tensor({int64_t{0}, int64_t{5}});
  try {
    linear_cross_entropy(hidden, weight, rows, targets, {});
    FAIL();
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("targets_R: expected below 5"), std::string::npos)
        << error.what();
  }
  EXPECT_THROW(linear_cross_entropy(hidden, at::randn({5, 2}), rows, rows, {}), c10::Error);
  EXPECT_THROW(linear_squared_error(hidden, weight, std::nullopt, rows, at::randn({2, 4}), 1), c10::Error);
}

}  // namespace
}  // namespace mom::ops
