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

struct MambaConfig : MixerConfigOf<MambaConfig, class MambaMixerImpl>, RecurrentConfig {
  static constexpr const char* kKind = "mamba";
  int64_t dt_rank = 0;  // 0: ceil(d_model / 16)
  void describe(config::Table& table) override;
  void resolve(int64_t d_model) override;
  std::string problem_without_latents() const override { return scan_problem_without_latents(); }
  bool can_be_cut() const override { return true; }
};

class MambaMixerImpl : public Mixer {
 public:
  MambaMixerImpl(const MambaConfig& config, const Trunk& trunk);
  at::Tensor forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) override;
  MixerCosts costs() const override;
  MixerState initial_state(int64_t num_sequences) const override;
  bool has_decode_step() const override;
  std::unique_ptr<DecodeStep> decode_step(WeightPacker& weights) const override;  // both: mamba_decode.cpp

 private:
  MambaConfig config_;
  int64_t d_model_;
  ScanOrder order_;  // of an item's patches
  ModalityLinear in_proj_{nullptr}, x_proj_{nullptr}, dt_proj_{nullptr}, out_proj_{nullptr};
  at::Tensor A_log_, D_;  // named on disk as the published checkpoints name them
  CausalConv conv_{nullptr};
};

}  // namespace mom::nn
