// Selective scan kernels, forward and backward. The equation, shapes and precision are in
// mom/ops/selective_scan.h. Vectorised over channels; a tile is one block of channels through a piece of a
// long sequence or through several short ones, so that one sequence alone uses threads over its channels (up
// to D / 16) and many also over sequences. How wide blocks are, where sequences are cut, and the order in
// which tiles' partial sums are added depend on shapes and offsets only.
#pragma once

#include <cstdint>

#include "mom/kernels/rows.h"

namespace mom::kernels {

constexpr int64_t kScanChunk = 32;                         // positions between two states kept for backward
constexpr int64_t kMaxScanBlock = 64, kMinScanBlock = 16;  // channels in a tile: fewer where tiles are few

struct ScanInputs {
  int64_t num_tokens = 0, num_channels = 0, num_states = 0, num_sequences = 0;
  Rows u, dt, b, c, gate;          // gate may be absent
  const float* a = nullptr;        // [D, N]
  const float* skip = nullptr;     // [D] or null
  const float* dt_bias = nullptr;  // [D] or null
  bool dt_softplus = false;
  const int64_t* offsets = nullptr;  // [S + 1]
  const int64_t* order = nullptr;    // [T] or null: the row of each position
  const float* initial = nullptr;    // [S, D, N] or null = zero
};

struct ScanOutputs {
  MutableRows y;
  float* final_state = nullptr;   // [S, D, N]
  float* chunk_states = nullptr;  // scan_chunk_state_size() floats, or null where no backward follows
};

struct ScanGradients {
  Rows y;                              // given
  const float* final_state = nullptr;  // given: [S, D, N] or null = zero
  const float* chunk_states = nullptr;
  MutableRows u, dt, gate;                                        // all [T, D]; gate only where there is one
  float *b = nullptr, *c = nullptr;                               // [T, N]
  float* a = nullptr;                                             // [D, N]
  float *skip = nullptr, *dt_bias = nullptr, *initial = nullptr;  // each may be null = not wanted
};

// Floats of one state for each chunk of positions of each sequence.
int64_t scan_chunk_state_size(const ScanInputs& in);
void selective_scan_forward(const ScanInputs& in, const ScanOutputs& out, const ParallelFor& parallel_for);
void selective_scan_backward(const ScanInputs& in, const ScanGradients& grad,
                             const ParallelFor& parallel_for);

}  // namespace mom::kernels
