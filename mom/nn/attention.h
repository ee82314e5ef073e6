// Llama's attention: queries, keys and values from one input, rotary positions, softmax over what the plan lets each
// position look at, no biases. With own weights per modality it is that of Mixture-of-Transformers: one global attention
// over all modalities. Keys and values may have fewer heads, each for a group of as many query heads in a row
// (grouped-query attention). Parameters q_proj, o_proj [E, E]; k_proj, v_proj [key-value heads x width of a head, E].
// Sources: Llama (arXiv 2302.13971), grouped queries (arXiv 2305.13245), Mixture-of-Transformers (arXiv 2411.04996).
#pragma once

#include "mom/nn/mixer.h"
#include "mom/nn/modality_linear.h"

namespace mom::nn {

struct AttentionConfig : MixerConfigOf<AttentionConfig, class AttentionMixerImpl> {
  static constexpr const char* kKind = "attention";
  int64_t heads = 0;            // 0: about d_model / 64
  int64_t key_value_heads = 0;  // 0: one per head
  double rope_theta = 10000;
  void describe(config::Table& table) override;
  void resolve(int64_t d_model) override;
  std::string problem(int64_t d_model) const override;
};

class AttentionMixerImpl : public Mixer {
 public:
  AttentionMixerImpl(const AttentionConfig& config, const Trunk& trunk);
  at::Tensor forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) override;
  MixerCosts costs() const override;
  MixerState initial_state(int64_t num_sequences) const override;

 private:
  AttentionConfig config_;
  int64_t d_model_, head_width_;
  ModalityLinear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, o_proj_{nullptr};
};

}  // namespace mom::nn
