// Selective scan: the input-dependent recurrence inside a Mamba mixer.
// T packed tokens, S sequences, D inner width, N state slots.
//
// For each sequence, channel and state slot, forward in position t, from initial_state or zero:
//   step = softplus(dt[t] + dt_bias);   h = exp(step * a) * h + step * b[t] * u[t]
//   y    = sum_n c[t] * h + skip * u[t];   out = y * silu(gate[t])          (gate optional)
//
//   u_TD, dt_TD, gate_TD      [T, D]     f32 or bf16       a_DN   [D, N]  f32, negative: pass -exp(a_log)
//   b_TN, c_TN                [T, N]     as u              skip_D, dt_bias_D   [D]  f32, optional
//   offsets_S1                [S + 1]    i64, first 0, last T, rising; absent = one sequence
//   initial_state_SDN         [S, D, N]  f32, optional     returns out_TD (as u), final_state_SDN (f32)
//   order_T                   [T]        i64 permutation, optional: the row of each sequence position. Rows of u, dt, b,
//                                        c, gate and out are in any order (say by modality); states are per sequence.
// Row matrices may be views with any row stride (last stride 1): no copy is made.
// dt_softplus = false: step = dt + dt_bias. An empty sequence's final state is its initial state.
//
// Precision: state, exp and sums in f32 (f64 throughout where the arguments are f64: reference backend only).
// Units: states and outputs have the unit of u; dt has none.
// Gradients: all float arguments, also through final_state.
// Same build, backend and CPU capability: same bits, for any number of threads.
// Memory kept for backward: the arguments and one state per chunk of positions.
// Errors: "[selective_scan] dt_TD: expected [64, 512] f32, got ...". A forced backend that cannot run throws why.
// Source: Gu & Dao 2023 (arXiv 2312.00752), sections 3.2-3.3. Plain version: selective_scan_reference.h
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> selective_scan(
    const at::Tensor& u_TD, const at::Tensor& dt_TD, const at::Tensor& a_DN, const at::Tensor& b_TN,
    const at::Tensor& c_TN, const std::optional<at::Tensor>& skip_D, const std::optional<at::Tensor>& gate_TD,
    const std::optional<at::Tensor>& dt_bias_D, bool dt_softplus, const std::optional<at::Tensor>& offsets_S1,
    const std::optional<at::Tensor>& initial_state_SDN,
    const std::optional<at::Tensor>& order_T = std::nullopt);

}  // namespace mom::ops
