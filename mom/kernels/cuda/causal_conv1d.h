// The causal convolution on a GPU. Arguments are those of mom/kernels/causal_conv1d.h, in memory of the device; the caller gives
// a workspace and a stream.
//
// A thread has one channel, a block 128 of them and a run of at most 128 positions of one sequence (device_rows.h); inputs
// under the taps slide through registers, eight positions are loaded at a time. Four taps have kernels of their own; any other
// number is computed with eight. Backward slides over the inputs and over the gradients before the activation at once. Runs'
// sums of gradients of weight and bias are added in order. Memory binds: an input is read and an output written once, and
// K - 1 of 128 inputs twice.
#pragma once

#include "mom/kernels/causal_conv1d.h"
#include "mom/kernels/cuda/stream.h"

namespace mom::kernels::cuda {

int64_t conv_backward_workspace_size(const ConvInputs& in);  // floats

void causal_conv1d_forward(const ConvInputs& in, const MutableRows& y, float* final_state_SKD, Stream stream);
void causal_conv1d_backward(const ConvInputs& in, const ConvGradients& grad, float* workspace, Stream stream);

}  // namespace mom::kernels::cuda
