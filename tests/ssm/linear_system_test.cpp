// Linear systems against values known by hand, the FFT against the recurrence, and properties.
#include "mom/ssm/linear_system.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "mom/base/error.h"

namespace mom::ssm {
namespace {

constexpr double kTight = 1e-13;  // a few roundings of f64

at::Tensor matrix(int64_t rows, std::vector<double> values) {
  return torch::tensor(values, at::kDouble).view({rows, -1});
}

LinearSystem decay(double rate) {
  return {matrix(1, {-rate}), matrix(1, {1}), matrix(1, {1}), matrix(1, {0})};
}

// Position of a mass of 1: A is singular, and not even diagonal in any basis.
LinearSystem double_integrator() {
  return {matrix(2, {0, 1, 0, 0}), matrix(2, {0, 1}), matrix(1, {1, 0}), matrix(1, {0})};
}

LinearSystem random_stable(int64_t N, int64_t U, int64_t Y) {
  at::manual_seed(11);
  const at::Tensor m = torch::randn({N, N}, at::kDouble);
  const at::Tensor a_NN = (m - m.t()) - 0.2 * torch::eye(N, at::kDouble);  // eigenvalues -0.2 +- i w
  return {a_NN, torch::randn({N, U}, at::kDouble), torch::randn({Y, N}, at::kDouble),
          torch::randn({Y, U}, at::kDouble)};
}

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

template <class Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "no error";
}

void expect_has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
}

TEST(LinearSystem, DecayUnderZeroOrderHold) {
  const LinearSystem discrete = discretise(decay(3), 0.1, Discretisation::kZeroOrderHold);
  EXPECT_NEAR(discrete.a_NN.item<double>(), std::exp(-0.3), kTight);
  EXPECT_NEAR(discrete.b_NU.item<double>(), (1 - std::exp(-0.3)) / 3, kTight);
  EXPECT_EQ(discrete.c_YN.item<double>(), 1);
  EXPECT_EQ(discrete.d_YU.item<double>(), 0);
}

TEST(LinearSystem, DecayUnderBilinear) {
  LinearSystem system = decay(3);
  system.d_YU.fill_(0.5);
  const LinearSystem discrete = discretise(system, 0.1, Discretisation::kBilinear);
  EXPECT_NEAR(discrete.a_NN.item<double>(), 0.85 / 1.15, kTight);
  EXPECT_NEAR(discrete.b_NU.item<double>(), 0.1 / 1.15, kTight);
  EXPECT_NEAR(discrete.c_YN.item<double>(), 1 / 1.15, kTight);
  EXPECT_NEAR(discrete.d_YU.item<double>(), 0.5 + 0.05 / 1.15, kTight);
}

TEST(LinearSystem, DoubleIntegratorHasASingularA) {
  const LinearSystem discrete = discretise(double_integrator(), 0.5, Discretisation::kZeroOrderHold);
  EXPECT_LE(difference(discrete.a_NN, matrix(2, {1, 0.5, 0, 1})), kTight);
  EXPECT_LE(difference(discrete.b_NU, matrix(2, {0.125, 0.5})), kTight);
  // Constant force: position t^2 / 2 at each step, exactly.
  const at::Tensor step_L = step_response(discrete, 40).flatten(), t_L = 0.5 * torch::arange(40, at::kDouble);
  EXPECT_LE(difference(step_L, t_L * t_L / 2), 1e-11);
  EXPECT_FALSE(dc_gain(double_integrator()).has_value());
  EXPECT_FALSE(growth(double_integrator().a_NN).stable());
}

TEST(LinearSystem, RecurrenceByHand) {
  const LinearSystem discrete{matrix(1, {0.5}), matrix(1, {2, -1}), matrix(2, {1, 3}),
                              matrix(2, {0, 1, 0, 0})};
  const at::Tensor inputs_LU = matrix(3, {1, 0, 0, 1, 4, 4});
  const Trajectory run = simulate(discrete, inputs_LU, torch::full({1}, 8, at::kDouble));
  EXPECT_TRUE(at::equal(run.states_LN, matrix(3, {8, 6, 2})));
  EXPECT_TRUE(at::equal(run.final_N, torch::full({1}, 5, at::kDouble)));
  EXPECT_TRUE(at::equal(run.outputs_LY, matrix(3, {8, 24, 7, 18, 6, 6})));
}

