// The depthwise causal convolution before the recurrence, with SiLU: parameters conv1d.weight [D, 1, K] and
// conv1d.bias [D], shared by all modalities.
#pragma once

#include <torch/torch.h>

#include "mom/nn/mixer.h"

namespace mom::nn {

class CausalConvImpl : public torch::nn::Module {
 public:
  CausalConvImpl(int64_t channels, int64_t taps, bool with_bias);
  // x_TD -> [T, D] along positions; `state`: conv_SDK is read and replaced.
  at::Tensor forward(const at::Tensor& x_TD, const Routing& routing, MixerState* state);

 private:
  at::Tensor weight_, bias_;
};
TORCH_MODULE(CausalConv);

}  // namespace mom::nn
