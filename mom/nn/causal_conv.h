// What Mamba and ssm share around their recurrence: the numbers of a recurrent mixer, and the depthwise causal
// convolution before it, with SiLU: parameters conv1d.weight [D, 1, K] and conv1d.bias [D], shared by all modalities.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <string>

#include "mom/nn/mixer.h"
#include "mom/nn/scan_order.h"

namespace mom::nn {

struct RecurrentConfig {
  int64_t state_size = 16, conv_kernel = 4, expand = 2;
  int64_t d_inner = 0;  // 0: expand * d_model
  bool conv_bias = true, proj_bias = false;
  std::string image_scan = kRasterScan;  // scan_order.h
  void describe_recurrence(config::Table& table);
  void resolve_width(int64_t d_model);
  std::string scan_problem_without_latents() const;
};

class CausalConvImpl : public Module {
 public:
  CausalConvImpl(int64_t channels, int64_t taps, bool with_bias);
  // x_TD -> [T, D] along positions, in the order of `routing`; `state`: conv_SDK is read and replaced.
  at::Tensor forward(const at::Tensor& x_TD, const Routing& routing, const BlockContext& context,
                     MixerState* state);
  const at::Tensor& weight() const { return weight_; }  // [D, 1, K]
  const at::Tensor& bias() const { return bias_; }      // [D], or undefined

 private:
  at::Tensor weight_, bias_;
};
TORCH_MODULE(CausalConv);

}  // namespace mom::nn
