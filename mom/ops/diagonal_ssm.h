// A linear time-invariant state-space model with a diagonal complex state in each channel, over packed
// sequences: what S4D is made of. T packed tokens, S sequences, D channels, N complex state slots (each
// stands for itself and its conjugate).
//
//   h' = a h + u,  y = 2 Re(sum_n c h) + skip u      sampled at steps of dt, in one of two ways:
//   zero-order hold   a_bar = exp(dt a),                    b_bar = (a_bar - 1) / a
//   bilinear          a_bar = (1 + dt a / 2) / (1 - dt a / 2),  b_bar = dt / (1 - dt a / 2)
//   h[t] = a_bar h[t - 1] + b_bar u[t],   y[t] = 2 Re(sum_n c h[t]) + skip u[t]
//
//   u_TD     [T, D]  f32, bf16 or f64            dt_D, skip_D [D]   real, dt > 0
//   a_DN     [D, N]  complex, Re a < 0           c_DN     [D, N]    complex
//   initial_state_SDN  [S, D, N] complex, optional; offsets_S1 and order_T as in selective_scan.h
// Returns y_TD (as u) and, from the recurrence, the final state [S, D, N] (complex).
//
// Two evaluations that agree: the convolution with the impulse response by FFT, for whole sequences, and the
// recurrence step by step, which also takes and returns states. Both in f32 (f64 where u is), the response's
// powers in f64. Gradients: all float arguments, by autograd.
// Source: Gu, Goel, Re 2022 (arXiv 2111.00396); S4D: Gu, Gupta, Goel, Re 2022 (arXiv 2206.11893).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>
#include <tuple>

namespace mom::ops {

enum class Discretisation { kZeroOrderHold, kBilinear };
Discretisation parse_discretisation(std::string_view name);  // "zoh" or "bilinear"

struct DiagonalSsm {
  at::Tensor dt_D, a_DN, c_DN, skip_D;
  Discretisation discretisation = Discretisation::kZeroOrderHold;
};

at::Tensor diagonal_ssm_convolution(const at::Tensor& u_TD, const DiagonalSsm& ssm,
                                    const at::Tensor& offsets_S1, const at::Tensor& order_T);
// Also the state after each sequence's last position.
std::tuple<at::Tensor, at::Tensor> diagonal_ssm_recurrence(const at::Tensor& u_TD, const DiagonalSsm& ssm,
                                                           const at::Tensor& offsets_S1,
                                                           const std::optional<at::Tensor>& initial_state_SDN,
                                                           const at::Tensor& order_T);

}  // namespace mom::ops
