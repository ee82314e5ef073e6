#include "mom/ops/embedding.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "mom/ops/arguments.h"

namespace mom::ops {
namespace {

constexpr const char* kEmbedding = "embedding_of_parameter";

struct EmbeddingFunction : torch::autograd::Function<EmbeddingFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& weight,
                            const at::Tensor& ids) {
    ctx->save_for_backward({weight, ids});
    return weight.index_select(0, ids);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list output_grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kEmbedding, "] has no second derivative");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &weight = saved[0], &ids = saved[1];
    at::Tensor grad = weight.is_leaf() ? weight.grad() : at::Tensor();
    const bool own = grad.defined();
    if (!own) grad = at::zeros_like(weight, at::MemoryFormat::Contiguous);
    grad.index_add_(0, ids, output_grads[0].to(weight.scalar_type()));
    if (weight.is_leaf() && !own) weight.mutable_grad() = grad;
    return {weight.is_leaf() ? at::Tensor() : grad, at::Tensor()};
  }
};

}  // namespace

at::Tensor embedding_of_parameter(const at::Tensor& weight_VE, const at::Tensor& ids_T) {
  check_float(kEmbedding, "weight_VE", weight_VE, {-1, -1});
  TORCH_CHECK(ids_T.dim() == 1 && ids_T.scalar_type() == at::kLong, "[", kEmbedding,
              "] ids_T: expected i64 [T], got ", describe(ids_T));
  return EmbeddingFunction::apply(weight_VE, ids_T);
}

void add_to_leaf(const at::Tensor& leaf, const at::Tensor& grad) {
  at::NoGradGuard no_grad;
  if (leaf.grad().defined()) {
    leaf.grad().add_(grad);
  } else {
    leaf.mutable_grad() = grad;
  }
}

}  // namespace mom::ops
