#include "mom/nn/feed_forward.h"

#include "mom/base/rounding.h"
#include "mom/config/schema.h"
#include "mom/ops/swiglu.h"

namespace mom::nn {

void FeedForwardWidth::describe_width(config::Table& table) {
  table
      .field("feed_forward", feed_forward,
             "inner width of a feed-forward or expert; 0: 8/3 d_model rounded up (moe_mamba: 2 d_model)")
      .range(0, config::kMaxWidth)
      .stored_as("feed_forward_size")
      .required_in_files();
}

// Llama's rule for three matrices: 8/3 of the width, rounded up to 256 (32 for narrow models).
void FeedForwardWidth::resolve_width(int64_t d_model) {
  if (feed_forward != 0) return;
  const int64_t multiple = d_model >= 256 ? 256 : 32, width = 8 * d_model / 3;
  feed_forward = round_up(width, multiple);
}

FeedForwardLayers::FeedForwardLayers(torch::nn::Module& owner, const ModalityLinearOptions& gate_options,
                                     const ModalityLinearOptions& up_options,
                                     const ModalityLinearOptions& down_options) {
  gate = owner.register_module("gate_proj", ModalityLinear(gate_options));
  up = owner.register_module("up_proj", ModalityLinear(up_options));
  down = owner.register_module("down_proj", ModalityLinear(down_options));
}

at::Tensor FeedForwardLayers::forward(const at::Tensor& x_TE, const Routing& groups) {
  return down->forward(ops::swiglu(gate->forward(x_TE, groups), up->forward(x_TE, groups)), groups);
}

FeedForwardMixerImpl::FeedForwardMixerImpl(const FeedForwardConfig& config, const Trunk& trunk)
    : config_(config),
      d_model_(trunk.d_model),
      layers_(*this, projection_options(trunk, "gate_proj", d_model_, config.feed_forward),
              projection_options(trunk, "up_proj", d_model_, config.feed_forward),
              residual_options(trunk, "down_proj", config.feed_forward, d_model_)) {}

at::Tensor FeedForwardMixerImpl::forward(const at::Tensor& x_TE, const BlockContext& context, MixerState*) {
  return layers_.forward(x_TE, context.routing);
}

MixerCosts FeedForwardMixerImpl::costs() const {
  const double e = static_cast<double>(d_model_), f = static_cast<double>(config_.feed_forward);
  MixerCosts costs;
  costs.gemm = 2 * 3 * e * f;
  costs.kept = 3 * f;
  costs.passing = 3 * f + e;
  return costs;
}

}  // namespace mom::nn
