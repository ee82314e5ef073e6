// Torch's intra-op threads for the kernels: the same pool, and the number that at::set_num_threads says.
#pragma once

#include "mom/kernels/rows.h"

namespace mom::ops {

// A kernels::ParallelFor: threads take the next tile when they have finished one, so uneven tiles balance.
void parallel_tiles(int64_t count, const std::function<void(int64_t)>& tile);

}  // namespace mom::ops
