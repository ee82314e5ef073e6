#include "mom/kernels/cuda/partial_sums.h"

#include "mom/kernels/cuda/device_rows.h"

namespace mom::kernels::cuda {
namespace {

MOM_KERNEL(256, 4)
add_in_order(const float* partials, int64_t count, int64_t stride, int64_t width, float* to) {
  const int64_t i = block_x() * 256 + thread_index();
  if (i >= width) return;
  float sum = 0.0f;
  for (int64_t p = 0; p < count; ++p) sum += partials[p * stride + i];
  to[i] = sum;
}

}  // namespace

void add_partials(const float* partials, int64_t count, int64_t stride, int64_t width, float* to,
                  Stream stream) {
  launch(add_in_order, {ceil_div(width, 256)}, 256, stream, partials, count, stride, width, to);
}

}  // namespace mom::kernels::cuda
