// A linear layer with its own weight for each modality, on rows sorted by modality: one GEMM per modality, on its slice,
// straight into the output. T rows, I inputs, O outputs, M modalities.
//
//   x_TI              [T, I]            f32, bf16 or f64, a view with any row stride
//   weights_OI        M tensors [O, I]  as x, or f32 masters of bf16 inputs: they are rounded for the products
//   biases_O          M tensors [O]     or an empty list = no bias
//   group_offsets_M1  [M + 1]           i64, first 0, last T, rising: the rows of each modality
// Returns y_TO (as x): y[rows of m] = x[rows of m] weight[m]^T + bias[m].
//
// Gradients: x, weights and biases; those of an absent modality (no rows) are zeros, so that every parameter has one.
// Products: gemm.h. Precision: in bf16 the sums are f32, and so are gradients of f32 weights.
// Errors: "[modality_linear] weights_OI[1]: expected [64, 32] float, got ...".
// Plain version: modality_linear_reference.h
#pragma once

#include <ATen/core/Tensor.h>

namespace mom::ops {

at::Tensor modality_linear(const at::Tensor& x_TI, at::TensorList weights_OI, at::TensorList biases_O,
                           const at::Tensor& group_offsets_M1);
// The same for backward() on a model: a weight that has a .grad gets its gradient added there, without a
// copy, and not returned. Not for grad().
at::Tensor modality_linear_of_parameters(const at::Tensor& x_TI, at::TensorList weights_OI,
                                         at::TensorList biases_O, const at::Tensor& group_offsets_M1);

}  // namespace mom::ops
