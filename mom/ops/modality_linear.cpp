#include "mom/ops/modality_linear.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/gemm.h"
#include "mom/ops/modality_linear_reference.h"

namespace mom::ops {
namespace {

constexpr const char* kModalityLinear = "modality_linear";
using torch::autograd::variable_list;

// rows of group m; `offsets` has M + 1 entries.
at::Tensor group(const at::Tensor& rows, const std::vector<int64_t>& offsets, size_t m) {
  return rows.narrow(0, offsets[m], offsets[m + 1] - offsets[m]);
}

at::Tensor run_forward(const at::Tensor& x, at::TensorList weights, at::TensorList biases,
                       const std::vector<int64_t>& offsets) {
  at::Tensor y = at::empty({x.size(0), weights[0].size(0)}, x.options());
  for (size_t m = 0; m < weights.size(); ++m) {
    if (offsets[m] == offsets[m + 1]) continue;
    multiply(group(x, offsets, m), weights[m].t(), group(y, offsets, m), false,
             biases.empty() ? at::Tensor() : biases[m]);
  }
  return y;
}

// The weights as the products read them: f32 masters of bf16 inputs are rounded once, and kept for backward.
std::vector<at::Tensor> as_factors(at::TensorList weights, const at::Tensor& x) {
  std::vector<at::Tensor> factors;
  for (const at::Tensor& weight : weights) factors.push_back(weight.detach().to(x.scalar_type()));
  return factors;
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  // tensors = x, M weights, then M biases or none.
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, at::TensorList tensors, int64_t num_groups,
                            const std::vector<int64_t>& offsets, bool add_to_leaves) {
    const at::TensorList weights = tensors.slice(1, num_groups);
    const std::vector<at::Tensor> factors = as_factors(weights, tensors[0]);
    variable_list kept{tensors[0]};
    kept.insert(kept.end(), weights.begin(), weights.end());
    kept.insert(kept.end(), factors.begin(), factors.end());
    ctx->save_for_backward(kept);
    ctx->saved_data["offsets"] = offsets;
    ctx->saved_data["with_bias"] = static_cast<int64_t>(tensors.size()) > 1 + num_groups;
    ctx->saved_data["add_to_leaves"] = add_to_leaves;
    return run_forward(tensors[0], factors, tensors.slice(1 + num_groups), offsets);
  }

  static variable_list backward(torch::autograd::AutogradContext* ctx, variable_list output_grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kModalityLinear,
                "] has no second derivative: use backend reference");
    const auto saved = ctx->get_saved_variables();
    const auto offsets = ctx->saved_data["offsets"].toIntVector();
    const at::Tensor &x = saved[0], &dy = output_grads[0];
    const size_t num_groups = (saved.size() - 1) / 2;
    const bool with_bias = ctx->saved_data["with_bias"].toBool();
    const bool add_to_leaves = ctx->saved_data["add_to_leaves"].toBool();
    variable_list grads(1 + num_groups * (with_bias ? 2 : 1));
    if (ctx->needs_input_grad(0)) grads[0] = at::empty(x.sizes(), x.options());
    for (size_t m = 0; m < num_groups; ++m) {
      const at::Tensor dy_group = group(dy, offsets, m), &weight = saved[1 + m];
      if (grads[0].defined() && dy_group.size(0) > 0)
        multiply(dy_group, saved[1 + num_groups + m], group(grads[0], offsets, m));
      if (ctx->needs_input_grad(1 + m))
        grads[1 + m] = weight_gradient(weight, dy_group, group(x, offsets, m), add_to_leaves);
      if (with_bias && ctx->needs_input_grad(1 + num_groups + m))
        grads[1 + num_groups + m] = bias_gradient(dy_group);
    }
    grads.resize(grads.size() + 3);  // num_groups, offsets, add_to_leaves
    return grads;
  }

  static at::Tensor bias_gradient(const at::Tensor& dy) {
    return dy.sum(0, /*keepdim=*/false, dy.scalar_type() == at::kBFloat16 ? at::kFloat : dy.scalar_type());
  }

