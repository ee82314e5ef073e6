#include "mom/ops/rms_norm.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/compare.h"
#include "mom/ops/device_kernels.h"
#include "mom/ops/kernel_views.h"
#include "mom/ops/rms_norm_reference.h"

namespace mom::ops {
namespace {

constexpr const char* kRmsNorm = "add_rms_norm";
using torch::autograd::variable_list;

// Arguments besides the tensors: rows of group m are [offsets[m], offsets[m + 1]).
struct Plan {
  std::vector<int64_t> offsets;
  bool with_residual, check;
  double eps;
};

at::Tensor group(const at::Tensor& rows, const Plan& plan, size_t m) {
  return rows.defined() ? rows.narrow(0, plan.offsets[m], plan.offsets[m + 1] - plan.offsets[m]) : rows;
}

kernels::NormInputs kernel_inputs(const at::Tensor& x, const at::Tensor& residual,
                                  const at::Tensor& weight_f32, double eps) {
  return {
      x.size(0), x.size(1), rows_of(x), rows_of(residual), floats_of(weight_f32), static_cast<float>(eps)};
}

// tensors = x, residual (undefined: none), M weights.
std::vector<at::Tensor> reference(const std::vector<at::Tensor>& tensors, const Plan& plan) {
  std::vector<at::Tensor> normed, sums;
  for (size_t m = 0; m + 1 < plan.offsets.size(); ++m) {
    auto [n, s] = add_rms_norm_reference(group(tensors[0], plan, m), if_defined(group(tensors[1], plan, m)),
                                         tensors[2 + m], plan.eps);
    normed.push_back(n), sums.push_back(s);
  }
  return {torch::cat(normed), torch::cat(sums)};
}

// normed, sum and scale [T], the last for backward.
variable_list run_forward(const std::vector<at::Tensor>& tensors, const Plan& plan) {
  const at::Tensor x = with_dense_rows(tensors[0]), residual = with_dense_rows(tensors[1]);
  const auto f32 = x.options().dtype(at::kFloat);
  at::Tensor normed = at::empty(x.sizes(), x.options()), sum = at::empty(x.sizes(), f32);
  at::Tensor scale = at::empty({x.size(0)}, f32);
  for (size_t m = 0; m + 1 < plan.offsets.size(); ++m) {
    const at::Tensor weight = as_f32(tensors[2 + m]);
    kernels_of(x).add_rms_norm_forward(
        kernel_inputs(group(x, plan, m), group(residual, plan, m), weight, plan.eps),
        mutable_rows_of(group(normed, plan, m)), mutable_rows_of(group(sum, plan, m)),
        mutable_floats_of(group(scale, plan, m)));
  }
  if (plan.check)
    check_values(
        kRmsNorm, {"normed_TE", "residual"}, {normed, sum}, [&](const auto& t) { return reference(t, plan); },
        tensors);
  return {normed, sum, scale};
}

struct NormFunction : torch::autograd::Function<NormFunction> {
  // tensors = x, residual where there is one, M weights.
  static variable_list forward(torch::autograd::AutogradContext* ctx, at::TensorList tensors,
                               const Plan& plan) {
    std::vector<at::Tensor> all = tensors.vec();
    if (!plan.with_residual) all.insert(all.begin() + 1, at::Tensor());
    auto results = run_forward(all, plan);
    // The sum is an output and holds both inputs: neither needs to be kept, except to check.
    variable_list kept{results[1], results[2], plan.check ? all[0] : at::Tensor(),
                       plan.check ? all[1] : at::Tensor()};
    kept.insert(kept.end(), all.begin() + 2, all.end());
    ctx->save_for_backward(kept);
    ctx->saved_data["offsets"] = plan.offsets;
    ctx->saved_data["eps"] = plan.eps;
    ctx->saved_data["check"] = plan.check;
    ctx->saved_data["x_type"] = static_cast<int64_t>(all[0].scalar_type());
    ctx->saved_data["with_residual"] = plan.with_residual;
    ctx->set_materialize_grads(false);
    return {results[0], results[1]};
  }

