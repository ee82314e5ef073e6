#include "mom/ops/causal_conv1d.h"

#include <torch/torch.h>

#include "mom/ops/causal_conv1d_reference.h"

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> causal_conv1d(const at::Tensor& x_TD, const at::Tensor& weight_DK,
                                                 const std::optional<at::Tensor>& bias_D, bool silu,
                                                 const std::optional<at::Tensor>& offsets_S1,
                                                 const std::optional<at::Tensor>& initial_state_SDK,
                                                 const std::optional<at::Tensor>& order_T) {
  return causal_conv1d_reference(x_TD, weight_DK, bias_D, silu, offsets_S1, initial_state_SDK, order_T);
}

}  // namespace mom::ops
