#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/swiglu.cpp"
#include "mom/base/rounding.h"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <algorithm>

#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/simd-inl.h"
#include "mom/kernels/swiglu.h"

#ifndef MOM_KERNELS_SWIGLU_TILE
#define MOM_KERNELS_SWIGLU_TILE
namespace mom::kernels {
constexpr int64_t kSwigluRows = 16;  // rows per tile
}
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

void swiglu_forward_tile(const SwigluInputs& in, const MutableRows& y, int64_t tile) {
  const int64_t end = std::min(in.num_rows, (tile + 1) * kSwigluRows);
  for (int64_t row = tile * kSwigluRows; row < end; ++row) {
    for (int64_t column = 0; column < in.width; column += kLanes) {
      const int64_t left = in.width - column;
      store_row(hn::Mul(silu(load_row(in.gate, row, column, left)), load_row(in.up, row, column, left)), y,
                row, column, left);
    }
  }
}

void swiglu_backward_tile(const SwigluInputs& in, const Rows& dy, const MutableRows& dgate,
                          const MutableRows& dup, int64_t tile) {
  const int64_t end = std::min(in.num_rows, (tile + 1) * kSwigluRows);
  for (int64_t row = tile * kSwigluRows; row < end; ++row) {
    for (int64_t column = 0; column < in.width; column += kLanes) {
      const int64_t left = in.width - column;
      const Vec gate = load_row(in.gate, row, column, left), d = load_row(dy, row, column, left);
      const Vec s = sigmoid(gate);
      store_row(hn::Mul(d, hn::Mul(gate, s)), dup, row, column, left);
      store_row(hn::Mul(hn::Mul(d, load_row(in.up, row, column, left)), silu_slope(gate, s)), dgate, row,
                column, left);
    }
  }
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {

HWY_EXPORT(swiglu_forward_tile);
HWY_EXPORT(swiglu_backward_tile);

void swiglu_forward(const SwigluInputs& in, const MutableRows& y, const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  parallel_for(ceil_div(in.num_rows, kSwigluRows), [&](int64_t tile) {
    HWY_DYNAMIC_DISPATCH(swiglu_forward_tile)(in, y, tile);
  });
}

void swiglu_backward(const SwigluInputs& in, const Rows& dy, const MutableRows& dgate, const MutableRows& dup,
                     const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  parallel_for(ceil_div(in.num_rows, kSwigluRows), [&](int64_t tile) {
    HWY_DYNAMIC_DISPATCH(swiglu_backward_tile)(in, dy, dgate, dup, tile);
  });
}

}  // namespace mom::kernels
#endif
