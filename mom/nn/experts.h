// Mixture of experts: E feed-forwards, of which a token passes through a few that a learned router picks. T tokens,
// E experts, k choices per token.
//
//   p = softmax(W_router x)
//   token_choice: each token goes to its k likeliest experts; gate = p (k = 1, Switch) or p / sum of the chosen (k = 2,
//     GShard). While training an expert takes at most ceil(capacity_factor * k * T / E) tokens, first choices first,
//     then in order of positions; a token that finds its expert full passes through the residual alone. Otherwise
//     there is no limit, so that a token's result never depends on others.
//     On a device that is not the host, blocks of experts are filled up to that limit with empty rows while training,
//     so that the host need not wait to learn how many tokens each has taken.
//     Balance loss E * sum_e f_e P_e: f_e the share of choices that fell on e, P_e the mean of p_e.
//   expert_choice: each expert takes the ceil(capacity_factor * T / E) tokens that want it most; gate = p. It looks at
//     the whole batch, later tokens too: not for generation.
//
// Parameters: router.weight [E, width]; gate_proj, up_proj, down_proj as feed_forward.h with the expert's number where a
// modality would stand. The router is f32.
// Sources: Switch (arXiv 2101.03961), GShard (arXiv 2006.16668), expert choice (arXiv 2202.09368), MoE-Mamba
// (arXiv 2401.04081).
#pragma once

#include "mom/nn/feed_forward.h"
#include "mom/nn/mixer.h"

namespace mom::nn {

// What a router decides: which tokens an expert takes and with which weight. Slots stand expert by expert. Tensors are where
// the choices are.
struct Dispatch {
  ops::RowMapPtr rows;              // of each slot; -1: it only fills up its block
  at::Tensor gate_index_N;          // i64, into the flat gates; that of an empty slot is one past the end
  std::vector<int64_t> offsets_E1;  // slots of expert e
  at::Tensor num_dropped;  // i64 []: choices (token choice) or tokens (expert choice) without a place
};

// choices_Tk i64: experts by row, likeliest first. order_T: row of each position, where the choices are. capacity 0: no limit.
// Blocks are filled up to a multiple of `multiple` slots: those that were taken, for which the host looks at the choices...
Dispatch dispatch_token_choice(const at::Tensor& choices_Tk, const at::Tensor& order_T, int64_t num_experts,
                               int64_t capacity, int64_t multiple);
// ... or all that an expert has, for which it need not know them.
Dispatch dispatch_to_capacity(const at::Tensor& choices_Tk, const at::Tensor& order_T, int64_t num_experts,
                              int64_t capacity, int64_t multiple);
// rows_EC i64: the rows each expert takes.
Dispatch dispatch_expert_choice(const at::Tensor& rows_EC, int64_t num_tokens);

struct ExpertsConfig : MixerConfigOf<ExpertsConfig, class ExpertsMixerImpl>, FeedForwardWidth {
  static constexpr const char* kKind = "experts";
  int64_t experts = 4, experts_per_token = 1;
  std::string router = "token_choice";
  double capacity_factor = 1;  // token choice: in training only; 0: no limit
  void describe(config::Table& table) override;
  void resolve(int64_t d_model) override { resolve_width(d_model); }
  std::string problem(int64_t d_model) const override;
  // The share of the experts' weights that a token uses.
  double share() const;
};

class ExpertsMixerImpl : public Mixer {
 public:
  ExpertsMixerImpl(const ExpertsConfig& config, const Trunk& trunk);
  at::Tensor forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) override;
  MixerCosts costs() const override;

 private:
  struct Choice {
    Dispatch dispatch;
    at::Tensor gates;       // flat, differentiable
    at::Tensor choices_ME;  // where something wants it
    at::Tensor balance;     // differentiable; undefined where there is none
  };
  Choice choose_tokens(const at::Tensor& probabilities_TE, const BlockContext& context) const;
  Choice choose_experts(const at::Tensor& probabilities_TE, const BlockContext& context) const;
  ExpertsConfig config_;
  int64_t d_model_;
  at::Tensor router_;
  FeedForwardLayers experts_;
};

}  // namespace mom::nn
