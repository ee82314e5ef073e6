// Tensors as the raw views that kernels take.
#pragma once

#include <ATen/core/Tensor.h>

#include "mom/kernels/rows.h"

namespace mom::ops {

inline kernels::Element element_of(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kBFloat16 ? kernels::Element::kBF16 : kernels::Element::kF32;
}

// An f32 or bf16 matrix with dense rows; an undefined tensor is an absent view.
inline kernels::Rows rows_of(const at::Tensor& matrix) {
  if (!matrix.defined()) return {};
  return {matrix.const_data_ptr(), matrix.stride(0), element_of(matrix)};
}
inline kernels::MutableRows mutable_rows_of(const at::Tensor& matrix) {
  if (!matrix.defined()) return {};
  return {matrix.mutable_data_ptr(), matrix.stride(0), element_of(matrix)};
}

// Contiguous f32; undefined stays undefined.
inline at::Tensor as_f32(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(at::kFloat).contiguous() : tensor;
}
inline const float* floats_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}
inline float* mutable_floats_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

}  // namespace mom::ops