TEST(LinearSystem, ImpulseResponseIsTheKernel) {
  const LinearSystem discrete{matrix(2, {0.5, 1, 0, 0.25}), matrix(2, {1, 0, 0, 2}), matrix(1, {1, 1}),
                              matrix(1, {3, 4})};
  // d, c b, c a b, c a^2 b: [L, Y = 1, U = 2]
  EXPECT_TRUE(
      at::equal(impulse_response(discrete, 4).flatten(1), matrix(4, {3, 4, 1, 2, 0.5, 2.5, 0.25, 1.625})));
}

TEST(LinearSystem, ConvolutionByFftIsTheRecurrence) {
  for (const auto how : {Discretisation::kZeroOrderHold, Discretisation::kBilinear}) {
    for (const int64_t L : {1, 2, 31, 33, 1000}) {
      const LinearSystem discrete = discretise(random_stable(7, 3, 2), 0.05, how);
      const at::Tensor inputs_LU = torch::randn({L, 3}, at::kDouble);
      const at::Tensor outputs_LY = simulate(discrete, inputs_LU, torch::zeros({7}, at::kDouble)).outputs_LY;
      const at::Tensor by_fft_LY = convolve(impulse_response(discrete, L), inputs_LU);
      EXPECT_LE(relative_difference(by_fft_LY, outputs_LY), 1e-12) << L;
    }
  }
}

TEST(LinearSystem, StateCarriedOverASplitIsOneLongRun) {
  const LinearSystem discrete = discretise(random_stable(5, 2, 2), 0.1, Discretisation::kZeroOrderHold);
  const at::Tensor inputs_LU = torch::randn({60, 2}, at::kDouble), initial_N = torch::randn({5}, at::kDouble);
  const Trajectory whole = simulate(discrete, inputs_LU, initial_N);
  const Trajectory head = simulate(discrete, inputs_LU.narrow(0, 0, 23), initial_N);
  const Trajectory tail = simulate(discrete, inputs_LU.narrow(0, 23, 37), head.final_N);
  EXPECT_LE(difference(torch::cat({head.outputs_LY, tail.outputs_LY}), whole.outputs_LY), kTight);
  EXPECT_LE(difference(tail.final_N, whole.final_N), kTight);
}

TEST(LinearSystem, SettlesAtItsDcGain) {
  const LinearSystem system = random_stable(4, 2, 3);
  for (const auto how : {Discretisation::kZeroOrderHold, Discretisation::kBilinear})
    EXPECT_LE(difference(step_response(discretise(system, 0.5, how), 2000)[-1], *dc_gain(system)), 1e-12);
}

TEST(LinearSystem, StabilityOfBothForms) {
  EXPECT_TRUE(growth(decay(2).a_NN).stable());
  EXPECT_DOUBLE_EQ(growth(decay(2).a_NN).largest_real_part, -2);
  EXPECT_TRUE(growth(decay(-2).a_NN).unstable());
  const at::Tensor oscillator_NN = matrix(2, {0, 3, -3, 0});  // rounding must not decide
  EXPECT_FALSE(growth(oscillator_NN).stable());
  EXPECT_FALSE(growth(oscillator_NN).unstable());
  EXPECT_DOUBLE_EQ(spectral_radius(matrix(2, {0, 3, -3, 0})), 3);
}

TEST(LinearSystem, RelativeDifferenceIsTheWorstOutputs) {
  EXPECT_DOUBLE_EQ(relative_difference(matrix(2, {1, 100, 2, 101}), matrix(2, {1, 100, 1.5, 100})),
                   0.5 / 1.5);
  EXPECT_EQ(relative_difference(matrix(2, {0, 0}), matrix(2, {0, 0})), 0);
}

