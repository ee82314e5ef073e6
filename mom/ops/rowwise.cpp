#include "mom/ops/rowwise.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "mom/kernels/matvec.h"
#include "mom/ops/parallel.h"

namespace mom::ops {
namespace {

thread_local Rowwise rowwise_products = Rowwise::kOff;

// kRows: rows of the weight and of the left factor in a tile: the former stay in the nearest cache, the latter in the next.
constexpr int64_t kWeightRows = 64, kLeftRows = 64;
// kBlocks: a block's rows, and its columns at most.
constexpr int64_t kBlockRows = 64, kBlockColumns = 1024;

void multiply_blocks(const at::Tensor& left_MK, const at::Tensor& right_KN, const at::Tensor& to_MN,
                     const at::Tensor& bias_N, const Product& product) {
  const at::Tensor left = left_MK.contiguous();
  const int64_t num_rows = left.size(0), width = left.size(1), num_columns = right_KN.size(1),
                across = (num_columns + kBlockColumns - 1) / kBlockColumns,
                down = (num_rows + kBlockRows - 1) / kBlockRows, left_over = num_rows % kBlockRows;
  // The last rows, filled up: a product of the same shape and strides as the others.
  at::Tensor last_left, last_to;
  if (left_over > 0) {
    last_left = at::zeros({kBlockRows, width}, left.options());
    last_left.narrow(0, 0, left_over).copy_(left.narrow(0, num_rows - left_over, left_over));
    last_to = at::empty({kBlockRows, num_columns}, left.options());
  }
  at::Tensor to = to_MN.is_contiguous() ? to_MN : at::empty(to_MN.sizes(), left.options());
  std::optional<ScopedThreads> alone;  // one share would have all threads
  if (across * down == 1) alone.emplace(1);
  parallel_shares(across * down, [&](int64_t block) {
    const at::NoGradGuard no_grad;  // of each thread
    const int64_t row = block / across * kBlockRows, column = block % across * kBlockColumns,
                  columns = std::min(num_columns - column, kBlockColumns);
    const bool is_last = row + kBlockRows > num_rows;
    product(is_last ? last_left : left.narrow(0, row, kBlockRows), right_KN.narrow(1, column, columns),
            (is_last ? last_to : to.narrow(0, row, kBlockRows)).narrow(1, column, columns),
            bias_N.defined() ? bias_N.narrow(0, column, columns) : bias_N);
  });
  if (left_over > 0) to.narrow(0, num_rows - left_over, left_over).copy_(last_to.narrow(0, 0, left_over));
  if (!to.is_same(to_MN)) to_MN.copy_(to);
}

void multiply_rows(const at::Tensor& left_MK, const at::Tensor& right_KN, const at::Tensor& to_MN,
                   const at::Tensor& bias_N) {
  const at::Tensor weight_NK = right_KN.t().contiguous();
  const at::Tensor left = left_MK.stride(1) == 1 ? left_MK : left_MK.contiguous(),
                   bias = bias_N.defined() ? bias_N.contiguous() : at::Tensor();
  at::Tensor to = to_MN.stride(1) == 1 ? to_MN : at::empty_like(to_MN, at::MemoryFormat::Contiguous);
  const int64_t num_rows = left.size(0), num_outputs = weight_NK.size(0);
  const kernels::WeightMatrix matrix{.data = weight_NK.const_data_ptr(),
                                     .bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                                     .num_rows = num_outputs,
                                     .num_columns = weight_NK.size(1),
                                     .stride = weight_NK.size(1)};
  const int64_t across = (num_outputs + kWeightRows - 1) / kWeightRows,
                down = (num_rows + kLeftRows - 1) / kLeftRows;
  const float* from = left.const_data_ptr<float>();
  float* result = to.mutable_data_ptr<float>();
  parallel_tiles(across * down, [&](int64_t tile) {
    const int64_t first = tile / across * kLeftRows, last = std::min(num_rows, first + kLeftRows);
    std::vector<const float*> x;
    std::vector<float*> y;
    for (int64_t row = first; row < last; ++row) {
      x.push_back(from + row * left.stride(0));
      y.push_back(result + row * to.stride(0));
    }
    const int64_t begin = tile % across * kWeightRows;
    kernels::matvec(matrix, begin, std::min(num_outputs, begin + kWeightRows), x, y);
  });
  if (!to.is_same(to_MN)) to_MN.copy_(to);
}

}  // namespace

ScopedRowwise::ScopedRowwise(Rowwise way) : previous_(std::exchange(rowwise_products, way)) {}
ScopedRowwise::~ScopedRowwise() { rowwise_products = previous_; }
Rowwise rowwise() { return rowwise_products; }

at::Tensor each_item(const at::Tensor& x, int64_t num_items,
                     const std::function<at::Tensor(const at::Tensor&)>& function) {
  if (rowwise() == Rowwise::kOff || num_items == 0) return function(x);
  std::vector<at::Tensor> results;
  for (const at::Tensor& item : x.chunk(num_items)) results.push_back(function(item.contiguous()));
  return at::cat(results);
}

void multiply_rowwise(const at::Tensor& left_MK, const at::Tensor& right_KN, const at::Tensor& to_MN,
                      const at::Tensor& bias_N, const Product& product) {
  if (rowwise() == Rowwise::kRows) return multiply_rows(left_MK, right_KN, to_MN, bias_N);
  multiply_blocks(left_MK, right_KN, to_MN, bias_N, product);
}

}  // namespace mom::ops
