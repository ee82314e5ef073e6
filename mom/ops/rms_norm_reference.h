// Residual addition and RMS normalisation in plain tensor ops. Arguments and results as in rms_norm.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> add_rms_norm_reference(const at::Tensor& x_TE,
                                                          const std::optional<at::Tensor>& residual_TE,
                                                          const at::Tensor& weight_E, double eps);

}  // namespace mom::ops
