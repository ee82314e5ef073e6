#include "mom/nn/feed_forward.h"

#include "mom/ops/swiglu.h"

namespace mom::nn {
namespace {

std::vector<std::string> groups_of(const MixerOptions& options, const char* name) {
  return options.decoupled.count(name) ? options.modalities : std::vector<std::string>();
}

}  // namespace

FeedForwardLayers::FeedForwardLayers(torch::nn::Module& owner, int64_t width, int64_t inner,
                                     const std::vector<std::string>& gate_groups,
                                     const std::vector<std::string>& up_groups,
                                     const std::vector<std::string>& down_groups) {
  gate = owner.register_module("gate_proj",
                               ModalityLinear(ModalityLinearOptions{width, inner, false, gate_groups}));
  up =
      owner.register_module("up_proj", ModalityLinear(ModalityLinearOptions{width, inner, false, up_groups}));
  down = owner.register_module("down_proj",
                               ModalityLinear(ModalityLinearOptions{inner, width, false, down_groups}));
}

at::Tensor FeedForwardLayers::forward(const at::Tensor& x_TE, const Routing& groups) {
  return down->forward(ops::swiglu(gate->forward(x_TE, groups), up->forward(x_TE, groups)), groups);
}

FeedForwardMixerImpl::FeedForwardMixerImpl(const MixerOptions& options)
    : options_(options),
      layers_(*this, options.d_model, options.feed_forward, groups_of(options, "gate_proj"),
              groups_of(options, "up_proj"), groups_of(options, "down_proj")) {}

at::Tensor FeedForwardMixerImpl::forward(const at::Tensor& x_TE, const BlockContext& context, MixerState*) {
  return layers_.forward(x_TE, context.routing);
}

MixerCosts FeedForwardMixerImpl::costs() const {
  const double e = static_cast<double>(options_.d_model), f = static_cast<double>(options_.feed_forward);
  MixerCosts costs;
  costs.gemm = 2 * 3 * e * f;
  costs.kept = 3 * f;
  costs.passing = 3 * f + e;
  return costs;
}

}  // namespace mom::nn
