// Rotary position embedding on a GPU. Arguments are those of mom/kernels/rotary.h, in memory of the device. A thread has a pair of
// numbers. Memory binds.
#pragma once

#include "mom/kernels/cuda/stream.h"
#include "mom/kernels/rotary.h"

namespace mom::kernels::cuda {

void rotate(const RotaryPlan& plan, const Rows& in, const MutableRows& out, Stream stream);
void rotate_back(const RotaryPlan& plan, const Rows& in, const MutableRows& out, Stream stream);

}  // namespace mom::kernels::cuda
