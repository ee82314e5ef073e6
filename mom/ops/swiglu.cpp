#include "mom/ops/swiglu.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/compare.h"
#include "mom/ops/device_kernels.h"
#include "mom/ops/kernel_views.h"

namespace mom::ops {
namespace {

constexpr const char* kSwiglu = "swiglu";
using torch::autograd::variable_list;

kernels::SwigluInputs inputs_of(const at::Tensor& gate, const at::Tensor& up) {
  return {gate.size(0), gate.size(1), rows_of(gate), rows_of(up)};
}

at::Tensor run_forward(const at::Tensor& gate, const at::Tensor& up) {
  const at::Tensor y = at::empty(gate.sizes(), gate.options());
  kernels_of(gate).swiglu_forward(inputs_of(gate, up), mutable_rows_of(y));
  return y;
}

struct SwigluFunction : torch::autograd::Function<SwigluFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& gate,
                            const at::Tensor& up) {
    ctx->save_for_backward({gate, up});
    return run_forward(gate, up);
  }
  static variable_list backward(torch::autograd::AutogradContext* ctx, const variable_list& grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kSwiglu,
                "] has no second derivative: use backend reference");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = with_dense_rows(grads[0]);
    const at::Tensor dgate = at::empty(saved[0].sizes(), saved[0].options()),
                     dup = at::empty(saved[1].sizes(), saved[1].options());
    kernels_of(dy).swiglu_backward(inputs_of(saved[0], saved[1]), rows_of(dy), mutable_rows_of(dgate),
                                   mutable_rows_of(dup));
    return {dgate, dup};
  }
};

}  // namespace

at::Tensor swiglu_reference(const at::Tensor& gate_TF, const at::Tensor& up_TF) {
  const auto type = gate_TF.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return (torch::silu(gate_TF.to(type)) * up_TF.to(type)).to(gate_TF.scalar_type());
}

at::Tensor swiglu(const at::Tensor& gate_TF, const at::Tensor& up_TF) {
  check_float(kSwiglu, "gate_TF", gate_TF, {-1, -1});
  check_float(kSwiglu, "up_TF", up_TF, gate_TF.sizes());
  const Backend backend = choose_backend(kSwiglu, {gate_TF, up_TF});
  if (backend == Backend::kReference) return swiglu_reference(gate_TF, up_TF);
  const at::Tensor gate = with_dense_rows(gate_TF), up = with_dense_rows(up_TF);
  const at::Tensor y =
      any_requires_grad({gate, up}) ? SwigluFunction::apply(gate, up) : run_forward(gate, up);
  if (backend == Backend::kCheck)
    check_values(kSwiglu, {"y_TF"}, {y},
                 [](const auto& t) { return std::vector{swiglu_reference(t[0], t[1])}; }, {gate, up});
  return y;
}

}  // namespace mom::ops
