// The diagonal state-space model: convolution = recurrence, both against values by hand, gradients.
#include "mom/ops/diagonal_ssm.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "mom/base/error.h"
#include "tests/support/gradcheck.h"

namespace mom::ops {
namespace {

using Tensors = std::vector<at::Tensor>;

// inputs = u, log dt, log of -Re a, Im a, c as pairs, skip: real, so that gradients can be checked.
DiagonalSsm ssm_of(const Tensors& t, Discretisation how) {
  return {t[1].exp(), torch::complex(-t[2].exp(), t[3]), torch::view_as_complex(t[4].contiguous()), t[5],
          how};
}

Tensors random_inputs(int64_t T, int64_t D, int64_t N, at::ScalarType type) {
  at::manual_seed(2);
  const auto options = at::TensorOptions(type);
  return {
      at::randn({T, D}, options),     at::rand({D}, options) * 4 - 6, at::randn({D, N}, options) * 0.3 - 0.7,
      at::randn({D, N}, options) * 5, at::randn({D, N, 2}, options),  at::randn({D}, options)};
}

const std::vector<int64_t> kOffsets = {0, 1, 40, 40, 57, 257};

at::Tensor order() {
  at::manual_seed(8);
  return at::randperm(kOffsets.back(), at::kLong);
}

test::TensorFunction convolution(Discretisation how, const std::vector<int64_t>& offsets,
                                 const at::Tensor& rows) {
  return [=](const Tensors& t) {
    return Tensors{diagonal_ssm_convolution(t[0], ssm_of(t, how), at::tensor(offsets, at::kLong), rows)};
  };
}
test::TensorFunction recurrence(Discretisation how, const std::vector<int64_t>& offsets,
                                const at::Tensor& rows) {
  return [=](const Tensors& t) {
    return Tensors{
        std::get<0>(diagonal_ssm_recurrence(t[0], ssm_of(t, how), at::tensor(offsets, at::kLong), {}, rows))};
  };
}

constexpr Discretisation kBoth[] = {Discretisation::kZeroOrderHold, Discretisation::kBilinear};

TEST(DiagonalSsm, ConvolutionIsRecurrence) {
  for (const Discretisation how : kBoth) {
    const Tensors inputs = random_inputs(kOffsets.back(), 6, 4, at::kFloat);
    const at::Tensor by_fft = convolution(how, kOffsets, order())(inputs)[0],
                     by_steps = recurrence(how, kOffsets, order())(inputs)[0];
    EXPECT_LE(((by_fft - by_steps).abs().max() / by_steps.abs().max()).item<double>(), 1e-5);
    test::expect_same(convolution(how, kOffsets, order()), recurrence(how, kOffsets, order()), inputs,
                      test::kF32Nmse, "convolution");
  }
}

TEST(DiagonalSsm, Gradients) {
  for (const Discretisation how : kBoth) {
    const Tensors inputs = random_inputs(7, 2, 2, at::kDouble);
    test::expect_gradients(convolution(how, {0, 3, 7}, at::arange(7)), inputs);
    test::expect_gradients(recurrence(how, {0, 3, 7}, at::arange(7)), inputs);
  }
}

// One channel, one real pole: h' = -h + u sampled with step 0.5. The pair counts twice, c = 1/2 undoes it.
TEST(DiagonalSsm, ByHand) {
  DiagonalSsm ssm{at::full({1}, 0.5), torch::complex(-at::ones({1, 1}), at::zeros({1, 1})),
                  torch::complex(at::full({1, 1}, 0.5f), at::zeros({1, 1})), at::full({1}, 3.0f)};
  const at::Tensor u = at::tensor({1.0f, 0.0f, 0.0f}).view({3, 1}), offsets = at::tensor({0L, 3L});
  auto [zoh, state] = diagonal_ssm_recurrence(u, ssm, offsets, {}, at::arange(3));
  const double decay = std::exp(-0.5);
  EXPECT_NEAR(zoh[0].item<double>(), 1 - decay + 3, 1e-6);
  EXPECT_NEAR(zoh[2].item<double>(), (1 - decay) * decay * decay, 1e-6);
  EXPECT_NEAR(at::real(state).item<double>(), (1 - decay) * decay * decay, 1e-6);
  ssm.discretisation = Discretisation::kBilinear;  // a_bar = 0.75 / 1.25, b_bar = 0.5 / 1.25
  const at::Tensor bilinear = diagonal_ssm_convolution(u, ssm, offsets, at::arange(3));
  EXPECT_NEAR(bilinear[0].item<double>(), 0.4 + 3, 1e-6);
  EXPECT_NEAR(bilinear[2].item<double>(), 0.4 * 0.36, 1e-6);
}

TEST(DiagonalSsm, SplitAnywhereAndCarriedIsTheWhole) {
  const Tensors inputs = random_inputs(20, 3, 2, at::kFloat);
  const DiagonalSsm ssm = ssm_of(inputs, Discretisation::kZeroOrderHold);
  auto [whole, end] = diagonal_ssm_recurrence(inputs[0], ssm, at::tensor({0L, 20L}), {}, at::arange(20));
  for (int64_t cut : {0, 1, 13, 20}) {
    auto [first, between] = diagonal_ssm_recurrence(inputs[0].narrow(0, 0, cut), ssm,
                                                    at::tensor({int64_t{0}, cut}), {}, at::arange(cut));
    auto [second, last] =
        diagonal_ssm_recurrence(inputs[0].narrow(0, cut, 20 - cut), ssm, at::tensor({int64_t{0}, 20 - cut}),
                                between, at::arange(20 - cut));
    EXPECT_LE((at::cat({first, second}) - whole).abs().max().item<double>(), 1e-6) << cut;
    EXPECT_LE((last - end).abs().max().item<double>(), 1e-6) << cut;
  }
}

TEST(DiagonalSsm, Errors) {
  EXPECT_THROW(parse_discretisation("euler"), UserError);
  Tensors inputs = random_inputs(4, 3, 2, at::kFloat);
  inputs[5] = at::randn({2});
  EXPECT_THROW(convolution(Discretisation::kBilinear, {0, 4}, at::arange(4))(inputs), c10::Error);
}

}  // namespace
}  // namespace mom::ops
