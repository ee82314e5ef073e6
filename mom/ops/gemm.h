// The one place that multiplies matrices: which library, and into which memory.
#pragma once

#include <ATen/core/Tensor.h>

namespace mom::ops {

// to = left * right (+ bias), or to += left * right, into the memory of `to`: [M, K] x [K, N] -> [M, N],
// views with any strides. Both factors have one dtype. `to` has theirs or f32; sums are f32 (f64 for f64). K
// = 0 gives zeros.
void multiply(const at::Tensor& left, const at::Tensor& right, const at::Tensor& to, bool accumulate = false,
              const at::Tensor& bias = {});

}  // namespace mom::ops
