// Llama's feed-forward: W_down (silu(W_gate x) * W_up x), no biases. Parameters gate_proj and up_proj [F, E],
// down_proj [E, F]; with own weights per modality as in Mixture-of-Transformers.
// Source: Shazeer 2020 (arXiv 2002.05202), Llama (arXiv 2302.13971).
#pragma once

#include "mom/nn/mixer.h"
#include "mom/nn/modality_linear.h"

namespace mom::nn {

// The three projections, one set or one per group of rows (a modality, an expert).
struct FeedForwardLayers {
  ModalityLinear gate{nullptr}, up{nullptr}, down{nullptr};
  // `groups` empty: one set. Registers the projections in `owner`.
  FeedForwardLayers(torch::nn::Module& owner, int64_t width, int64_t inner,
                    const std::vector<std::string>& gate_groups, const std::vector<std::string>& up_groups,
                    const std::vector<std::string>& down_groups);
  at::Tensor forward(const at::Tensor& x_TE, const Routing& groups);
};

class FeedForwardMixerImpl : public Mixer {
 public:
  explicit FeedForwardMixerImpl(const MixerOptions& options);
  at::Tensor forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) override;
  MixerCosts costs() const override;

 private:
  MixerOptions options_;
  FeedForwardLayers layers_;
};

}  // namespace mom::nn
