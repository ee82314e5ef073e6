#include "mom/generate/network.h"

#include "mom/base/error.h"
#include "mom/models/quantize.h"

namespace mom::generate {

Network::Network(models::Model model, const std::string& weights)
    : model_(std::move(model)),
      panels_(std::make_shared<const ops::PackedWeights>(
          model_->device().is_cpu() ? model_->parameters() : std::vector<at::Tensor>())),
      cuts_exactly_(!model_->spec().has_mixer("attention")) {
  const kernels::WeightType type = models::weight_type_of(weights);
  if (MambaDecoder::supports(*model_)) {
    decoder_ = std::make_shared<const MambaDecoder>(model_, type, *panels_);
  } else if (type != kernels::WeightType::kF32) {
    throw UserError({"--weights", "float32: only networks of Mamba blocks on a CPU decode with fewer bits",
                     "'" + weights + "' for " + model_->spec().backbone + " on " + model_->device().str(),
                     ""});
  }
}

StepOutput Network::read(DecodeState& state, const std::vector<Feed>& feeds_S) {
  return step(*model_, state, feeds_S, *panels_);
}

at::Tensor Network::decode(DecodeState& state, const std::vector<int32_t>& tokens_S) {
  if (decoder_) return decoder_->step(tokens_S, state.model);
  std::vector<Feed> feeds_S;
  for (const int32_t token : tokens_S) feeds_S.push_back({{token}, {}});
  return step(*model_, state, feeds_S, *panels_).logits_SV;
}

}  // namespace mom::generate