  // No rows: zeros. Undefined where it was added to the weight's own gradient.
  static at::Tensor weight_gradient(const at::Tensor& weight, const at::Tensor& dy, const at::Tensor& x,
                                    bool add_to_leaves) {
    const at::Tensor own = add_to_leaves && weight.is_leaf() ? weight.grad() : at::Tensor();
    if (own.defined()) {
      if (dy.size(0) > 0) multiply(dy.t(), x, own, /*accumulate=*/true);
      return {};
    }
    if (dy.size(0) == 0) return at::zeros_like(weight);
    at::Tensor grad = at::empty(weight.sizes(), weight.options());
    multiply(dy.t(), x, grad);
    return grad;
  }
};

void check_arguments(const at::Tensor& x, at::TensorList weights, at::TensorList biases,
                     const at::Tensor& offsets) {
  check_float(kModalityLinear, "x_TI", x, {-1, -1});
  const auto num_groups = static_cast<int64_t>(weights.size());
  TORCH_CHECK(num_groups > 0, "[", kModalityLinear, "] weights_OI: expected at least one, got none");
  TORCH_CHECK(check_offsets(kModalityLinear, "group_offsets_M1", offsets, x.size(0)) == num_groups, "[",
              kModalityLinear, "] group_offsets_M1: expected [", num_groups + 1,
              "], one more than weights, got ", describe(offsets));
  TORCH_CHECK(biases.empty() || biases.size() == weights.size(), "[", kModalityLinear,
              "] biases_O: expected none or ", num_groups, ", got ", biases.size());
  auto same_type = [&](const std::string& name, const at::Tensor& tensor) {
    const bool master = x.scalar_type() == at::kBFloat16 && tensor.scalar_type() == at::kFloat;
    TORCH_CHECK(master || tensor.scalar_type() == x.scalar_type(), "[", kModalityLinear, "] ", name,
                ": expected ", x.scalar_type(), " as x_TI (or float32 where that is bfloat16), got ",
                describe(tensor));
    check_same_device(kModalityLinear, name, tensor, x);
  };
  for (size_t m = 0; m < weights.size(); ++m) {
    const std::string name = "weights_OI[" + std::to_string(m) + "]";
    check_float(kModalityLinear, name, weights[m], {m == 0 ? -1 : weights[0].size(0), x.size(1)});
    same_type(name, weights[m]);
  }
  for (size_t m = 0; m < biases.size(); ++m) {
    const std::string name = "biases_O[" + std::to_string(m) + "]";
    check_float(kModalityLinear, name, biases[m], {weights[0].size(0)});
    same_type(name, biases[m]);
  }
}

at::Tensor run(const at::Tensor& x, at::TensorList weights, at::TensorList biases,
               const at::Tensor& group_offsets, bool add_to_leaves) {
  check_arguments(x, weights, biases, group_offsets);
  // GEMMs run wherever torch does, so every device and dtype has the fast version; only a forced reference avoids it.
  if (current_backend() == Backend::kReference)
    return modality_linear_reference(x, weights, biases, group_offsets);
  const std::vector<int64_t> offsets = offsets_or_whole(group_offsets, x.size(0));
  std::vector<at::Tensor> tensors{x};
  tensors.insert(tensors.end(), weights.begin(), weights.end());
  tensors.insert(tensors.end(), biases.begin(), biases.end());
  if (!any_requires_grad(tensors)) return run_forward(x, as_factors(weights, x), biases, offsets);
  return LinearFunction::apply(at::TensorList(tensors), static_cast<int64_t>(weights.size()), offsets,
                               add_to_leaves);
}

}  // namespace

at::Tensor modality_linear(const at::Tensor& x_TI, at::TensorList weights_OI, at::TensorList biases_O,
                           const at::Tensor& group_offsets_M1) {
  return run(x_TI, weights_OI, biases_O, group_offsets_M1, /*add_to_leaves=*/false);
}

at::Tensor modality_linear_of_parameters(const at::Tensor& x_TI, at::TensorList weights_OI,
                                         at::TensorList biases_O, const at::Tensor& group_offsets_M1) {
  return run(x_TI, weights_OI, biases_O, group_offsets_M1, /*add_to_leaves=*/true);
}

}  // namespace mom::ops