TEST(LinearSystem, OverflowNamesTheStep) {
  const LinearSystem discrete{matrix(1, {1e100}), matrix(1, {1}), matrix(1, {1}), matrix(1, {0})};
  expect_has(error_of([&] { step_response(discrete, 9); }),
             "states: expected finite numbers, found an overflow at step 5");
  expect_has(error_of([&] { discretise(decay(-1), 1e3, Discretisation::kZeroOrderHold); }),
             "discretised matrices: expected finite numbers, found an overflow; take a smaller dt");
}

TEST(LinearSystem, WrongArgumentsAreNamed) {
  const LinearSystem good = decay(1);
  LinearSystem bad = good;
  bad.b_NU = matrix(2, {1, 1});
  expect_has(error_of([&] { discretise(bad, 1, Discretisation::kBilinear); }),
             "[discretise] b_NU: expected f64 [1, 1], got Double [2, 1]");
  bad = good;
  bad.c_YN = good.c_YN.to(at::kFloat);
  expect_has(error_of([&] { discretise(bad, 1, Discretisation::kBilinear); }), "c_YN: expected f64 [1, 1]");
  bad = good;
  bad.a_NN = matrix(1, {std::nan("")});
  expect_has(error_of([&] { discretise(bad, 1, Discretisation::kBilinear); }),
             "a_NN: expected finite numbers");
  for (const double dt : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    expect_has(error_of([&] { discretise(good, dt, Discretisation::kZeroOrderHold); }),
               "dt: expected a number above 0");
  }
  expect_has(error_of([&] { discretise(decay(-2), 1, Discretisation::kBilinear); }),
             "I - A dt/2 has an inverse");
  expect_has(error_of([&] {
               simulate(good, matrix(2, {1, 1, 1, 1}), torch::zeros({1}, at::kDouble));
             }),
             "[simulate] inputs_LU: expected f64 [2, 1], got Double [2, 2]");
  expect_has(error_of([&] {
               simulate(good, matrix(2, {1, 1}), torch::zeros({2}, at::kDouble));
             }),
             "initial_N");
  expect_has(error_of([&] { impulse_response(good, 0); }), "expected 1 to 1000000 steps, got 0");
  expect_has(error_of([&] {
               convolve(torch::ones({3, 1, 1}, at::kDouble), matrix(2, {1, 1}));
             }),
             "[convolve] inputs_LU: expected f64 [3, 1]");
}

// The mixer's diagonal model is this one in complex coordinates: a pair a, conj(a) is [[re, -im], [im, re]].
// Its output sees the state after the step's input.
TEST(LinearSystem, IsTheDiagonalModelOfTheMixer) {
  const double re = -0.4, im = 2.5, c_re = 0.7, c_im = -1.2, dt = 0.1;
  const auto f64 = torch::TensorOptions(torch::kFloat64);
  const LinearSystem pair{torch::tensor({re, -im, im, re}, f64).view({2, 2}),
                          torch::tensor({1.0, 0.0}, f64).view({2, 1}),
                          torch::tensor({2 * c_re, -2 * c_im}, f64).view({1, 2}), torch::zeros({1, 1}, f64)};
  at::manual_seed(4);
  const at::Tensor input = torch::randn({30, 1}, f64);
  for (const Discretisation how : {Discretisation::kZeroOrderHold, Discretisation::kBilinear}) {
    const Trajectory run = simulate(discretise(pair, dt, how), input, torch::zeros({2}, f64));
    const at::Tensor after = torch::cat({run.states_LN.narrow(0, 1, 29), run.final_N.unsqueeze(0)});
    const at::Tensor expected = torch::matmul(after, pair.c_YN.t());
    const ops::DiagonalSsm ssm{torch::full({1}, dt, f64),
                               torch::complex(torch::full({1, 1}, re, f64), torch::full({1, 1}, im, f64)),
                               torch::complex(torch::full({1, 1}, c_re, f64), torch::full({1, 1}, c_im, f64)),
                               torch::zeros({1}, f64), how};
    const at::Tensor found =
        ops::diagonal_ssm_convolution(input, ssm, torch::tensor({0L, 30L}), torch::arange(30));
    EXPECT_LE((found - expected).abs().max().item<double>(), 1e-12);
  }
}

}  // namespace
}  // namespace mom::ssm
