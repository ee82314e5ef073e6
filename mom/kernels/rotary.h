// Rotary position embedding, fused with bringing rows into sequence order. The equation is in
// mom/ops/rotary.h. A tile is a run of positions.
#pragma once

#include <cstdint>

#include "mom/kernels/rows.h"

namespace mom::kernels {

struct RotaryPlan {
  int64_t num_positions = 0, heads = 0, width = 0;  // width of a head, even
  const int64_t* order = nullptr;                   // [T] row of each position
  const float* table = nullptr;                     // [T, width]: cosines, then sines
};

// out[t] = rotated in[order[t]].
void rotate(const RotaryPlan& plan, const Rows& in, const MutableRows& out, const ParallelFor& parallel_for);
// out[order[t]] = in[t] rotated back: the gradient of rotate().
void rotate_back(const RotaryPlan& plan, const Rows& in, const MutableRows& out,
                 const ParallelFor& parallel_for);

}  // namespace mom::kernels
