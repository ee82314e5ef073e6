// y = silu(gate) * up, element by element, and its gradient. A tile is a run of rows.
#pragma once

#include <cstdint>

#include "mom/kernels/rows.h"

namespace mom::kernels {

struct SwigluInputs {
  int64_t num_rows = 0, width = 0;
  Rows gate, up;
};

void swiglu_forward(const SwigluInputs& in, const MutableRows& y, const ParallelFor& parallel_for);
void swiglu_backward(const SwigluInputs& in, const Rows& dy, const MutableRows& dgate, const MutableRows& dup,
                     const ParallelFor& parallel_for);

}  // namespace mom::kernels
