// Residual addition and RMS normalisation kernels. The equation is in mom/ops/rms_norm.h. A tile is a run of rows.
#pragma once

#include <cstdint>

#include "mom/kernels/rows.h"

namespace mom::kernels {

struct NormInputs {
  int64_t num_rows = 0, width = 0;
  Rows x, residual;               // residual may be absent
  const float* weight = nullptr;  // [E]
  float epsilon = 0;
};

struct NormGradients {
  Rows normed, new_residual;     // given; new_residual may be absent
  Rows sum;                      // x + residual, as forward returned it
  const float* scale = nullptr;  // [T]
  MutableRows x;                 // the gradient of x and of residual alike, f32
  float* weight = nullptr;
};

// scale[t] = 1 / sqrt(mean square + epsilon), for backward.
void add_rms_norm_forward(const NormInputs& in, const MutableRows& normed, const MutableRows& sum,
                          float* scale, const ParallelFor& parallel_for);
void add_rms_norm_backward(const NormInputs& in, const NormGradients& grad, const ParallelFor& parallel_for);

}  // namespace mom::kernels
