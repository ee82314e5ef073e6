// Residual addition and RMS normalisation on a GPU. Arguments are those of mom/kernels/rms_norm.h, in memory of the device; the
// caller gives a workspace and a stream.
//
// A warp has a row: forward adds, keeps the sum and its mean square, and goes through the row once more, which is in the caches
// then; backward does so for the mean of products. The gradient of the weight, a sum over rows, has kernels of its own: 32
// columns x 128 rows a block, then the blocks in order. Memory binds.
#pragma once

#include "mom/kernels/cuda/stream.h"
#include "mom/kernels/rms_norm.h"

namespace mom::kernels::cuda {

int64_t norm_backward_workspace_size(const NormInputs& in);  // floats

void add_rms_norm_forward(const NormInputs& in, const MutableRows& normed, const MutableRows& sum,
                          float* scale, Stream stream);
void add_rms_norm_backward(const NormInputs& in, const NormGradients& grad, float* workspace, Stream stream);

}  // namespace mom::kernels::cuda
