// Weighted sums of rows on a GPU. Arguments are those of mom/kernels/gather_rows.h, in memory of the device. A warp has a row of
// the output, or a dot product. Memory binds.
#pragma once

#include "mom/kernels/cuda/stream.h"
#include "mom/kernels/gather_rows.h"

namespace mom::kernels::cuda {

void gather_rows(const GatherPlan& plan, const Rows& in, const MutableRows& out, Stream stream);
void row_dots(int64_t count, int64_t width, const int64_t* left_rows, const Rows& left, const Rows& right,
              float* dots, Stream stream);

}  // namespace mom::kernels::cuda
