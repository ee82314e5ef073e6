// Linear time-invariant state-space models: the equations of which a Mamba block's scan is the input-dependent kind.
// Everything in f64.
// N states, U inputs, Y outputs, L steps.
//
//   h'(t)  = A h(t) + B x(t),      y(t) = C h(t) + D x(t)         continuous
//   h[k+1] = a h[k] + b x[k],      y[k] = c h[k] + d x[k]         discretised, t = k dt
//
// The papers' A, B, C, D are a_NN, b_NU, c_YN, d_YU here, of either form.
// Units: t, dt and the inverse of A's entries have one unit of time; states and outputs whatever A to D say.
// Errors: wrong shapes and types are TORCH_CHECKs "[simulate] inputs_LU: expected f64 [400, 1], got ...".
//   Numbers that overflow throw UserError (discretise) or DivergedError with the step (all others): an unstable system
//   grows until then, and no row of it is returned.
// Sources: Gu, Goel & Re 2021 (arXiv 2111.00396), section 2; the conventions, also of the bilinear form, are those of
//   scipy.signal.cont2discrete and dlsim (1.17).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "mom/ops/diagonal_ssm.h"

namespace mom::ssm {

constexpr int64_t kMaxStates = 1024;      // N; a matrix exponential then takes seconds
constexpr int64_t kMaxSteps = 1'000'000;  // L

struct LinearSystem {
  at::Tensor a_NN, b_NU, c_YN, d_YU;
  int64_t num_states() const { return a_NN.size(0); }
  int64_t num_inputs() const { return b_NU.size(1); }
  int64_t num_outputs() const { return c_YN.size(0); }
};

using ops::Discretisation;

// Zero-order hold: x is constant over a step, exact at t = k dt for such inputs.
//   [[a, b], [0, I]] = exp([[A, B], [0, 0]] dt), so that A may be singular;   c = C, d = D
// Bilinear: the trapezoidal rule (Tustin). With P = (I - A dt/2)^-1:
//   a = P (I + A dt/2),   b = P B dt,   c = C P,   d = D + C b / 2
// Its state is not h(t) but (I - A dt/2) h(t) - B x(t) dt/2; outputs are second-order exact.
// dt finite and above 0. UserError when I - A dt/2 has no inverse, or when the result overflows.
LinearSystem discretise(const LinearSystem& system, double dt, Discretisation how);

struct Trajectory {
  at::Tensor outputs_LY;
  at::Tensor states_LN;  // h[0] .. h[L-1]: each before its step's input
  at::Tensor final_N;    // h[L]: the initial state of what comes after
};
// The recurrence. inputs_LU f64 [L, U], initial_N f64 [N] = h[0].
Trajectory simulate(const LinearSystem& discrete, const at::Tensor& inputs_LU, const at::Tensor& initial_N);

// [L, Y, U]: the outputs from zero state for 1 on input u at step 0 alone, d, c b, c a b, c a^2 b, ...: the
// convolution's kernel. (The continuous impulse response is about 1/dt times as high after step 0.)
at::Tensor impulse_response(const LinearSystem& discrete, int64_t num_steps);
// [L, Y, U]: the outputs from zero state for 1 on input u from step 0 on.
at::Tensor step_response(const LinearSystem& discrete, int64_t num_steps);

// y[k] = sum_j impulse[j] x[k - j], [L, Y], by FFT: what simulate gives from zero state. An FFT mixes all
// steps, so rounding is 1e-16 of the *largest* value: for an unstable system the early, small outputs lose
// their digits, which the recurrence keeps.
at::Tensor convolve(const at::Tensor& impulse_LYU, const at::Tensor& inputs_LU);

// Largest |a - b| of an output over all steps, relative to the largest |b| of that output; the worst output of [L, Y].
double relative_difference(const at::Tensor& a_LY, const at::Tensor& b_LY);

// Of the continuous system: largest real part of A's eigenvalues, and how much rounding may move it.
struct Growth {
  double largest_real_part = 0, rounding = 0;
  bool stable() const { return largest_real_part < -rounding; }  // every state decays to 0
  bool unstable() const { return largest_real_part > rounding; }
};
Growth growth(const at::Tensor& a_NN);
// Largest modulus of the eigenvalues; of a discretised system below 1 when it is stable.
double spectral_radius(const at::Tensor& a_NN);
// [Y, U] outputs over constant inputs once a stable system has settled, D - C A^-1 B; absent when A is
// singular (in f64).
std::optional<at::Tensor> dc_gain(const LinearSystem& system);

}  // namespace mom::ssm
