#include "mom/ops/selective_scan.h"

#include <torch/torch.h>

#include "mom/ops/arguments.h"
#include "mom/ops/selective_scan_reference.h"

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> selective_scan(
    const at::Tensor& u_TD, const at::Tensor& dt_TD, const at::Tensor& a_DN, const at::Tensor& b_TN,
    const at::Tensor& c_TN, const std::optional<at::Tensor>& skip_D, const std::optional<at::Tensor>& gate_TD,
    const std::optional<at::Tensor>& dt_bias_D, bool dt_softplus, const std::optional<at::Tensor>& offsets_S1,
    const std::optional<at::Tensor>& initial_state_SDN, const std::optional<at::Tensor>& order_T) {
  return selective_scan_reference(u_TD, dt_TD, a_DN, b_TN, c_TN, skip_D, gate_TD, dt_bias_D, dt_softplus,
                                  offsets_S1, initial_state_SDN, order_T);
}

}  // namespace mom::ops
