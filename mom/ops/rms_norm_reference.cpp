#include "mom/ops/rms_norm_reference.h"

#include <ATen/ATen.h>

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> add_rms_norm_reference(const at::Tensor& x_TE,
                                                          const std::optional<at::Tensor>& residual_TE,
                                                          const at::Tensor& weight_E, double eps) {
  const auto type = x_TE.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor residual = x_TE.to(type);
  if (residual_TE) residual = residual + residual_TE->to(type);
  const at::Tensor scale = (residual.square().mean(-1, /*keepdim=*/true) + eps).rsqrt();
  return {(residual * scale * weight_E.to(type)).to(x_TE.scalar_type()), residual};
}

}  // namespace mom::ops
