// NVIDIA GPUs as devices of a build for them (cmake --preset cuda, which defines MOM_CUDA).
#pragma once

namespace mom::cuda {

// Ops on tensors of GPUs call our kernels from now on, on LibTorch's current stream.
void add_gpus();

}  // namespace mom::cuda
