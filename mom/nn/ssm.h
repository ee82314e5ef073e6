// The linear time-invariant ancestor of Mamba in Mamba's own block: the same projections, convolution and gate, but a
// diagonal state-space model whose matrices do not depend on the input (S4D) in place of the selective scan. E model
// width, D inner width, N state slots per channel, as N / 2 conjugate pairs.
//
//   x, z = W_in norm(h);   x = silu(conv1d(x))
//   y = diagonal_ssm(x; dt, a, c, D) * silu(z);   h = h + W_out y
// Parameters: log_dt [D], A_log and A_imag [D, N / 2] (a = -exp(A_log) + i A_imag), C [D, N / 2, 2], D [D].
// Sources: S4D (arXiv 2206.11893); the block: Gu & Dao 2023 (arXiv 2312.00752), table 6.
#pragma once

#include "mom/nn/causal_conv.h"
#include "mom/nn/mixer.h"
#include "mom/nn/modality_linear.h"

namespace mom::nn {

struct SsmConfig : MixerConfigOf<SsmConfig, class SsmMixerImpl>, RecurrentConfig {
  static constexpr const char* kKind = "ssm";
  std::string discretisation = "zoh", init = "s4d_lin";
  void describe(config::Table& table) override;
  void resolve(int64_t d_model) override { resolve_width(d_model); }
  std::string problem(int64_t d_model) const override;
  std::string problem_without_latents() const override { return scan_problem_without_latents(); }
};

class SsmMixerImpl : public Mixer {
 public:
  SsmMixerImpl(const SsmConfig& config, const Trunk& trunk);
  // Whole sequences by FFT; with a state, step by step.
  at::Tensor forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) override;
  MixerCosts costs() const override;
  MixerState initial_state(int64_t num_sequences) const override;

 private:
  SsmConfig config_;
  int64_t d_model_;
  ScanOrder order_;  // of an item's patches
  ModalityLinear in_proj_{nullptr}, out_proj_{nullptr};
  CausalConv conv_{nullptr};
  at::Tensor log_dt_, A_log_, A_imag_, C_, D_;
};

}  // namespace mom::nn
