// take_rows, add_rows, rotary and swiglu against their f64 references, and those against central differences.
#include "mom/ops/row_map.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "mom/kernels/cpu_capability.h"
#include "mom/ops/backend.h"
#include "mom/ops/rotary.h"
#include "mom/ops/swiglu.h"
#include "tests/support/gradcheck.h"

namespace mom::ops {
namespace {

using Tensors = std::vector<at::Tensor>;

// 12 slots over 7 sources: source 2 thrice, 5 never, two empty slots.
RowMapPtr uneven_map() { return make_row_map({2, 0, -1, 2, 1, 6, 4, 3, 2, -1, 6, 0}, 7); }

Tensors take(const Tensors& t) { return {take_rows(t[0], uneven_map())}; }
Tensors add(const Tensors& t) {
  return {add_rows(t[0], t[1].defined() ? std::optional<at::Tensor>(t[1]) : std::nullopt, uneven_map())};
}

// The same function on the reference backend.
test::TensorFunction by_reference(const test::TensorFunction& f) {
  return [f](const Tensors& t) {
    ScopedBackend reference(Backend::kReference);
    return f(t);
  };
}

at::Tensor order_of(int64_t count) {
  at::manual_seed(3);
  return at::randperm(count, at::kLong);
}

test::TensorFunction rotate(int64_t positions, int64_t heads, int64_t width) {
  return [=](const Tensors& t) {
    return Tensors{
        rotary(t[0], order_of(positions), rotary_table(at::arange(positions) * 3, width, 10000), heads)};
  };
}

Tensors gate(const Tensors& t) { return {swiglu(t[0], t[1])}; }

void check_all(at::ScalarType type, const std::string& what) {
  at::manual_seed(4);
  const double limit = type == at::kFloat ? test::kF32Nmse : test::kBf16Nmse;
  auto random = [&](at::IntArrayRef sizes) { return at::randn(sizes).to(type); };
  for (int64_t width : {1, 7, 16, 100}) {
    const std::string text = what + " width " + std::to_string(width);
    test::expect_same(take, by_reference(take), {random({7, width})}, limit, "take " + text);
    test::expect_same(add, by_reference(add), {random({12, width}), at::Tensor()}, limit, "add " + text);
    test::expect_same(add, by_reference(add), {random({12, width}), at::randn({12})}, limit,
                      "add weighted " + text, 3);
    test::expect_same(gate, by_reference(gate),
                      {random({37, 2 * width}).narrow(1, 0, width), random({37, width})}, limit,
                      "swiglu " + text);
  }
  for (int64_t head_width : {2, 6, 64}) {
    for (int64_t heads : {1, 3})
      test::expect_same(rotate(70, heads, head_width), by_reference(rotate(70, heads, head_width)),
                        {random({70, heads * head_width})}, limit, "rotary " + what);
  }
}

TEST(RowOps, ValuesAndGradientsOnEveryCpuCapability) {
  for (const std::string& name : kernels::cpu_capabilities()) {
    kernels::set_cpu_capability(name);
    check_all(at::kFloat, name);
    check_all(at::kBFloat16, name + " bf16");
  }
  kernels::set_cpu_capability("");
}

TEST(RowOps, ReferenceGradients) {
  at::manual_seed(5);
  const auto f64 = at::TensorOptions(at::kDouble);
  test::expect_gradients(by_reference(take), {at::randn({7, 3}, f64)});
  test::expect_gradients(by_reference(add), {at::randn({12, 3}, f64), at::randn({12}, f64)});
  test::expect_gradients(by_reference(rotate(5, 2, 4)), {at::randn({5, 8}, f64)});
  test::expect_gradients(by_reference(gate), {at::randn({4, 3}, f64), at::randn({4, 3}, f64)});
}

TEST(RowOps, TakenByHand) {
  const at::Tensor x = at::arange(14, at::kFloat).view({7, 2});
  const at::Tensor y = take_rows(x, uneven_map());
  EXPECT_TRUE(at::equal(y[0], x[2]));
  EXPECT_TRUE(at::equal(y[2], at::zeros({2})));
  const at::Tensor back = add_rows(y, std::nullopt, uneven_map());
  EXPECT_TRUE(at::equal(back[2], 3 * x[2]));
  EXPECT_TRUE(at::equal(back[5], at::zeros({2})));
  EXPECT_THROW(make_row_map(std::vector<int64_t>{7}, 7), c10::Error);
  EXPECT_THROW(take_rows(x.narrow(0, 0, 6), uneven_map()), c10::Error);
}

TEST(Rotary, ByHandAndOnlyDistancesCount) {
  // One head of width 2: position p turns by p.
  const at::Tensor x = at::tensor({1.0f, 0.0f, 1.0f, 0.0f}).view({2, 2});
  const at::Tensor y = rotary(x, at::arange(2), rotary_table(at::arange(2), 2, 10000), 1);
  EXPECT_NEAR(y[1][0][0].item<double>(), std::cos(1.0), 1e-6);
  EXPECT_NEAR(y[1][0][1].item<double>(), std::sin(1.0), 1e-6);
  at::manual_seed(6);
  const at::Tensor q = at::randn({1, 64}), k = at::randn({1, 64});
  auto score = [&](int64_t at_q, int64_t at_k) {
    auto turned = [&](const at::Tensor& v, int64_t position) {
      return rotary(v, at::zeros({1}, at::kLong), rotary_table(at::full({1}, position, at::kLong), 64, 10000),
                    1);
    };
    return (turned(q, at_q) * turned(k, at_k)).sum().item<double>();
  };
  EXPECT_NEAR(score(5, 2), score(100005, 100002), 1e-4);
  EXPECT_GT(std::abs(score(5, 2) - score(5, 3)), 1e-3);
}

TEST(RowOps, CheckBackendRuns) {
  ScopedBackend both(Backend::kCheck);
  at::manual_seed(7);
  EXPECT_NO_THROW(take({at::randn({7, 5})}));
  EXPECT_NO_THROW(add({at::randn({12, 5}), at::randn({12})}));
  EXPECT_NO_THROW(rotate(9, 2, 6)({at::randn({9, 12})}));
  EXPECT_NO_THROW(gate({at::randn({9, 12}), at::randn({9, 12})}));
}

}  // namespace
}  // namespace mom::ops
