// Weighted sums of rows: out[i] = sum over j in [offsets[i], offsets[i + 1]) of weights[j] * in[sources[j]],
// in the order of j. One kernel serves reordering, sending rows to experts and bringing them back, and the
// gradients of all three. A tile is a run of output rows.
#pragma once

#include <cstdint>

#include "mom/kernels/rows.h"

namespace mom::kernels {

struct GatherPlan {
  int64_t num_rows = 0, width = 0;   // of the output
  const int64_t* offsets = nullptr;  // [rows + 1]; absent: one source per row
  const int64_t* sources = nullptr;  // a negative one counts as a row of zeros
  const float* weights = nullptr;    // by j; absent: 1
};

void gather_rows(const GatherPlan& plan, const Rows& in, const MutableRows& out,
                 const ParallelFor& parallel_for);

// dots[j] = sum over columns of left[left_rows[j]] * right[j], f32; 0 where left_rows[j] is negative.
void row_dots(int64_t count, int64_t width, const int64_t* left_rows, const Rows& left, const Rows& right,
              float* dots, const ParallelFor& parallel_for);

}  // namespace mom::kernels
