#include "mom/ssm/linear_system.h"

#include <torch/fft.h>
#include <torch/types.h>

#include <bit>
#include <cmath>
#include <limits>

#include "mom/base/error.h"

namespace mom::ssm {
namespace {

void check_tensor(const at::Tensor& tensor, at::IntArrayRef shape, const char* op, const char* name) {
  TORCH_CHECK(tensor.defined() && tensor.scalar_type() == at::kDouble && tensor.sizes() == shape, "[", op,
              "] ", name, ": expected f64 ", shape, ", got ",
              tensor.defined() ? c10::str(tensor.scalar_type(), " ", tensor.sizes()) : "nothing");
  TORCH_CHECK(tensor.isfinite().all().item<bool>(), "[", op, "] ", name,
              ": expected finite numbers, got inf or nan");
}

void check_system(const LinearSystem& system, const char* op) {
  for (const at::Tensor* matrix : {&system.a_NN, &system.b_NU, &system.c_YN})
    TORCH_CHECK(matrix->defined() && matrix->dim() == 2, "[", op, "] a_NN, b_NU, c_YN: expected matrices");
  const int64_t N = system.num_states(), U = system.num_inputs(), Y = system.num_outputs();
  TORCH_CHECK(N >= 1 && N <= kMaxStates && U >= 1 && Y >= 1, "[", op, "] expected 1 to ", kMaxStates,
              " states, an input and an output, got ", N, ", ", U, " and ", Y);
  check_tensor(system.a_NN, {N, N}, op, "a_NN");
  check_tensor(system.b_NU, {N, U}, op, "b_NU");
  check_tensor(system.c_YN, {Y, N}, op, "c_YN");
  check_tensor(system.d_YU, {Y, U}, op, "d_YU");
}

void check_steps(int64_t num_steps, const char* op) {
  TORCH_CHECK(num_steps >= 1 && num_steps <= kMaxSteps, "[", op, "] expected 1 to ", kMaxSteps,
              " steps, got ", num_steps);
}

void check_growth(const at::Tensor& values_LX, const char* what) {
  const at::Tensor finite_L = values_LX.flatten(1).isfinite().all(1);
  if (finite_L.all().item<bool>()) return;
  const int64_t step = finite_L.to(at::kInt).argmin().item<int64_t>();
  throw DivergedError(format_error({what, "finite numbers", "an overflow at step " + std::to_string(step),
                                    "the system is unstable or its numbers are huge: take fewer steps"}));
}

LinearSystem zero_order_hold(const LinearSystem& system, double dt) {
  const int64_t N = system.num_states(), U = system.num_inputs();
  const at::Tensor top = torch::cat({system.a_NN, system.b_NU}, 1) * dt;
  const at::Tensor exponential =
      torch::linalg_matrix_exp(torch::cat({top, torch::zeros({U, N + U}, at::kDouble)})).narrow(0, 0, N);
  return {exponential.narrow(1, 0, N).contiguous(), exponential.narrow(1, N, U).contiguous(), system.c_YN,
          system.d_YU};
}

LinearSystem bilinear(const LinearSystem& system, double dt) {
  const at::Tensor identity = torch::eye(system.num_states(), at::kDouble), half = system.a_NN * (dt / 2);
  const at::Tensor left = identity - half;
  const auto [inverse, info] = torch::linalg_inv_ex(left);
  if (info.item<int64_t>() != 0) {
    throw UserError({"bilinear", "an A and a dt such that I - A dt/2 has an inverse", "none",
                     "take another dt, or zero-order hold"});
  }
  const at::Tensor b_NU = torch::linalg_solve(left, system.b_NU * dt);
  return {torch::linalg_solve(left, identity + half), b_NU,
          torch::linalg_solve(left.t(), system.c_YN.t()).t().contiguous(),
          system.d_YU + system.c_YN.matmul(b_NU) / 2};
}

// h[0] .. h[L]: [L + 1, N]. driven_LN is b x[k]. One order of sums, whatever the machine: same bits.
at::Tensor run_states(const at::Tensor& a_NN, const at::Tensor& driven_LN, const at::Tensor& initial_N) {
  const int64_t L = driven_LN.size(0), N = driven_LN.size(1);
  const at::Tensor columns = a_NN.t().contiguous(), states = torch::cat({initial_N.view({1, N}), driven_LN});
  double* state = states.mutable_data_ptr<double>();
  for (int64_t k = 0; k < L; ++k, state += N) {
    const double* __restrict column = columns.const_data_ptr<double>();
    double* __restrict next = state + N;
    for (int64_t j = 0; j < N; ++j, column += N) {
      const double h = state[j];
      for (int64_t i = 0; i < N; ++i) next[i] += column[i] * h;
    }
  }
  return states;
}

// The outputs of simulate for inputs_of(u) on input u alone and from zero state: [L, Y, U].
template <class InputsOf>
at::Tensor responses(const LinearSystem& discrete, int64_t num_steps, const char* op, InputsOf inputs_of) {
  check_system(discrete, op);
  check_steps(num_steps, op);
  std::vector<at::Tensor> outputs;
  for (int64_t u = 0; u < discrete.num_inputs(); ++u) {
    const at::Tensor inputs_LU = torch::zeros({num_steps, discrete.num_inputs()}, at::kDouble);
    inputs_of(inputs_LU.select(1, u));
    outputs.push_back(
        simulate(discrete, inputs_LU, torch::zeros({discrete.num_states()}, at::kDouble)).outputs_LY);
  }
  return torch::stack(outputs, 2);
}

}  // namespace

LinearSystem discretise(const LinearSystem& system, double dt, Discretisation how) {
  check_system(system, "discretise");
  TORCH_CHECK(std::isfinite(dt) && dt > 0, "[discretise] dt: expected a number above 0, got ", dt);
  const LinearSystem discrete =
      how == Discretisation::kZeroOrderHold ? zero_order_hold(system, dt) : bilinear(system, dt);
  for (const at::Tensor* matrix : {&discrete.a_NN, &discrete.b_NU, &discrete.c_YN, &discrete.d_YU}) {
    if (!matrix->isfinite().all().item<bool>())
      throw UserError({"discretised matrices", "finite numbers", "an overflow", "take a smaller dt"});
  }
  return discrete;
}

Trajectory simulate(const LinearSystem& discrete, const at::Tensor& inputs_LU, const at::Tensor& initial_N) {
  check_system(discrete, "simulate");
  TORCH_CHECK(inputs_LU.defined() && inputs_LU.dim() == 2, "[simulate] inputs_LU: expected f64 [L, U]");
  const int64_t L = inputs_LU.size(0);
  check_steps(L, "simulate");
  check_tensor(inputs_LU, {L, discrete.num_inputs()}, "simulate", "inputs_LU");
  check_tensor(initial_N, {discrete.num_states()}, "simulate", "initial_N");
  const at::Tensor states =
      run_states(discrete.a_NN, inputs_LU.matmul(discrete.b_NU.t()), initial_N.contiguous());
  check_growth(states, "states");
  Trajectory trajectory{{}, states.narrow(0, 0, L), states[L]};
  trajectory.outputs_LY =
      trajectory.states_LN.matmul(discrete.c_YN.t()) + inputs_LU.matmul(discrete.d_YU.t());
  check_growth(trajectory.outputs_LY, "outputs");
  return trajectory;
}

at::Tensor impulse_response(const LinearSystem& discrete, int64_t num_steps) {
  return responses(discrete, num_steps, "impulse_response",
                   [](const at::Tensor& input_L) { input_L[0].fill_(1); });
}

at::Tensor step_response(const LinearSystem& discrete, int64_t num_steps) {
  return responses(discrete, num_steps, "step_response", [](const at::Tensor& input_L) { input_L.fill_(1); });
}

at::Tensor convolve(const at::Tensor& impulse_LYU, const at::Tensor& inputs_LU) {
  TORCH_CHECK(impulse_LYU.dim() == 3 && impulse_LYU.size(0) >= 1,
              "[convolve] impulse_LYU: expected f64 [L, Y, U], got ", impulse_LYU.sizes());
  const int64_t L = impulse_LYU.size(0), Y = impulse_LYU.size(1), U = impulse_LYU.size(2);
  check_steps(L, "convolve");
  check_tensor(impulse_LYU, {L, Y, U}, "convolve", "impulse_LYU");
  check_tensor(inputs_LU, {L, U}, "convolve", "inputs_LU");
  // Twice the length, so that the end does not wrap around to the start.
  const auto length = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(2 * L - 1)));
  const at::Tensor inputs_FU = torch::fft::rfft(inputs_LU, length, 0);
  const at::Tensor outputs_LY = torch::empty({L, Y}, at::kDouble);
  for (int64_t y = 0; y < Y; ++y) {
    const at::Tensor product_F = (torch::fft::rfft(impulse_LYU.select(1, y), length, 0) * inputs_FU).sum(1);
    outputs_LY.select(1, y).copy_(torch::fft::irfft(product_F, length).narrow(0, 0, L));
  }
  check_growth(outputs_LY, "convolution");
  return outputs_LY;
}

double relative_difference(const at::Tensor& a_LY, const at::Tensor& b_LY) {
  const at::Tensor difference_Y = (a_LY - b_LY).abs().amax(0), size_Y = b_LY.abs().amax(0);
  // An output that is 0 but for rounding is measured beside the largest one.
  const double floor = std::max(1e-9 * size_Y.max().item<double>(), std::numeric_limits<double>::min());
  return (difference_Y / size_Y.clamp_min(floor)).max().item<double>();
}

Growth growth(const at::Tensor& a_NN) {
  const double size = torch::linalg_norm(a_NN).item<double>();
  return {torch::real(torch::linalg_eigvals(a_NN)).max().item<double>(),
          static_cast<double>(a_NN.size(0)) * std::numeric_limits<double>::epsilon() * size};
}

double spectral_radius(const at::Tensor& a_NN) {
  return torch::linalg_eigvals(a_NN).abs().max().item<double>();
}

std::optional<at::Tensor> dc_gain(const LinearSystem& system) {
  if (torch::linalg_matrix_rank(system.a_NN).item<int64_t>() < system.num_states()) return std::nullopt;
  return system.d_YU - system.c_YN.matmul(torch::linalg_solve(system.a_NN, system.b_NU));
}

}  // namespace mom::ssm
