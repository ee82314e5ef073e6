#include "mom/kernels/cuda/gather_rows.h"

#include "mom/kernels/cuda/device_rows.h"

namespace mom::kernels::cuda {
namespace {

constexpr int kGatherThreads = 128, kGatherWarps = kGatherThreads / kWarp;

template <class Access>
MOM_KERNEL(kGatherThreads, 8)
gather_row(const GatherPlan plan, const Rows in, const MutableRows out) {
  const int64_t row = block_x() * kGatherWarps + warp_index();
  if (row >= plan.num_rows) return;
  const int64_t first = plan.offsets != nullptr ? plan.offsets[row] : row,
                last = plan.offsets != nullptr ? plan.offsets[row + 1] : row + 1;
  for (int64_t column = lane_index(); column < plan.width; column += kWarp) {
    float sum = 0.0f;
    for (int64_t j = first; j < last; ++j) {
      const int64_t source = plan.sources[j];
      if (source < 0) continue;
      sum = fma(plan.weights != nullptr ? plan.weights[j] : 1.0f, Access::load(in, source, column), sum);
    }
    Access::store(sum, out, row, column);
  }
}

template <class Access>
MOM_KERNEL(kGatherThreads, 8)
row_dot(int64_t count, int64_t width, const int64_t* left_rows, const Rows left, const Rows right,
        float* dots) {
  const int64_t j = block_x() * kGatherWarps + warp_index();
  if (j >= count) return;
  const int64_t row = left_rows[j];
  float sum = 0.0f;
  for (int64_t column = lane_index(); row >= 0 && column < width; column += kWarp)
    sum = fma(Access::load(left, row, column), Access::load(right, j, column), sum);
  sum = sum_of_warp(sum);
  if (lane_index() == 0) dots[j] = sum;
}

}  // namespace

void gather_rows(const GatherPlan& plan, const Rows& in, const MutableRows& out, Stream stream) {
  with_access(
      [&](auto access) {
        launch(gather_row<decltype(access)>, {ceil_div(plan.num_rows, kGatherWarps)}, kGatherThreads, stream,
               plan, in, out);
      },
      in, out);
}

void row_dots(int64_t count, int64_t width, const int64_t* left_rows, const Rows& left, const Rows& right,
              float* dots, Stream stream) {
  with_access(
      [&](auto access) {
        launch(row_dot<decltype(access)>, {ceil_div(count, kGatherWarps)}, kGatherThreads, stream, count,
               width, left_rows, left, right, dots);
      },
      left, right);
}

}  // namespace mom::kernels::cuda
