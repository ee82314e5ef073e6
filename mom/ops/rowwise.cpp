#include "mom/ops/rowwise.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "mom/base/rounding.h"
#include "mom/ops/arguments.h"
#include "mom/ops/parallel.h"

namespace mom::ops {
namespace {

thread_local const PackedWeights* rowwise_weights = nullptr;

// Of a tile, at most: rows of the weight and of the left factor.
constexpr int64_t kWeightRows = 256, kLeftRows = 64;
// Of the weight, at least: a tile of fewer reads as much of the left factor for less.
constexpr int64_t kFewestWeightRows = 16;

// Weight rows of a tile where `down` tiles lie below each other: few rows on the left, a short prompt, would leave threads
// without work. Which rows share a tile changes no bits.
int64_t weight_rows_of_tile(int64_t num_outputs, int64_t down) {
  const int64_t across = ceil_div(2 * at::get_num_threads(), down);
  return std::clamp(round_up(ceil_div(num_outputs, across), kFewestWeightRows), kFewestWeightRows,
                    kWeightRows);
}

}  // namespace

ScopedRowwise::ScopedRowwise(const PackedWeights& weights)
    : previous_(std::exchange(rowwise_weights, &weights)) {}
ScopedRowwise::~ScopedRowwise() { rowwise_weights = previous_; }
bool rowwise() { return rowwise_weights != nullptr; }

at::Tensor each_item(const at::Tensor& x, int64_t num_items,
                     const std::function<at::Tensor(const at::Tensor&)>& function) {
  if (!rowwise() || num_items == 0) return function(x);
  std::vector<at::Tensor> results;
  for (const at::Tensor& item : x.chunk(num_items)) results.push_back(function(item.contiguous()));
  return at::cat(results);
}

void multiply_rowwise(const at::Tensor& left_MK, const at::Tensor& right_KN, const at::Tensor& to_MN,
                      const at::Tensor& bias_N) {
  const at::Tensor panels = rowwise_weights->panels(right_KN.t()), left = with_dense_rows(left_MK),
                   bias = bias_N.defined() ? bias_N.contiguous() : at::Tensor();
  at::Tensor to = to_MN.stride(1) == 1 ? to_MN : at::empty(to_MN.sizes(), to_MN.options());
  const auto num_rows = static_cast<size_t>(left.size(0));
  const kernels::WeightMatrix matrix{.data = panels.const_data_ptr(),
                                     .bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                                     .num_rows = right_KN.size(1),
                                     .num_columns = right_KN.size(0)};
  std::vector<const float*> x(num_rows);
  std::vector<float*> y(num_rows);
  for (size_t row = 0; row < num_rows; ++row) {
    x[row] = left.const_data_ptr<float>() + static_cast<int64_t>(row) * left.stride(0);
    y[row] = to.mutable_data_ptr<float>() + static_cast<int64_t>(row) * to.stride(0);
  }
  multiply_rowwise(matrix, x, y);
  if (!to.is_same(to_MN)) to_MN.copy_(to);
}

void multiply_rowwise(const kernels::WeightMatrix& weights, std::span<const float* const> x,
                      std::span<float* const> y) {
  const int64_t num_rows = std::ssize(x), num_outputs = weights.num_rows,
                down = ceil_div(num_rows, kLeftRows), width = weight_rows_of_tile(num_outputs, down),
                across = ceil_div(num_outputs, width);
  parallel_tiles(across * down, [&](int64_t tile) {
    const int64_t first = tile / across * kLeftRows, begin = tile % across * width;
    const auto at = static_cast<size_t>(first),
               count = static_cast<size_t>(std::min(num_rows - first, kLeftRows));
    kernels::matvec(weights, begin, std::min(num_outputs, begin + width), x.subspan(at, count),
                    y.subspan(at, count));
  });
}

}  // namespace mom::ops
