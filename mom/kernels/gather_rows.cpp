#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/gather_rows.cpp"
#include "mom/base/rounding.h"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <algorithm>

#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/gather_rows.h"
#include "mom/kernels/simd-inl.h"

#ifndef MOM_KERNELS_GATHER_ROWS_TILE
#define MOM_KERNELS_GATHER_ROWS_TILE
namespace mom::kernels {
constexpr int64_t kGatherRows = 64;  // rows per tile
}
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

void gather_tile(const GatherPlan& plan, const Rows& in, const MutableRows& out, int64_t tile) {
  const int64_t end = std::min(plan.num_rows, (tile + 1) * kGatherRows);
  for (int64_t row = tile * kGatherRows; row < end; ++row) {
    const int64_t first = plan.offsets ? plan.offsets[row] : row,
                  last = plan.offsets ? plan.offsets[row + 1] : row + 1;
    for (int64_t column = 0; column < plan.width; column += kLanes) {
      const int64_t left = plan.width - column;
      Vec sum = zero();
      for (int64_t j = first; j < last; ++j) {
        if (plan.sources[j] < 0) continue;
        const Vec x = load_row(in, plan.sources[j], column, left);
        sum = plan.weights ? fma(set(plan.weights[j]), x, sum) : hn::Add(x, sum);
      }
      store_row(sum, out, row, column, left);
    }
  }
}

void dots_tile(int64_t count, int64_t width, const int64_t* left_rows, const Rows& left, const Rows& right,
               float* dots, int64_t tile) {
  const int64_t end = std::min(count, (tile + 1) * kGatherRows);
  for (int64_t j = tile * kGatherRows; j < end; ++j) {
    Vec sum = zero();
    for (int64_t column = 0; left_rows[j] >= 0 && column < width; column += kLanes)
      sum = fma(load_row(left, left_rows[j], column, width - column),
                load_row(right, j, column, width - column), sum);
    dots[j] = hn::GetLane(hn::SumOfLanes(kTag, sum));
  }
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {

HWY_EXPORT(gather_tile);
HWY_EXPORT(dots_tile);

void gather_rows(const GatherPlan& plan, const Rows& in, const MutableRows& out,
                 const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  parallel_for(ceil_div(plan.num_rows, kGatherRows), [&](int64_t tile) {
    HWY_DYNAMIC_DISPATCH(gather_tile)(plan, in, out, tile);
  });
}

void row_dots(int64_t count, int64_t width, const int64_t* left_rows, const Rows& left, const Rows& right,
              float* dots, const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  parallel_for(ceil_div(count, kGatherRows), [&](int64_t tile) {
    HWY_DYNAMIC_DISPATCH(dots_tile)(count, width, left_rows, left, right, dots, tile);
  });
}

}  // namespace mom::kernels
#endif
