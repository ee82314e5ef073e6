// Residual addition and RMS normalisation in one pass. T rows, E width.
//
//   residual' = x + residual (absent = zero);   normed = residual' / sqrt(mean(residual'^2) + eps) * weight
//   x_TE         [T, E]  f32 or bf16, a view with any row stride
//   residual_TE  [T, E]  f32, optional
//   weight_E     [E]     float
// Returns normed_TE (as x) and the new residual (f32; f64 where x is f64).
//
// Precision: the residual stream and the mean square are f32.   Same bits for any number of threads.
// Gradients: all arguments, through both results.
// Errors: "[add_rms_norm] weight_E: expected [256] float, got ...".
// Source: Zhang & Sennrich 2019 (arXiv 1910.07467). Plain version: rms_norm_reference.h
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x_TE,
                                                const std::optional<at::Tensor>& residual_TE,
                                                const at::Tensor& weight_E, double eps);
// The same with a weight for each modality, on rows sorted by modality (group_offsets_M1 [M + 1] i64).
std::tuple<at::Tensor, at::Tensor> add_modality_rms_norm(const at::Tensor& x_TE,
                                                         const std::optional<at::Tensor>& residual_TE,
                                                         at::TensorList weights_E,
                                                         const at::Tensor& group_offsets_M1, double eps);

}  // namespace mom::ops
