// The heads and their losses in plain tensor ops, everything at once. Arguments and results as in head_loss.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "mom/ops/head_loss.h"

namespace mom::ops {

// into_leaf has no effect: autograd takes its own way.
CrossEntropy linear_cross_entropy_reference(const at::Tensor& hidden_TE, const at::Tensor& weight_VE,
                                            const at::Tensor& rows_R, const at::Tensor& targets_R,
                                            const CrossEntropyOptions& options);
at::Tensor linear_squared_error_reference(const at::Tensor& hidden_TE, const at::Tensor& weight_PE,
                                          const std::optional<at::Tensor>& bias_P, const at::Tensor& rows_R,
                                          const at::Tensor& target_RP, double scale);

}  // namespace mom::ops
