#include "mom/kernels/cuda/rotary.h"

#include "mom/kernels/cuda/device_rows.h"

namespace mom::kernels::cuda {
namespace {

constexpr int kRotaryThreads = 256;

template <class Access>
MOM_KERNEL(kRotaryThreads, 4)
rotate_pair(const RotaryPlan plan, const Rows in, const MutableRows out, bool back) {
  const int64_t half = plan.width / 2, pairs = plan.heads * half;
  const int64_t index = block_x() * kRotaryThreads + thread_index(), position = index / pairs;
  if (position >= plan.num_positions) return;
  const int64_t head = index % pairs / half, pair = index % half, column = head * plan.width + pair;
  const int64_t ordered = plan.order[position];
  const int64_t in_row = back ? position : ordered, out_row = back ? ordered : position;
  const float c = plan.table[position * plan.width + pair];
  const float s = plan.table[position * plan.width + half + pair] * (back ? -1.0f : 1.0f);
  const float x0 = Access::load(in, in_row, column), x1 = Access::load(in, in_row, column + half);
  Access::store(fma(-x1, s, x0 * c), out, out_row, column);
  Access::store(fma(x0, s, x1 * c), out, out_row, column + half);
}

void rotate_all(const RotaryPlan& plan, const Rows& in, const MutableRows& out, bool back, Stream stream) {
  const int64_t count = plan.num_positions * plan.heads * (plan.width / 2);
  with_access(
      [&](auto access) {
        launch(rotate_pair<decltype(access)>, {ceil_div(count, kRotaryThreads)}, kRotaryThreads, stream, plan,
               in, out, back);
      },
      in, out);
}

}  // namespace

void rotate(const RotaryPlan& plan, const Rows& in, const MutableRows& out, Stream stream) {
  rotate_all(plan, in, out, false, stream);
}

void rotate_back(const RotaryPlan& plan, const Rows& in, const MutableRows& out, Stream stream) {
  rotate_all(plan, in, out, true, stream);
}

}  // namespace mom::kernels::cuda
