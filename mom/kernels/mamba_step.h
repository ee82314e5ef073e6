// One token of a Mamba mixer between its projections, for a range of channels: the convolution's newest
// output, and one step of the recurrence. Equations: mom/ops/causal_conv1d.h and mom/ops/selective_scan.h.
#pragma once

#include <cstdint>

namespace mom::kernels {

struct ConvStep {
  int64_t num_channels = 0, num_taps = 0;
  const float* weight_KD = nullptr;  // taps first, the newest input's last
  const float* bias_D = nullptr;     // or null
};
// Channels [begin, end): x (the newest inputs) becomes silu(conv(x)); `last_DK`, the K - 1 inputs before it,
// oldest first, moves on by one.
void conv_step(const ConvStep& conv, int64_t begin, int64_t end, float* x_D, float* last_DK);

struct ScanStep {
  int64_t num_channels = 0, num_states = 0;
  const float* A_DN = nullptr;  // below 0
  const float* D_D = nullptr;   // the skip's weight
};
// Channels [begin, end): h = exp(dt A) h + dt x b;  y = (h c + D x) silu(gate). dt_D is given before
// softplus. y_D may be x_D.
void scan_step(const ScanStep& scan, int64_t begin, int64_t end, const float* x_D, const float* dt_D,
               const float* b_N, const float* c_N, const float* gate_D, float* h_DN, float* y_D);

}  // namespace mom::kernels
