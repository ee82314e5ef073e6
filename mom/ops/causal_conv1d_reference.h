// The causal convolution in plain tensor ops: any device and float dtype. Arguments and results as in causal_conv1d.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> causal_conv1d_reference(
    const at::Tensor& x_TD, const at::Tensor& weight_DK, const std::optional<at::Tensor>& bias_D, bool silu,
    const std::optional<at::Tensor>& offsets_S1, const std::optional<at::Tensor>& initial_state_SDK,
    const std::optional<at::Tensor>& order_T = std::nullopt);

}  // namespace mom::ops
