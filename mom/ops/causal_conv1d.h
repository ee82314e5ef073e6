// Causal depthwise convolution over packed sequences, with optional SiLU.
// T packed tokens, S sequences, D channels, K taps.
//
//   y[t] = act(bias + sum_k weight[k] * x[t - (K - 1) + k])
//   Inputs before a sequence's start come from initial_state, or are zero.
//
//   x_TD               [T, D]         f32 or bf16, a view with any row stride (last stride 1)
//   weight_DK          [D, K]         float
//   bias_D             [D]            float, optional
//   offsets_S1         [S + 1]        i64, first 0, last T, rising; absent = one sequence
//   initial_state_SDK  [S, D, K - 1]  the inputs before the start, oldest first, optional
//   order_T            [T]            i64 permutation, optional: the row of each sequence position, in x and y
// Returns y_TD (as x) and final_state_SDK [S, D, K - 1] (as x): the last K - 1 inputs, zeros or the initial state's
// where a sequence is shorter.
//
// Precision: f32 inside.   Same bits for any number of threads.
// Gradients: all float arguments, also through final_state.
// Errors: "[causal_conv1d] weight_DK: expected [512, -1] float, got ...".
// Plain version: causal_conv1d_reference.h
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> causal_conv1d(const at::Tensor& x_TD, const at::Tensor& weight_DK,
                                                 const std::optional<at::Tensor>& bias_D, bool silu,
                                                 const std::optional<at::Tensor>& offsets_S1,
                                                 const std::optional<at::Tensor>& initial_state_SDK,
                                                 const std::optional<at::Tensor>& order_T = std::nullopt);

}  // namespace mom::ops
