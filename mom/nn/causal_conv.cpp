#include "mom/nn/causal_conv.h"

#include "mom/nn/parameter.h"
#include "mom/ops/arguments.h"
#include "mom/ops/causal_conv1d.h"

namespace mom::nn {
CausalConvImpl::CausalConvImpl(int64_t channels, int64_t taps, bool with_bias) {
  weight_ = register_parameter("weight", empty_parameter({channels, 1, taps}));
  if (with_bias) bias_ = register_parameter("bias", empty_parameter({channels}));
}

at::Tensor CausalConvImpl::forward(const at::Tensor& x_TD, const Routing& routing, MixerState* state) {
  auto [y_TD, last_inputs] =
      ops::causal_conv1d(x_TD, weight_.squeeze(1), ops::if_defined(bias_), /*silu=*/true, routing.offsets_S1,
                         state ? ops::if_defined(state->conv_SDK) : std::nullopt, routing.order_T);
  if (state) state->conv_SDK = last_inputs;
  return y_TD;
}

}  // namespace mom::nn
