// The gated activation of a feed-forward: y = silu(gate) * up. T rows, F width.
//   gate_TF, up_TF  [T, F]  f32 or bf16 (f64: reference), any row stride        returns y_TF (as gate)
// f32 inside. Gradients: both. Source: Shazeer 2020 (arXiv 2002.05202).
#pragma once

#include <ATen/core/Tensor.h>

namespace mom::ops {

at::Tensor swiglu(const at::Tensor& gate_TF, const at::Tensor& up_TF);
at::Tensor swiglu_reference(const at::Tensor& gate_TF, const at::Tensor& up_TF);

}  // namespace mom::ops
