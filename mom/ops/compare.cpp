#include "mom/ops/compare.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "mom/ops/backend.h"

namespace mom::ops {
namespace {

std::vector<at::Tensor> in_f64(const std::vector<at::Tensor>& tensors, bool with_gradient) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& tensor : tensors) {
    at::Tensor copy = tensor.defined() ? tensor.detach().to(at::kDouble) : tensor;
    if (copy.defined()) copy.set_requires_grad(with_gradient);
    copies.push_back(copy);
  }
  return copies;
}

}  // namespace

void check_values(std::string_view op, const std::vector<std::string>& names,
                  const std::vector<at::Tensor>& got, const TensorFunction& reference,
                  const std::vector<at::Tensor>& inputs) {
  at::NoGradGuard no_grad;
  const auto expected = reference(in_f64(inputs, false));
  for (size_t i = 0; i < got.size(); ++i) check_close(op, names[i], got[i], expected[i]);
}

void check_gradients(std::string_view op, const std::vector<std::string>& names,
                     const std::vector<at::Tensor>& got, const TensorFunction& reference,
                     const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& output_gradients) {
  at::AutoGradMode with_grad(true);
  const auto leaves = in_f64(inputs, true);
  const auto outputs = reference(leaves);
  at::Tensor total = at::zeros({}, outputs[0].options());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (output_gradients[i].defined())
      total = total + (outputs[i] * output_gradients[i].to(at::kDouble)).sum();
  }
  torch::autograd::variable_list wanted;
  std::vector<size_t> index;
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (leaves[i].defined() && got[i].defined()) {
      wanted.push_back(leaves[i]);
      index.push_back(i);
    }
  }
  const auto expected = torch::autograd::grad({total}, wanted, {}, false, false, /*allow_unused=*/true);
  for (size_t k = 0; k < index.size(); ++k) {
    const size_t i = index[k];
    check_close(op, "gradient of " + names[i], got[i],
                expected[k].defined() ? expected[k] : at::zeros_like(leaves[i]));
  }
}

}  // namespace mom::ops
