// One face of a GPU's thread for two compilers. Under nvcc these are CUDA's own; under any other compiler they are the
// functions of `emulated`, which tests/kernels/cuda/emulator.cpp defines, so that the kernels' sources run on a CPU.
// Kernels name CUDA through this file alone.
#pragma once

#include <cstdint>

#include "mom/kernels/cuda/stream.h"
#include "mom/kernels/rows.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>
#define MOM_DEVICE __device__ __forceinline__
#define MOM_UNROLL _Pragma("unroll")
#define MOM_NO_UNROLL _Pragma("unroll 1")
// A kernel for blocks of at most `threads` threads; the compiler keeps registers low enough for `blocks` of them.
#define MOM_KERNEL(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
#define MOM_SHARED(type, name, size) __shared__ alignas(16) type name[size]
#else
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <source_location>
#define MOM_DEVICE inline
#define MOM_UNROLL
#define MOM_NO_UNROLL
#define MOM_KERNEL(threads, blocks) void
#define MOM_SHARED(type, name, size) \
  type* const name = static_cast<type*>(emulated::shared_memory((size) * sizeof(type)))
#endif

namespace mom::kernels::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

struct Grid {
  int64_t x = 1, y = 1;  // blocks; y is at most 65535
};

#ifdef __CUDACC__

MOM_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
MOM_DEVICE int64_t block_x() { return blockIdx.x; }
MOM_DEVICE int64_t block_y() { return blockIdx.y; }
MOM_DEVICE void barrier() { __syncthreads(); }
// The value of the lane whose number differs in the bits of `lanes`. All lanes of `mask` must call it together.
MOM_DEVICE float shuffle_xor(float value, int lanes, unsigned mask = kAllLanes) {
  return __shfl_xor_sync(mask, value, lanes);
}

// The compiler moves no access to memory across: it would load early, and run out of registers. Promises nothing.
MOM_DEVICE void keep_order() { __syncwarp(); }

MOM_DEVICE float fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
MOM_DEVICE float exp(float x) { return ::expf(x); }
MOM_DEVICE float log(float x) { return ::logf(x); }
MOM_DEVICE float log1p(float x) { return ::log1pf(x); }
MOM_DEVICE float sqrt(float x) { return ::sqrtf(x); }
MOM_DEVICE float abs(float x) { return ::fabsf(x); }
MOM_DEVICE float max(float a, float b) { return ::fmaxf(a, b); }
MOM_DEVICE float exp2_approximate(
    float x) {  // one instruction; 2 units in the last place (PTX manual, ex2.approx)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

MOM_DEVICE float bf16_to_f32(uint16_t bits) { return __uint_as_float(static_cast<unsigned>(bits) << 16); }
MOM_DEVICE uint16_t f32_to_bf16(float value) {  // to nearest even
  uint16_t bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}

// Starts kernel(arguments...) on the stream and throws where it cannot be started.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, int threads, Stream stream,
            const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0) return;
  kernel<<<dim3(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y)), threads, 0, stream>>>(
      arguments...);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess)
    throw std::runtime_error(std::string("CUDA kernel launch: ") + cudaGetErrorString(error));
}

#else

namespace emulated {
using Site = std::source_location;  // of the call, so that threads that meet at different ones are found
struct Index {
  int thread;
  int64_t block_x, block_y;
};
const Index& index();
// The block's next array: the n-th call of each thread is given the same one. Its content is NaN at first.
void* shared_memory(size_t bytes);
void barrier(Site site);
uint32_t shuffle(uint32_t value, int from_lane, unsigned mask, Site site);
void launch(Grid grid, int threads, const std::function<void()>& thread);
}  // namespace emulated

inline int thread_index() { return emulated::index().thread; }
inline int64_t block_x() { return emulated::index().block_x; }
inline int64_t block_y() { return emulated::index().block_y; }
inline void barrier(emulated::Site site = emulated::Site::current()) { emulated::barrier(site); }
inline float shuffle_xor(float value, int lanes, unsigned mask = kAllLanes,
                         emulated::Site site = emulated::Site::current()) {
  const int from = (thread_index() % kWarp) ^ lanes;
  return std::bit_cast<float>(emulated::shuffle(std::bit_cast<uint32_t>(value), from, mask, site));
}

inline void keep_order() {}

inline float fma(float a, float b,
                 float c) {  // the product is exact; the sum is rounded twice, to 53 bits first
  return static_cast<float>(static_cast<double>(a) * b + c);
}
inline float exp(float x) { return std::exp(x); }
inline float log(float x) { return std::log(x); }
inline float log1p(float x) { return std::log1p(x); }
inline float sqrt(float x) { return std::sqrt(x); }
inline float abs(float x) { return std::fabs(x); }
inline float max(float a, float b) { return std::fmax(a, b); }
// The worst that the instruction may do is done to every result: two units too low, so that errors add up.
inline float exp2_approximate(float x) {
  const float y = std::exp2(x);
  return y < 1.2e-38f ? 0.0f : std::isfinite(y) ? std::bit_cast<float>(std::bit_cast<uint32_t>(y) - 2) : y;
}

inline float bf16_to_f32(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
inline uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (value != value) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, int threads, Stream, const Arguments&... arguments) {
  emulated::launch(grid, threads, [&] { kernel(arguments...); });
}

#endif

MOM_DEVICE int lane_index() { return thread_index() % kWarp; }
MOM_DEVICE int warp_index() { return thread_index() / kWarp; }

// The sum over the lanes of a warp, in each of them.
MOM_DEVICE float sum_of_warp(float value) {
  MOM_UNROLL
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) value += shuffle_xor(value, lanes);
  return value;
}

MOM_DEVICE float sigmoid(float x) {  // keeps its relative accuracy for very negative x
  const float w = exp(-abs(x));
  return (x < 0.0f ? w : 1.0f) / (1.0f + w);
}

// Four neighbours in one access; `from` is aligned to 16 bytes.
struct alignas(16) Four {
  float at[4];
};
MOM_DEVICE Four load_four(const float* from) { return *reinterpret_cast<const Four*>(from); }

}  // namespace mom::kernels::cuda
