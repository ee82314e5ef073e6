#include "mom/ops/rms_norm.h"

#include <torch/torch.h>

#include "mom/kernels/rms_norm.h"
#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/compare.h"
#include "mom/ops/kernel_views.h"
#include "mom/ops/parallel.h"
#include "mom/ops/rms_norm_reference.h"

namespace mom::ops {
namespace {

constexpr const char* kOp = "add_rms_norm";
const std::vector<std::string> kNames = {"x_TE", "residual_TE", "weight_E"};

kernels::NormInputs kernel_inputs(const at::Tensor& x, const at::Tensor& residual,
                                  const at::Tensor& weight_f32, double eps) {
  return {
      x.size(0), x.size(1), rows_of(x), rows_of(residual), floats_of(weight_f32), static_cast<float>(eps)};
}

TensorFunction reference_of(double eps) {
  return [eps](const std::vector<at::Tensor>& t) {
    auto [normed, sum] = add_rms_norm_reference(t[0], if_defined(t[1]), t[2], eps);
    return std::vector<at::Tensor>{normed, sum};
  };
}

// normed, sum and scale [T], the last for backward.
torch::autograd::variable_list run_forward(const at::Tensor& x, const at::Tensor& residual,
                                           const at::Tensor& weight, double eps, bool check) {
  const at::Tensor x_rows = with_dense_rows(x), residual_rows = with_dense_rows(residual), w = as_f32(weight);
  const auto f32 = x.options().dtype(at::kFloat);
  at::Tensor normed = at::empty(x.sizes(), x.options()), sum = at::empty(x.sizes(), f32);
  at::Tensor scale = at::empty({x.size(0)}, f32);
  kernels::add_rms_norm_forward(kernel_inputs(x_rows, residual_rows, w, eps), mutable_rows_of(normed),
                                mutable_rows_of(sum), mutable_floats_of(scale), parallel_tiles);
  if (check)
    check_values(kOp, {"normed_TE", "residual"}, {normed, sum}, reference_of(eps), {x, residual, weight});
  return {normed, sum, scale};
}

struct NormFunction : torch::autograd::Function<NormFunction> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                                                const std::optional<at::Tensor>& residual,
                                                const at::Tensor& weight, double eps, bool check) {
    auto results = run_forward(x, or_undefined(residual), weight, eps, check);
    // The sum is an output and holds both inputs: neither needs to be kept, except to check.
    ctx->save_for_backward({results[1], results[2], weight, check ? x : at::Tensor(),
                            check ? or_undefined(residual) : at::Tensor()});
    ctx->saved_data["eps"] = eps;
    ctx->saved_data["check"] = check;
    ctx->saved_data["x_type"] = static_cast<int64_t>(x.scalar_type());
    ctx->saved_data["with_residual"] = residual.has_value();
    ctx->set_materialize_grads(false);
    return {results[0], results[1]};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list output_grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kOp,
                "] the kernels have no second derivative: use backend reference");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &sum = saved[0], &scale = saved[1], weight = as_f32(saved[2]);
    const double eps = ctx->saved_data["eps"].toDouble();
    const at::Tensor dnormed =
        output_grads[0].defined() ? with_dense_rows(output_grads[0]) : at::zeros_like(sum);
    const at::Tensor dsum = with_dense_rows(output_grads[1]);
    at::Tensor dx = at::empty(sum.sizes(), sum.options()),
               dweight = at::empty(weight.sizes(), weight.options());
    kernels::add_rms_norm_backward(kernel_inputs(sum, {}, weight, eps),
                                   {rows_of(dnormed), rows_of(dsum), rows_of(sum), floats_of(scale),
                                    mutable_rows_of(dx), mutable_floats_of(dweight)},
                                   parallel_tiles);
    const bool with_residual = ctx->saved_data["with_residual"].toBool();
    const at::Tensor dresidual = with_residual ? dx : at::Tensor();
    if (ctx->saved_data["check"].toBool()) {
      check_gradients(kOp, kNames, {dx, dresidual, dweight}, reference_of(eps),
                      {saved[3], saved[4], saved[2]}, {output_grads[0], output_grads[1]});
    }
    const auto x_type = static_cast<at::ScalarType>(ctx->saved_data["x_type"].toInt());
    return {dx.to(x_type), dresidual, dweight, {}, {}};
  }
};

}  // namespace

std::tuple<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x_TE,
                                                const std::optional<at::Tensor>& residual_TE,
                                                const at::Tensor& weight_E, double eps) {
  check_float(kOp, "x_TE", x_TE, {-1, -1});
  check_float(kOp, "residual_TE", residual_TE, x_TE.sizes());
  check_float(kOp, "weight_E", weight_E, {x_TE.size(1)});
  check_same_device(kOp, "residual_TE", residual_TE, x_TE);
  check_same_device(kOp, "weight_E", weight_E, x_TE);
  const std::vector<at::Tensor> floats{x_TE, or_undefined(residual_TE), weight_E};
  const Backend backend = choose_backend(kOp, why_not_cpu(floats));
  if (backend == Backend::kReference) return add_rms_norm_reference(x_TE, residual_TE, weight_E, eps);
  const bool check = backend == Backend::kCheck;
  auto results = any_requires_grad(floats) ? NormFunction::apply(x_TE, residual_TE, weight_E, eps, check)
                                           : run_forward(x_TE, floats[1], weight_E, eps, check);
  return {results[0], results[1]};
}

}  // namespace mom::ops
