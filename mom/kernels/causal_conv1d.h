// Causal depthwise convolution kernels, forward and backward. Equation and shapes are in
// mom/ops/causal_conv1d.h. A tile is a run of positions of one sequence, all channels.
#pragma once

#include <cstdint>

#include "mom/kernels/rows.h"

namespace mom::kernels {

constexpr int64_t kMaxConvTaps = 8;

struct ConvInputs {
  int64_t num_tokens = 0, num_channels = 0, num_taps = 0, num_sequences = 0;
  Rows x;
  const float* weight = nullptr;  // [K, D]: taps first
  const float* bias = nullptr;    // [D] or null
  bool silu = false;
  const int64_t* offsets = nullptr;  // [S + 1]
  const int64_t* order = nullptr;    // [T] or null
  const float* initial = nullptr;    // [S, K - 1, D] or null = zero
};

struct ConvGradients {
  Rows y;                              // given
  const float* final_state = nullptr;  // given: [S, K - 1, D] or null = zero
  MutableRows x;
  float* weight = nullptr;   // [K, D]
  float* bias = nullptr;     // [D] or null
  float* initial = nullptr;  // [S, K - 1, D] or null
};

void causal_conv1d_forward(const ConvInputs& in, const MutableRows& y, float* final_state_SKD,
                           const ParallelFor& parallel_for);
void causal_conv1d_backward(const ConvInputs& in, const ConvGradients& grad, const ParallelFor& parallel_for);

}  // namespace mom::kernels
