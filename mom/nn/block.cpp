#include "mom/nn/block.h"

#include "mom/nn/attention.h"
#include "mom/nn/experts.h"
#include "mom/nn/feed_forward.h"
#include "mom/nn/mamba.h"
#include "mom/nn/ssm.h"

namespace mom::nn {
namespace {

// All mixers there are: a new one is a file and a line here, and backbones.cpp says which backbone has it.
std::vector<MixerKind>& kinds() {
  static std::vector<MixerKind> table = {
      mixer_kind<MambaConfig>(),       mixer_kind<SsmConfig>(),     mixer_kind<AttentionConfig>(),
      mixer_kind<FeedForwardConfig>(), mixer_kind<ExpertsConfig>(),
  };
  return table;
}

}  // namespace

const std::vector<MixerKind>& mixer_kinds() { return kinds(); }
void register_mixer(const MixerKind& kind) { kinds().push_back(kind); }

MixerConfigs::MixerConfigs() {
  for (const MixerKind& kind : mixer_kinds()) configs_.push_back(kind.make_config());
}
MixerConfigs::MixerConfigs(const MixerConfigs& other) {
  for (const auto& config : other.configs_) configs_.push_back(config->clone());
}
MixerConfigs& MixerConfigs::operator=(const MixerConfigs& other) {
  configs_ = MixerConfigs(other).configs_;
  return *this;
}

MixerConfig& MixerConfigs::at(std::string_view kind) const {
  for (size_t i = 0; i < configs_.size(); ++i)
    if (mixer_kinds()[i].name == kind) return *configs_[i];
  TORCH_INTERNAL_ASSERT(false, "no mixer is called ", kind);
}

BlockImpl::BlockImpl(const MixerConfig& mixer_config, const Trunk& trunk) {
  norm = register_module("norm", RmsNorm(trunk.d_model, trunk.norm_epsilon, trunk.owners_of("norm")));
  if (trunk.adaptive_norm) condition = register_module("condition", ItemCondition(trunk.d_model));
  mixer = register_module("mixer", mixer_config.make(trunk));
}

std::tuple<at::Tensor, at::Tensor> BlockImpl::forward(const at::Tensor& branch_TE,
                                                      const at::Tensor& residual_TE,
                                                      const at::Tensor& time_IE, const BlockContext& context,
                                                      MixerState* state) {
  auto [normed, residual] = norm->forward(branch_TE, residual_TE, context.routing);
  if (condition) {
    const at::Tensor last_SE = state ? state->normed_SE : at::Tensor();
    if (state) state->normed_SE = last_rows(normed, context.routing);
    normed = condition->forward(normed, time_IE, context, last_SE);
  }
  return {mixer->forward(normed, context, state), residual};
}

MixerCosts BlockImpl::costs() const {
  MixerCosts costs = mixer->costs();
  if (condition) {
    costs.gemm_per_item = condition->flops_per_item();
    costs.state_bytes += condition->state_bytes();
  }
  return costs;
}

}  // namespace mom::nn
