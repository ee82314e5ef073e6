#include "mom/nn/recompute.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace mom::nn {
namespace {

using torch::autograd::variable_list;

struct HeldFunction : torch::CustomClassHolder {
  explicit HeldFunction(TensorFunction held) : f(std::move(held)) {}
  TensorFunction f;
};

struct RecomputeFunction : torch::autograd::Function<RecomputeFunction> {
  static variable_list forward(torch::autograd::AutogradContext* ctx, at::TensorList tensors,
                               const c10::intrusive_ptr<HeldFunction>& held) {
    const variable_list inputs = tensors.vec();
    ctx->save_for_backward(inputs);
    ctx->saved_data["f"] = c10::IValue::make_capsule(held);
    ctx->set_materialize_grads(false);
    return held->f(inputs);
  }

  static variable_list backward(torch::autograd::AutogradContext* ctx, const variable_list& output_grads) {
    variable_list inputs = ctx->get_saved_variables();
    for (at::Tensor& input : inputs) input = input.detach().set_requires_grad(input.requires_grad());
    const auto held = c10::static_intrusive_pointer_cast<HeldFunction>(ctx->saved_data["f"].toCapsule());
    variable_list outputs, grads;
    {
      at::AutoGradMode with_grad(true);
      const variable_list again = held->f(inputs);
      for (size_t i = 0; i < again.size(); ++i) {
        if (!output_grads[i].defined() || !again[i].requires_grad()) continue;
        outputs.push_back(again[i]);
        grads.push_back(output_grads[i]);
      }
    }
    torch::autograd::backward(outputs, grads);
    variable_list input_grads;
    for (const at::Tensor& input : inputs) input_grads.push_back(input.grad());
    input_grads.emplace_back();  // the function
    return input_grads;
  }
};

}  // namespace

variable_list recompute(const TensorFunction& f, const variable_list& inputs) {
  return RecomputeFunction::apply(at::TensorList(inputs), c10::make_intrusive<HeldFunction>(f));
}

}  // namespace mom::nn
