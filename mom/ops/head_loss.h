// Output heads with their losses: a linear layer whose outputs and their gradient are never whole in memory. Rows are
// taken in pieces; a piece's gradients are computed with its loss, while its outputs are still in the cache. T rows,
// R rows with a loss, E width, V vocabulary, P outputs (O stands for either).
//
//   hidden_TE   [T, E]  f32 or bf16            rows_R     i64 [R], rising rows of hidden_TE
//   weight_OE   [O, E]  f32 (or as hidden)     targets_R  i64 [R], below V
//   bias_O      [O]     f32, optional          target_RO  f32 [R, O]
// rows_R, targets_R and target_RO may be in host memory, where the numbers of targets_R are checked, or where hidden is.
//
//   linear_cross_entropy  = scale * sum over r of (nats[r] + z_weight * log_sum[r]^2)
//     nats[r]    = -log softmax(logits[r])[target[r]]
//     log_sum[r] = log sum exp(logits[r])
//     logits[r]  = hidden[rows[r]] weight^T
//   linear_squared_error  = scale * sum over r, o of (hidden[rows[r]] weight^T + bias - target)[r, o]^2
//
// The second term is the z-loss (PaLM, arXiv 2204.02311, section 5): it keeps logits from drifting. Returns a scalar
// (f32; f64 for f64), and nats[r] beside it, so that one pass serves the losses of several modalities.
//
// Units: nats; squares of the target's unit.
// Precision: softmax, losses and sums in f32. With bf16 hidden rows the logits and their products are bf16; the squared
// error is f32 throughout.
// Gradients: hidden, weight, bias.   Errors: "[linear_cross_entropy] ...". Plain versions: head_loss_reference.h
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace mom::ops {

struct CrossEntropyOptions {
  double scale = 1;
  double z_weight = 0;
  // Training: backward adds the weight's gradient to its own .grad, where torch::autograd::grad would not see
  // it. A table tied to the embedding then needs no second one (ops/embedding.h).
  bool into_leaf = false;
};
struct CrossEntropy {
  at::Tensor loss;    // the scalar that is differentiated
  at::Tensor nats_R;  // f32 (f64 for f64), no gradient
};
CrossEntropy linear_cross_entropy(const at::Tensor& hidden_TE, const at::Tensor& weight_VE,
                                  const at::Tensor& rows_R, const at::Tensor& targets_R,
                                  const CrossEntropyOptions& options);
at::Tensor linear_squared_error(const at::Tensor& hidden_TE, const at::Tensor& weight_PE,
                                const std::optional<at::Tensor>& bias_P, const at::Tensor& rows_R,
                                const at::Tensor& target_RP, double scale);

}  // namespace mom::ops
