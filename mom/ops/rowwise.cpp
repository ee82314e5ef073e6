#include "mom/ops/rowwise.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "mom/kernels/matvec.h"
#include "mom/ops/arguments.h"
#include "mom/ops/parallel.h"

namespace mom::ops {
namespace {

thread_local const PackedWeights* rowwise_weights = nullptr;

// Of a tile, at most: rows of the weight and of the left factor.
constexpr int64_t kWeightRows = 256, kLeftRows = 64;

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
  const int64_t num_rows = left.size(0), num_outputs = right_KN.size(1);
  const kernels::WeightMatrix matrix{.data = panels.const_data_ptr(),
                                     .bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                                     .num_rows = num_outputs,
                                     .num_columns = right_KN.size(0)};
  const int64_t across = (num_outputs + kWeightRows - 1) / kWeightRows,
                down = (num_rows + kLeftRows - 1) / kLeftRows;
  const float* from = left.const_data_ptr<float>();
  float* result = to.mutable_data_ptr<float>();
  parallel_tiles(across * down, [&](int64_t tile) {
    const int64_t first = tile / across * kLeftRows, begin = tile % across * kWeightRows;
    const auto count = static_cast<size_t>(std::min(num_rows - first, kLeftRows));
    std::array<const float*, kLeftRows> x{};
    std::array<float*, kLeftRows> y{};
    for (size_t i = 0; i < count; ++i) {
      const int64_t row = first + static_cast<int64_t>(i);
      x[i] = from + row * left.stride(0);
      y[i] = result + row * to.stride(0);
    }
    kernels::matvec(matrix, begin, std::min(num_outputs, begin + kWeightRows), {x.data(), count},
                    {y.data(), count});
  });
  if (!to.is_same(to_MN)) to_MN.copy_(to);
}

}  // namespace mom::ops
