// The end of a sum over blocks: partial sums are added in their order, so that results have the same bits on every run.
#pragma once

#include <cstdint>

#include "mom/kernels/cuda/stream.h"

namespace mom::kernels::cuda {

// to[i] = sum over p below `count` of partials[p * stride + i], for i below `width`.
void add_partials(const float* partials, int64_t count, int64_t stride, int64_t width, float* to,
                  Stream stream);

}  // namespace mom::kernels::cuda
