// The Mamba-1 mixer, dense or Mixture-of-Mamba: its four projections may each have their own weights per modality, while
// convolution, state transition and recurrent state are shared. T packed tokens, S sequences, E model width, D inner
// width (expand * E), N state slots, R dt rank, K conv taps.
//
// For a token of modality m, W^m its own weight where the projection is decoupled:
//   x, z = W_in^m norm(h);   x = silu(conv1d(x));   dt, b, c = W_x^m x;   dt = W_dt^m dt + bias_dt^m
//   y = selective_scan(x, dt, -exp(A_log), b, c, D, gate z);   h = h + W_out^m y
// Source: Gu & Dao 2023 (arXiv 2312.00752) and the Mixture-of-Mamba paper (arXiv 2501.16295).
#pragma once

#include "mom/nn/causal_conv.h"
#include "mom/nn/mixer.h"
#include "mom/nn/modality_linear.h"

namespace mom::nn {

class MambaMixerImpl : public Mixer {
 public:
  explicit MambaMixerImpl(const MixerOptions& options);
  at::Tensor forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) override;
  MixerCosts costs() const override;
  MixerState initial_state(int64_t num_sequences) const override;

 private:
  ModalityLinear projection(const std::string& name, int64_t in, int64_t out, bool bias);
  MixerOptions options_;
  ModalityLinear in_proj_{nullptr}, x_proj_{nullptr}, dt_proj_{nullptr}, out_proj_{nullptr};
  at::Tensor A_log_, D_;  // named on disk as the published checkpoints name them
  CausalConv conv_{nullptr};
};

}  // namespace mom::nn
