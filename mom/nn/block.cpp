#include "mom/nn/block.h"

#include "mom/nn/attention.h"
#include "mom/nn/experts.h"
#include "mom/nn/feed_forward.h"
#include "mom/nn/mamba.h"
#include "mom/nn/ssm.h"

namespace mom::nn {
namespace {

template <class MixerImpl>
std::shared_ptr<Mixer> make(const MixerOptions& options) {
  return std::make_shared<MixerImpl>(options);
}

struct MixerKind {
  const char* name;
  std::shared_ptr<Mixer> (*make)(const MixerOptions&);
};
// All mixers there are: a new one is a file and a line here, and backbones.cpp says which backbone has it.
constexpr MixerKind kMixers[] = {
    {"mamba", make<MambaMixerImpl>},         {"ssm", make<SsmMixerImpl>},
    {"attention", make<AttentionMixerImpl>}, {"feed_forward", make<FeedForwardMixerImpl>},
    {"experts", make<ExpertsMixerImpl>},
};

std::shared_ptr<Mixer> make_mixer(const std::string& name, const MixerOptions& options) {
  for (const MixerKind& kind : kMixers)
    if (name == kind.name) return kind.make(options);
  TORCH_INTERNAL_ASSERT(false, "no mixer is called ", name);
}

}  // namespace

BlockImpl::BlockImpl(const std::string& name, const MixerOptions& options) {
  norm = register_module(
      "norm", RmsNorm(options.d_model, options.norm_epsilon,
                      options.decoupled.count("norm") ? options.modalities : std::vector<std::string>()));
  mixer = register_module("mixer", make_mixer(name, options));
}

std::tuple<at::Tensor, at::Tensor> BlockImpl::forward(const at::Tensor& branch_TE,
                                                      const at::Tensor& residual_TE,
                                                      const BlockContext& context, MixerState* state) {
  auto [normed, residual] = norm->forward(branch_TE, residual_TE, context.routing);
  return {mixer->forward(normed, context, state), residual};
}

std::vector<std::string> mixer_names() {
  std::vector<std::string> names;
  for (const MixerKind& kind : kMixers) names.emplace_back(kind.name);
  return names;
}

}  // namespace mom::nn
