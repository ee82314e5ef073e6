#include "mom/ops/rotary.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <cmath>

#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/compare.h"
#include "mom/ops/device_copies.h"
#include "mom/ops/device_kernels.h"
#include "mom/ops/kernel_views.h"

namespace mom::ops {
namespace {

constexpr const char* kRotary = "rotary";
using torch::autograd::variable_list;

kernels::RotaryPlan plan_of(const at::Tensor& order, const at::Tensor& table, int64_t heads) {
  return {order.size(0), heads, table.size(1), order.const_data_ptr<int64_t>(), floats_of(table)};
}

at::Tensor run_forward(const at::Tensor& x, const at::Tensor& order, const at::Tensor& table, int64_t heads) {
  const at::Tensor rows = with_dense_rows(x), y = at::empty(x.sizes(), x.options());
  kernels_of(x).rotate(plan_of(order, table, heads), rows_of(rows), mutable_rows_of(y));
  return y.view({x.size(0), heads, -1});
}

struct RotaryFunction : torch::autograd::Function<RotaryFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& order, const at::Tensor& table, int64_t heads) {
    ctx->save_for_backward({order, table});
    ctx->saved_data["heads"] = heads;
    return run_forward(x, order, table, heads);
  }
  static variable_list backward(torch::autograd::AutogradContext* ctx, const variable_list& grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kRotary,
                "] has no second derivative: use backend reference");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous().view({grads[0].size(0), -1});
    const at::Tensor dx = at::empty(dy.sizes(), dy.options());
    kernels_of(dy).rotate_back(plan_of(saved[0], saved[1], ctx->saved_data["heads"].toInt()), rows_of(dy),
                               mutable_rows_of(dx));
    return {dx, {}, {}, {}};
  }
};

}  // namespace

at::Tensor rotary_table(const at::Tensor& positions_T, int64_t width, double theta) {
  const at::Tensor exponent = torch::arange(0, width, 2, torch::kFloat64) / static_cast<double>(width);
  const at::Tensor angle = positions_T.to(torch::kFloat64).unsqueeze(1) * torch::pow(theta, -exponent);
  return torch::cat({angle.cos(), angle.sin()}, 1).to(torch::kFloat32);
}

at::Tensor rotary_reference(const at::Tensor& x_TE, const at::Tensor& order_T, const at::Tensor& table_TW,
                            int64_t heads) {
  const auto type = x_TE.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto cos_sin = table_TW.to(type).unsqueeze(1).chunk(2, -1);
  const auto x = x_TE.index_select(0, order_T).to(type).view({x_TE.size(0), heads, -1}).chunk(2, -1);
  return torch::cat({x[0] * cos_sin[0] - x[1] * cos_sin[1], x[1] * cos_sin[0] + x[0] * cos_sin[1]}, -1)
      .to(x_TE.scalar_type());
}

at::Tensor rotary(const at::Tensor& x_TE, const at::Tensor& order_T, const at::Tensor& table_TW,
                  int64_t heads) {
  check_float(kRotary, "x_TE", x_TE, {-1, -1});
  TORCH_CHECK(heads > 0 && x_TE.size(1) % (2 * heads) == 0, "[", kRotary,
              "] x_TE: expected a multiple of 2 x ", heads, " columns, got ", describe(x_TE));
  check_float(kRotary, "table_TW", table_TW, {x_TE.size(0), x_TE.size(1) / heads});
  check_order(kRotary, order_T, x_TE.size(0));
  const Backend backend = choose_backend(kRotary, {x_TE});
  if (backend == Backend::kReference) return rotary_reference(x_TE, order_T, table_TW, heads);
  const at::Tensor order = order_on(order_T, x_TE.device()),
                   table = as_f32(on_device(table_TW, x_TE.device()));
  const at::Tensor y = any_requires_grad({x_TE}) ? RotaryFunction::apply(x_TE, order, table, heads)
                                                 : run_forward(x_TE, order, table, heads);
  if (backend == Backend::kCheck)
    check_values(kRotary, {"y_THW"}, {y},
                 [&](const auto& t) { return std::vector{rotary_reference(t[0], order, table, heads)}; },
                 {x_TE});
  return y;
}

}  // namespace mom::ops
