// Columns of a matrix as views, whose gradients come together in one pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace mom::nn {

// x [T, sum of widths] -> views [T, width]. As narrow() for each, but backward writes the gradient of x once:
// narrow's fills and adds a whole matrix for each view.
std::vector<at::Tensor> split_columns(const at::Tensor& x, const std::vector<int64_t>& widths);

}  // namespace mom::nn
