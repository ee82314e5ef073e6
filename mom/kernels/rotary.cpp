#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/rotary.cpp"
#include "mom/base/rounding.h"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <algorithm>

#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/rotary.h"
#include "mom/kernels/simd-inl.h"

#ifndef MOM_KERNELS_ROTARY_TILE
#define MOM_KERNELS_ROTARY_TILE
namespace mom::kernels {
constexpr int64_t kRotaryPositions = 64;  // positions per tile
}
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

void rotary_row(const RotaryPlan& plan, int64_t position, const Rows& in, int64_t in_row,
                const MutableRows& out, int64_t out_row, float sign) {
  const int64_t half = plan.width / 2;
  const Rows table{plan.table, plan.width, Element::kF32};
  for (int64_t head = 0; head < plan.heads; ++head) {
    const int64_t first = head * plan.width;
    for (int64_t column = 0; column < half; column += kLanes) {
      const int64_t left = half - column;
      const Vec c = load_row(table, position, column, left);
      const Vec s = hn::Mul(set(sign), load_row(table, position, half + column, left));
      const Vec x0 = load_row(in, in_row, first + column, left);
      const Vec x1 = load_row(in, in_row, first + half + column, left);
      store_row(hn::NegMulAdd(x1, s, hn::Mul(x0, c)), out, out_row, first + column, left);
      store_row(fma(x0, s, hn::Mul(x1, c)), out, out_row, first + half + column, left);
    }
  }
}

void rotary_tile(const RotaryPlan& plan, const Rows& in, const MutableRows& out, bool back, int64_t tile) {
  const int64_t end = std::min(plan.num_positions, (tile + 1) * kRotaryPositions);
  for (int64_t t = tile * kRotaryPositions; t < end; ++t)
    rotary_row(plan, t, in, back ? t : plan.order[t], out, back ? plan.order[t] : t, back ? -1.0f : 1.0f);
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {

HWY_EXPORT(rotary_tile);

namespace {

void rotate_all(const RotaryPlan& plan, const Rows& in, const MutableRows& out, bool back,
                const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  parallel_for(ceil_div(plan.num_positions, kRotaryPositions), [&](int64_t tile) {
    HWY_DYNAMIC_DISPATCH(rotary_tile)(plan, in, out, back, tile);
  });
}

}  // namespace

void rotate(const RotaryPlan& plan, const Rows& in, const MutableRows& out, const ParallelFor& parallel_for) {
  rotate_all(plan, in, out, false, parallel_for);
}

void rotate_back(const RotaryPlan& plan, const Rows& in, const MutableRows& out,
                 const ParallelFor& parallel_for) {
  rotate_all(plan, in, out, true, parallel_for);
}

}  // namespace mom::kernels
#endif
