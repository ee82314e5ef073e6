#include "mom/ops/causal_conv1d_reference.h"

#include <ATen/ATen.h>

#include "mom/ops/arguments.h"

namespace mom::ops {

std::tuple<at::Tensor, at::Tensor> causal_conv1d_reference(const at::Tensor& x_TD,
                                                           const at::Tensor& weight_DK,
                                                           const std::optional<at::Tensor>& bias_D, bool silu,
                                                           const std::optional<at::Tensor>& offsets_S1,
                                                           const std::optional<at::Tensor>& initial_state_SDK,
                                                           const std::optional<at::Tensor>& order_T) {
  const auto type = x_TD.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const std::vector<int64_t> offsets = offsets_or_whole(offsets_S1, x_TD.size(0));
  const int64_t num_channels = x_TD.size(1), num_taps = weight_DK.size(1);
  const at::Tensor x = (order_T ? x_TD.index_select(0, *order_T) : x_TD).to(type),
                   weight = weight_DK.to(type);

  std::vector<at::Tensor> y{x.narrow(0, 0, 0)}, states;
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    const int64_t length = offsets[s + 1] - offsets[s];
    const at::Tensor before_KD = initial_state_SDK
                                     ? initial_state_SDK->select(0, static_cast<int64_t>(s)).t().to(type)
                                     : at::zeros({num_taps - 1, num_channels}, x.options());
    const at::Tensor window = at::cat({before_KD, x.narrow(0, offsets[s], length)});  // [K - 1 + length, D]
    at::Tensor sum = at::zeros({length, num_channels}, x.options());
    for (int64_t k = 0; k < num_taps; ++k) sum = sum + window.narrow(0, k, length) * weight.select(1, k);
    y.push_back(sum);
    states.push_back(window.narrow(0, length, num_taps - 1).t());
  }
  at::Tensor y_TD = at::cat(y);
  if (bias_D) y_TD = y_TD + bias_D->to(type);
  if (silu) y_TD = at::silu(y_TD);
  if (order_T) y_TD = at::zeros_like(y_TD).index_copy(0, *order_T, y_TD);
  const at::Tensor final_SDK =
      states.empty() ? at::zeros({0, num_channels, num_taps - 1}, x.options()) : at::stack(states);
  return {y_TD.to(x_TD.scalar_type()), final_SDK.to(x_TD.scalar_type())};
}

}  // namespace mom::ops
