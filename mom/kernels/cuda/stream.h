// What callers of the CUDA kernels name without CUDA's headers.
#pragma once

struct CUstream_st;

namespace mom::kernels::cuda {

using Stream = CUstream_st*;  // CUDA's cudaStream_t; null is the default stream

}  // namespace mom::kernels::cuda
