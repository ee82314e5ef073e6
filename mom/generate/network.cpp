#include "mom/generate/network.h"

#include <algorithm>

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
    reader_ = type == kernels::WeightType::kF32
                  ? decoder_
                  : std::make_shared<const MambaDecoder>(model_, kernels::WeightType::kF32, *panels_);
  } else if (type != kernels::WeightType::kF32) {
    throw UserError({"--weights", "float32: only networks of Mamba blocks on a CPU decode with fewer bits",
                     "'" + weights + "' for " + model_->spec().backbone + " on " + model_->device().str(),
                     ""});
  }
}

StepOutput Network::read(DecodeState& state, const std::vector<Feed>& feeds_S) {
  if (!reader_ ||
      std::any_of(feeds_S.begin(), feeds_S.end(), [](const Feed& feed) { return !feed.pictures.empty(); }))
    return step(*model_, state, feeds_S, *panels_);
  std::vector<std::vector<int32_t>> tokens_S;
  for (const Feed& feed : feeds_S) tokens_S.push_back(feed.tokens);
  return {reader_->read(tokens_S, state.model), {}};
}

at::Tensor Network::decode(DecodeState& state, const std::vector<int32_t>& tokens_S) {
  if (decoder_) return decoder_->step(tokens_S, state.model);
  std::vector<Feed> feeds_S;
  for (const int32_t token : tokens_S) feeds_S.push_back({{token}, {}});
  return step(*model_, state, feeds_S, *panels_).logits_SV;
}

}  // namespace mom::generate
