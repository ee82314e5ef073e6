#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/rms_norm.cpp"
#include "mom/base/rounding.h"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <algorithm>
#include <cmath>
#include <memory>

#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/rms_norm.h"
#include "mom/kernels/simd-inl.h"

#ifndef MOM_KERNELS_NORM_ROWS
#define MOM_KERNELS_NORM_ROWS
namespace mom::kernels {
constexpr int64_t kNormRows = 64;  // rows per tile
}
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

// Squares are summed in lanes, then lanes: E / lanes terms each, which keeps the rounding error of wide rows small.
void norm_forward_tile(const NormInputs& in, const MutableRows& normed, const MutableRows& sum, float* scale,
                       int64_t tile) {
  const Rows sum_read{sum.data, sum.stride, sum.type}, weight{in.weight, 0, Element::kF32};
  const int64_t end = std::min(in.num_rows, (tile + 1) * kNormRows);
  for (int64_t row = tile * kNormRows; row < end; ++row) {
    Vec squares = zero();
    for (int64_t column = 0; column < in.width; column += kLanes) {
      const int64_t left = in.width - column;
      Vec x = load_row(in.x, row, column, left);
      if (in.residual.data) x = hn::Add(x, load_row(in.residual, row, column, left));
      store_row(x, sum, row, column, left);
      squares = fma(x, x, squares);
    }
    const float mean = hn::GetLane(hn::SumOfLanes(kTag, squares)) / static_cast<float>(in.width);
    scale[row] = 1.0f / std::sqrt(mean + in.epsilon);
    for (int64_t column = 0; column < in.width; column += kLanes) {
      const int64_t left = in.width - column;
      const Vec x = hn::Mul(load_row(sum_read, row, column, left), set(scale[row]));
      store_row(hn::Mul(x, load_row(weight, 0, column, left)), normed, row, column, left);
    }
  }
}

// With g = dnormed * weight and n = sum * scale: d = scale * (g - n * mean(g * n)) + dnew_residual; dweight
// += dnormed * n.
void norm_backward_tile(const NormInputs& in, const NormGradients& grad, float* partial, int64_t tile) {
  const Rows weight{in.weight, 0, Element::kF32}, partial_read{partial, 0, Element::kF32};
  const MutableRows partial_write{partial, 0, Element::kF32};
  std::fill(partial, partial + in.width, 0.0f);
  const int64_t end = std::min(in.num_rows, (tile + 1) * kNormRows);
  for (int64_t row = tile * kNormRows; row < end; ++row) {
    const Vec scale = set(grad.scale[row]);
    Vec products = zero();
    for (int64_t column = 0; column < in.width; column += kLanes) {
      const int64_t left = in.width - column;
      const Vec dnormed = load_row(grad.normed, row, column, left);
      const Vec product = hn::Mul(dnormed, hn::Mul(load_row(grad.sum, row, column, left), scale));
      store_row(hn::Add(load_row(partial_read, 0, column, left), product), partial_write, 0, column, left);
      products = fma(product, load_row(weight, 0, column, left), products);
    }
    const Vec mean = set(hn::GetLane(hn::SumOfLanes(kTag, products)) / static_cast<float>(in.width));
    for (int64_t column = 0; column < in.width; column += kLanes) {
      const int64_t left = in.width - column;
      const Vec g = hn::Mul(load_row(grad.normed, row, column, left), load_row(weight, 0, column, left));
      const Vec n = hn::Mul(load_row(grad.sum, row, column, left), scale);
      Vec d = hn::Mul(scale, hn::NegMulAdd(n, mean, g));
      if (grad.new_residual.data) d = hn::Add(d, load_row(grad.new_residual, row, column, left));
      store_row(d, grad.x, row, column, left);
    }
  }
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {

HWY_EXPORT(norm_forward_tile);
HWY_EXPORT(norm_backward_tile);

void add_rms_norm_forward(const NormInputs& in, const MutableRows& normed, const MutableRows& sum,
                          float* scale, const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  parallel_for(ceil_div(in.num_rows, kNormRows), [&](int64_t tile) {
    HWY_DYNAMIC_DISPATCH(norm_forward_tile)(in, normed, sum, scale, tile);
  });
}

void add_rms_norm_backward(const NormInputs& in, const NormGradients& grad, const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  const int64_t num_tiles = ceil_div(in.num_rows, kNormRows);
  const std::unique_ptr<float[]> partials(new float[num_tiles * in.width]);
  parallel_for(num_tiles, [&](int64_t tile) {
    HWY_DYNAMIC_DISPATCH(norm_backward_tile)(in, grad, partials.get() + tile * in.width, tile);
  });
  std::fill(grad.weight, grad.weight + in.width, 0.0f);
  for (int64_t tile = 0; tile < num_tiles; ++tile) {  // in order of rows
    for (int64_t i = 0; i < in.width; ++i) grad.weight[i] += partials[tile * in.width + i];
  }
}

}  // namespace mom::kernels
#endif
