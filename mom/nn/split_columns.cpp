#include "mom/nn/split_columns.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace mom::nn {
namespace {

using torch::autograd::variable_list;

struct SplitFunction : torch::autograd::Function<SplitFunction> {
  static variable_list forward(torch::autograd::AutogradContext*, const at::Tensor& x,
                               const std::vector<int64_t>& widths) {
    return x.split_with_sizes(widths, 1);
  }
  static variable_list backward(torch::autograd::AutogradContext*, const variable_list& grads) {
    return {at::cat(grads, 1), {}};
  }
};

}  // namespace

std::vector<at::Tensor> split_columns(const at::Tensor& x, const std::vector<int64_t>& widths) {
  return SplitFunction::apply(x, widths);
}

}  // namespace mom::nn
