#include "mom/generate/network.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/models/quantize.h"

namespace mom::generate {
namespace {

// Beyond these, a product of matrices is faster than reading the weights once for all.
constexpr size_t kMostDecoded = 16;

bool single_tokens(const std::vector<Feed>& feeds_S) {
  return std::all_of(feeds_S.begin(), feeds_S.end(), [](const Feed& feed) {
    return feed.tokens.size() == 1 && feed.tokens.front() != kPicture;
  });
}

}  // namespace

Network::Network(models::Model model, const std::string& weights) : model_(std::move(model)) {
  const kernels::WeightType type = models::weight_type_of(weights);
  if (MambaDecoder::supports(*model_)) {
    decoder_ = std::make_shared<const MambaDecoder>(model_, type);
  } else if (type != kernels::WeightType::kF32) {
    throw UserError({"--weights", "float32: only networks of Mamba blocks decode with fewer bits",
                     "'" + weights + "' for " + model_->spec().backbone, ""});
  }
}

StepOutput Network::step(DecodeState& state, const std::vector<Feed>& feeds_S) {
  if (!decoder_ || feeds_S.size() > kMostDecoded || !single_tokens(feeds_S))
    return generate::step(*model_, state, feeds_S);
  std::vector<int32_t> tokens_S;
  for (const Feed& feed : feeds_S) tokens_S.push_back(feed.tokens.front());
  return {decoder_->step(tokens_S, state.model), {}};
}

}  // namespace mom::generate
