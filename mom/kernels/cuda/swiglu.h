// silu(gate) * up and its gradient on a GPU. Arguments are those of mom/kernels/swiglu.h, in memory of the device. A thread has
// an element. Memory binds.
#pragma once

#include "mom/kernels/cuda/stream.h"
#include "mom/kernels/swiglu.h"

namespace mom::kernels::cuda {

void swiglu_forward(const SwigluInputs& in, const MutableRows& y, Stream stream);
void swiglu_backward(const SwigluInputs& in, const Rows& dy, const MutableRows& dgate, const MutableRows& dup,
                     Stream stream);

}  // namespace mom::kernels::cuda
