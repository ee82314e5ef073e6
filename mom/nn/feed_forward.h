// Llama's feed-forward: W_down (silu(W_gate x) * W_up x), no biases. Parameters gate_proj and up_proj [F, E],
// down_proj [E, F]; with own weights per modality as in Mixture-of-Transformers.
// Source: Shazeer 2020 (arXiv 2002.05202), Llama (arXiv 2302.13971).
#pragma once

#include "mom/nn/mixer.h"
#include "mom/nn/modality_linear.h"

namespace mom::nn {

// What a feed-forward and experts share: the inner width, of one expert.
struct FeedForwardWidth {
  int64_t feed_forward = 0;  // 0: 8/3 of the width, rounded up
  void describe_width(config::Table& table);
  void resolve_width(int64_t d_model);
};

struct FeedForwardConfig : MixerConfigOf<FeedForwardConfig, class FeedForwardMixerImpl>, FeedForwardWidth {
  static constexpr const char* kKind = "feed_forward";
  void describe(config::Table& table) override { describe_width(table); }
  void resolve(int64_t d_model) override { resolve_width(d_model); }
  bool can_be_cut() const override { return true; }
};

// The three projections, one set or one per group of rows (a modality, an expert).
struct FeedForwardLayers {
  ModalityLinear gate{nullptr}, up{nullptr}, down{nullptr};
  // Registers them in `owner` as gate_proj, up_proj and down_proj.
  FeedForwardLayers(torch::nn::Module& owner, const ModalityLinearOptions& gate_options,
                    const ModalityLinearOptions& up_options, const ModalityLinearOptions& down_options);
  at::Tensor forward(const at::Tensor& x_TE, const Routing& groups);
};

class FeedForwardMixerImpl : public Mixer {
 public:
  FeedForwardMixerImpl(const FeedForwardConfig& config, const Trunk& trunk);
  at::Tensor forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) override;
  MixerCosts costs() const override;

 private:
  FeedForwardConfig config_;
  int64_t d_model_;
  FeedForwardLayers layers_;
};

}  // namespace mom::nn
