// The loss of rows of logits and its gradient on a GPU, as in mom/kernels/softmax_loss.h, with all pointers to memory of the
// device. Logits are overwritten only where the gradient is the same memory. (What samples from one row has no kernel here.)
//
// A block of 256 threads has a row and reads it twice: once for the largest logit and the sum of exponentials together, each
// thread scaling its sum down when it meets a larger one, and once for the gradient. Memory binds.
#pragma once

#include "mom/kernels/cuda/stream.h"
#include "mom/kernels/softmax_loss.h"

namespace mom::kernels::cuda {

void softmax_loss(const MutableRows& logits, int64_t num_rows, int64_t vocabulary, const int64_t* targets,
                  float scale, float z_weight, const SoftmaxLossOutputs& outputs, Stream stream);

}  // namespace mom::kernels::cuda
