#include "mom/kernels/cuda/rms_norm.h"

#include "mom/kernels/cuda/device_rows.h"
#include "mom/kernels/cuda/partial_sums.h"

namespace mom::kernels::cuda {
namespace {

constexpr int kNormThreads = 128, kNormWarps = kNormThreads / kWarp;
constexpr int64_t kNormRows = 128;  // of a block that sums over rows

template <class Access>
MOM_KERNEL(kNormThreads, 8)
norm_forward(const NormInputs in, const MutableRows normed, const MutableRows sum, float* scale) {
  const int64_t row = block_x() * kNormWarps + warp_index();
  if (row >= in.num_rows) return;
  const Rows sum_read{sum.data, sum.stride, sum.type};
  float squares = 0.0f;
  for (int64_t column = lane_index(); column < in.width; column += kWarp) {
    float x = Access::load(in.x, row, column);
    if (in.residual.data != nullptr) x += AnyAccess::load(in.residual, row, column);
    AnyAccess::store(x, sum, row, column);
    squares = fma(x, x, squares);
  }
  const float mean = sum_of_warp(squares) / static_cast<float>(in.width);
  const float factor = 1.0f / sqrt(mean + in.epsilon);
  if (lane_index() == 0) scale[row] = factor;
  for (int64_t column = lane_index(); column < in.width; column += kWarp)
    Access::store(AnyAccess::load(sum_read, row, column) * factor * in.weight[column], normed, row, column);
}

// With g = dnormed * weight and n = sum * scale: d = scale * (g - n * mean(g * n)) + dnew_residual.
template <class Access>
MOM_KERNEL(kNormThreads, 8)
norm_backward(const NormInputs in, const NormGradients grad) {
  const int64_t row = block_x() * kNormWarps + warp_index();
  if (row >= in.num_rows) return;
  const float scale = grad.scale[row];
  float products = 0.0f;
  for (int64_t column = lane_index(); column < in.width; column += kWarp) {
    const float g = Access::load(grad.normed, row, column) * in.weight[column];
    products = fma(g, AnyAccess::load(grad.sum, row, column) * scale, products);
  }
  const float mean = sum_of_warp(products) / static_cast<float>(in.width);
  for (int64_t column = lane_index(); column < in.width; column += kWarp) {
    const float g = Access::load(grad.normed, row, column) * in.weight[column];
    const float n = AnyAccess::load(grad.sum, row, column) * scale;
    float d = scale * fma(-n, mean, g);
    if (grad.new_residual.data != nullptr) d += AnyAccess::load(grad.new_residual, row, column);
    AnyAccess::store(d, grad.x, row, column);
  }
}

// Of 128 rows and 32 columns, the sums of dnormed * n: each warp every fourth row, then warps in order.
template <class Access>
MOM_KERNEL(kNormThreads, 8)
norm_weight(const NormInputs in, const NormGradients grad, float* partials) {
  MOM_SHARED(float, sums, kNormThreads);
  const int64_t column = block_y() * kWarp + lane_index(), first = block_x() * kNormRows;
  const int64_t end = first + kNormRows < in.num_rows ? first + kNormRows : in.num_rows;
  float sum = 0.0f;
  if (column < in.width) {
    for (int64_t row = first + warp_index(); row < end; row += kNormWarps)
      sum = fma(Access::load(grad.normed, row, column),
                AnyAccess::load(grad.sum, row, column) * grad.scale[row], sum);
  }
  sums[thread_index()] = sum;
  barrier();
  if (warp_index() != 0 || column >= in.width) return;
  for (int warp = 1; warp < kNormWarps; ++warp) sum += sums[warp * kWarp + lane_index()];
  partials[block_x() * in.width + column] = sum;
}

int64_t blocks_of_rows(const NormInputs& in) { return ceil_div(in.num_rows, kNormRows); }

}  // namespace

int64_t norm_backward_workspace_size(const NormInputs& in) { return blocks_of_rows(in) * in.width; }

void add_rms_norm_forward(const NormInputs& in, const MutableRows& normed, const MutableRows& sum,
                          float* scale, Stream stream) {
  with_access(
      [&](auto access) {
        launch(norm_forward<decltype(access)>, {ceil_div(in.num_rows, kNormWarps)}, kNormThreads, stream, in,
               normed, sum, scale);
      },
      in.x, normed);
}

void add_rms_norm_backward(const NormInputs& in, const NormGradients& grad, float* workspace, Stream stream) {
  with_access(
      [&](auto access) {
        using Access = decltype(access);
        launch(norm_backward<Access>, {ceil_div(in.num_rows, kNormWarps)}, kNormThreads, stream, in, grad);
        launch(norm_weight<Access>, {blocks_of_rows(in), ceil_div(in.width, kWarp)}, kNormThreads, stream, in,
               grad, workspace);
      },
      grad.normed);
  add_partials(workspace, blocks_of_rows(in), in.width, in.width, grad.weight, stream);
}

}  // namespace mom::kernels::cuda
