// The selective scan in plain tensor ops, a loop over positions: any device and float dtype, differentiable
// by autograd. The twin every faster version is tested against. Arguments, results and gradients as in
// selective_scan.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> selective_scan_reference(
    const at::Tensor& u_TD, const at::Tensor& dt_TD, const at::Tensor& a_DN, const at::Tensor& b_TN,
    const at::Tensor& c_TN, const std::optional<at::Tensor>& skip_D, const std::optional<at::Tensor>& gate_TD,
    const std::optional<at::Tensor>& dt_bias_D, bool dt_softplus, const std::optional<at::Tensor>& offsets_S1,
    const std::optional<at::Tensor>& initial_state_SDN,
    const std::optional<at::Tensor>& order_T = std::nullopt);

}  // namespace mom::ops
