#include "mom/ops/rms_norm.h"

#include <torch/torch.h>

#include "mom/ops/rms_norm_reference.h"

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x_TE,
                                                const std::optional<at::Tensor>& residual_TE,
                                                const at::Tensor& weight_E, double eps) {
  return add_rms_norm_reference(x_TE, residual_TE, weight_E, eps);
}

}  // namespace mom::ops
