#include "mom/ops/head_loss_reference.h"

#include <ATen/ATen.h>

namespace mom::ops {

CrossEntropy linear_cross_entropy_reference(const at::Tensor& hidden_TE, const at::Tensor& weight_VE,
                                            const at::Tensor& rows_R, const at::Tensor& targets_R,
                                            const CrossEntropyOptions& options) {
  const at::Tensor logits =
      at::matmul(hidden_TE.index_select(0, rows_R), weight_VE.to(hidden_TE.scalar_type()).t());
  const at::Tensor wide = logits.to(logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  const at::Tensor nats_R = -at::log_softmax(wide, 1).gather(1, targets_R.unsqueeze(1)).squeeze(1);
  at::Tensor sum = nats_R.sum();
  if (options.z_weight != 0) sum = sum + options.z_weight * wide.logsumexp(1).square().sum();
  return {options.scale * sum, nats_R.detach()};
}

at::Tensor linear_squared_error_reference(const at::Tensor& hidden_TE, const at::Tensor& weight_PE,
                                          const std::optional<at::Tensor>& bias_P, const at::Tensor& rows_R,
                                          const at::Tensor& target_RP, double scale) {
  const auto type = hidden_TE.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor out =
      at::matmul(hidden_TE.index_select(0, rows_R), weight_PE.to(hidden_TE.scalar_type()).t()).to(type);
  if (bias_P) out = out + bias_P->to(type);
  return scale * (out - target_RP.to(type)).square().sum();
}

}  // namespace mom::ops
