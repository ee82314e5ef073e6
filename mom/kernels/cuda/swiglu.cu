#include "mom/kernels/cuda/swiglu.h"

#include "mom/kernels/cuda/device_rows.h"

namespace mom::kernels::cuda {
namespace {

constexpr int kSwigluThreads = 256;

template <class Access>
MOM_KERNEL(kSwigluThreads, 4)
swiglu_element(const SwigluInputs in, const MutableRows y) {
  const int64_t index = block_x() * kSwigluThreads + thread_index(), row = index / in.width,
                column = index % in.width;
  if (row >= in.num_rows) return;
  const float gate = Access::load(in.gate, row, column);
  Access::store(gate * sigmoid(gate) * Access::load(in.up, row, column), y, row, column);
}

template <class Access>
MOM_KERNEL(kSwigluThreads, 4)
swiglu_gradient(const SwigluInputs in, const Rows dy, const MutableRows dgate, const MutableRows dup) {
  const int64_t index = block_x() * kSwigluThreads + thread_index(), row = index / in.width,
                column = index % in.width;
  if (row >= in.num_rows) return;
  const float gate = Access::load(in.gate, row, column), d = Access::load(dy, row, column), s = sigmoid(gate);
  const float up = Access::load(in.up, row, column);
  Access::store(d * gate * s, dup, row, column);
  Access::store(d * up * s * fma(gate, 1.0f - s, 1.0f), dgate, row, column);
}

Grid grid_of(const SwigluInputs& in) { return {ceil_div(in.num_rows * in.width, kSwigluThreads)}; }

}  // namespace

void swiglu_forward(const SwigluInputs& in, const MutableRows& y, Stream stream) {
  with_access(
      [&](auto access) {
        launch(swiglu_element<decltype(access)>, grid_of(in), kSwigluThreads, stream, in, y);
      },
      in.gate, in.up, y);
}

void swiglu_backward(const SwigluInputs& in, const Rows& dy, const MutableRows& dgate, const MutableRows& dup,
                     Stream stream) {
  with_access(
      [&](auto access) {
        launch(swiglu_gradient<decltype(access)>, grid_of(in), kSwigluThreads, stream, in, dy, dgate, dup);
      },
      in.gate, in.up, dy, dgate, dup);
}

}  // namespace mom::kernels::cuda
