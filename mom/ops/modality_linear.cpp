#include "mom/ops/modality_linear.h"

#include <torch/torch.h>

#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/modality_linear_reference.h"

namespace mom::ops {
namespace {

constexpr const char* kOp = "modality_linear";
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
    at::Tensor y_group = group(y, offsets, m);
    if (biases.empty()) {
      at::mm_out(y_group, group(x, offsets, m), weights[m].t());
    } else {
      at::addmm_out(y_group, biases[m], group(x, offsets, m), weights[m].t());
    }
  }
  return y;
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  // tensors = x, M weights, then M biases or none.
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, at::TensorList tensors, int64_t num_groups,
                            const std::vector<int64_t>& offsets) {
    ctx->save_for_backward(variable_list(tensors.begin(), tensors.begin() + 1 + num_groups));
    ctx->saved_data["offsets"] = offsets;
    ctx->saved_data["with_bias"] = static_cast<int64_t>(tensors.size()) > 1 + num_groups;
    return run_forward(tensors[0], tensors.slice(1, num_groups), tensors.slice(1 + num_groups), offsets);
  }

  static variable_list backward(torch::autograd::AutogradContext* ctx, variable_list output_grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kOp, "] has no second derivative: use backend reference");
    const auto saved = ctx->get_saved_variables();
    const auto offsets = ctx->saved_data["offsets"].toIntVector();
    const at::Tensor &x = saved[0], &dy = output_grads[0];
    const size_t num_groups = saved.size() - 1;
    const bool with_bias = ctx->saved_data["with_bias"].toBool();
    variable_list grads(1 + num_groups * (with_bias ? 2 : 1));
    if (ctx->needs_input_grad(0)) grads[0] = at::empty(x.sizes(), x.options());
    for (size_t m = 0; m < num_groups; ++m) {
      const at::Tensor dy_group = group(dy, offsets, m), &weight = saved[1 + m];
      if (grads[0].defined() && dy_group.size(0) > 0) {
        at::Tensor dx_group = group(grads[0], offsets, m);
        at::mm_out(dx_group, dy_group, weight);
      }
      // No rows: a product over an empty dimension, which is zeros.
      if (ctx->needs_input_grad(1 + m)) grads[1 + m] = at::mm(dy_group.t(), group(x, offsets, m));
      if (with_bias && ctx->needs_input_grad(1 + num_groups + m)) grads[1 + num_groups + m] = dy_group.sum(0);
    }
    grads.resize(grads.size() + 2);  // num_groups, offsets
    return grads;
  }
};

void check_arguments(const at::Tensor& x, at::TensorList weights, at::TensorList biases,
                     const at::Tensor& offsets) {
  check_float(kOp, "x_TI", x, {-1, -1});
  const auto num_groups = static_cast<int64_t>(weights.size());
  TORCH_CHECK(num_groups > 0, "[", kOp, "] weights_OI: expected at least one, got none");
  TORCH_CHECK(check_offsets(kOp, "group_offsets_M1", offsets, x.size(0)) == num_groups, "[", kOp,
              "] group_offsets_M1: expected [", num_groups + 1, "], one more than weights, got ",
              describe(offsets));
  TORCH_CHECK(biases.empty() || biases.size() == weights.size(), "[", kOp, "] biases_O: expected none or ",
              num_groups, ", got ", biases.size());
  auto same_type = [&](const std::string& name, const at::Tensor& tensor) {
    TORCH_CHECK(tensor.scalar_type() == x.scalar_type(), "[", kOp, "] ", name, ": expected ", x.scalar_type(),
                " as x_TI, got ", describe(tensor));
    check_same_device(kOp, name, tensor, x);
  };
  for (size_t m = 0; m < weights.size(); ++m) {
    const std::string name = "weights_OI[" + std::to_string(m) + "]";
    check_float(kOp, name, weights[m], {m == 0 ? -1 : weights[0].size(0), x.size(1)});
    same_type(name, weights[m]);
  }
  for (size_t m = 0; m < biases.size(); ++m) {
    const std::string name = "biases_O[" + std::to_string(m) + "]";
    check_float(kOp, name, biases[m], {weights[0].size(0)});
    same_type(name, biases[m]);
  }
}

}  // namespace

at::Tensor modality_linear(const at::Tensor& x_TI, at::TensorList weights_OI, at::TensorList biases_O,
                           const at::Tensor& group_offsets_M1) {
  check_arguments(x_TI, weights_OI, biases_O, group_offsets_M1);
  // GEMMs run wherever torch does, so every device and dtype has the fast version; only a forced reference
  // avoids it.
  if (current_backend() == Backend::kReference) {
    return modality_linear_reference(x_TI, weights_OI, biases_O, group_offsets_M1);
  }
  const std::vector<int64_t> offsets = offsets_or_whole(group_offsets_M1, x_TI.size(0));
  std::vector<at::Tensor> tensors{x_TI};
  tensors.insert(tensors.end(), weights_OI.begin(), weights_OI.end());
  tensors.insert(tensors.end(), biases_O.begin(), biases_O.end());
  if (!any_requires_grad(tensors)) return run_forward(x_TI, weights_OI, biases_O, offsets);
  return LinearFunction::apply(at::TensorList(tensors), static_cast<int64_t>(weights_OI.size()), offsets);
}

}  // namespace mom::ops