  static variable_list backward(torch::autograd::AutogradContext* ctx, const variable_list& output_grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kRmsNorm,
                "] the kernels have no second derivative: use backend reference");
    const auto saved = ctx->get_saved_variables();
    const Plan plan{ctx->saved_data["offsets"].toIntVector(), ctx->saved_data["with_residual"].toBool(),
                    ctx->saved_data["check"].toBool(), ctx->saved_data["eps"].toDouble()};
    const at::Tensor &sum = saved[0], &scale = saved[1];
    const at::Tensor dnormed =
        output_grads[0].defined() ? with_dense_rows(output_grads[0]) : at::zeros_like(sum);
    const at::Tensor dsum = with_dense_rows(output_grads[1]);
    at::Tensor dx = at::empty(sum.sizes(), sum.options());
    variable_list all{saved[2], saved[3]}, grads{dx, plan.with_residual ? dx : at::Tensor()};
    for (size_t m = 0; m + 1 < plan.offsets.size(); ++m) {
      all.push_back(saved[4 + m]);
      const at::Tensor weight = as_f32(saved[4 + m]), rows = group(sum, plan, m);
      grads.push_back(at::empty(weight.sizes(), weight.options()));
      kernels_of(rows).add_rms_norm_backward(
          kernel_inputs(rows, {}, weight, plan.eps),
          {rows_of(group(dnormed, plan, m)), rows_of(group(dsum, plan, m)), rows_of(rows),
           floats_of(group(scale, plan, m)), mutable_rows_of(group(dx, plan, m)),
           mutable_floats_of(grads.back())});
    }
    if (plan.check) {
      std::vector<std::string> names{"x_TE", "residual_TE"};
      names.resize(all.size(), "weight_E");
      check_gradients(kRmsNorm, names, grads, [&](const auto& t) { return reference(t, plan); }, all,
                      {output_grads[0], output_grads[1]});
    }
    grads[0] = dx.to(static_cast<at::ScalarType>(ctx->saved_data["x_type"].toInt()));
    if (!plan.with_residual) grads.erase(grads.begin() + 1);
    grads.emplace_back();  // plan
    return grads;
  }
};

std::tuple<at::Tensor, at::Tensor> run(const at::Tensor& x, const std::optional<at::Tensor>& residual,
                                       at::TensorList weights, std::vector<int64_t> offsets, double eps) {
  check_float(kRmsNorm, "x_TE", x, {-1, -1});
  check_float(kRmsNorm, "residual_TE", residual, x.sizes());
  check_same_device(kRmsNorm, "residual_TE", residual, x);
  std::vector<at::Tensor> floats{x, or_undefined(residual)};
  for (const at::Tensor& weight : weights) {
    check_float(kRmsNorm, "weight_E", weight, {x.size(1)});
    check_same_device(kRmsNorm, "weight_E", weight, x);
    floats.push_back(weight);
  }
  const Backend backend = choose_backend(kRmsNorm, floats);
  const Plan plan{std::move(offsets), residual.has_value(), backend == Backend::kCheck, eps};
  if (backend == Backend::kReference) {
    auto results = reference(floats, plan);
    return {results[0], results[1]};
  }
  const bool with_gradient = any_requires_grad(floats);
  std::vector<at::Tensor> given = floats;
  if (!residual) given.erase(given.begin() + 1);
  auto results = with_gradient ? NormFunction::apply(at::TensorList(given), plan) : run_forward(floats, plan);
  return {results[0], results[1]};
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x_TE,
                                                const std::optional<at::Tensor>& residual_TE,
                                                const at::Tensor& weight_E, double eps) {
  return run(x_TE, residual_TE, {weight_E}, {0, x_TE.size(0)}, eps);
}

std::tuple<at::Tensor, at::Tensor> add_modality_rms_norm(const at::Tensor& x_TE,
                                                         const std::optional<at::Tensor>& residual_TE,
                                                         at::TensorList weights_E,
                                                         const at::Tensor& group_offsets_M1, double eps) {
  TORCH_CHECK(check_offsets(kRmsNorm, "group_offsets_M1", group_offsets_M1, x_TE.size(0)) ==
                  static_cast<int64_t>(weights_E.size()),
              "[", kRmsNorm, "] group_offsets_M1: expected [", weights_E.size() + 1,
              "], one more than weights, got ", describe(group_offsets_M1));
  return run(x_TE, residual_TE, weights_E, offsets_or_whole(group_offsets_M1, x_TE.size(0)), eps);
}

}  // namespace mom::ops
