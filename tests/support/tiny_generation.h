// Small models with a joint vocabulary, for tests of generation.
#pragma once

#include <string>

#include "mom/generate/step.h"
#include "tests/support/tiny_model.h"

namespace mom::test {

inline constexpr int64_t kTinyTextIds = 40, kTinyImageCodes = 10, kTinySpeechCodes = 6,
                         kTinyCodesPerImage = 9;

// 40 text ids; then pictures as latents, or codes of pictures and speech.
inline models::ModelSpec generation_spec(const Variant& variant, bool patches) {
  models::ModelSpec spec = tiny_backbone(variant);
  spec.vocabulary = patches ? with_latents(kTinyTextIds)
                            : with_codes(kTinyTextIds, kTinyImageCodes, kTinyCodesPerImage, kTinySpeechCodes);
  spec.modalities = spec.vocabulary.names();
  spec.vocab_size = spec.vocabulary.size();
  return spec;
}

inline models::ModelSpec generation_spec(const std::string& backbone, bool patches) {
  return generation_spec(Variant{backbone}, patches);
}

// With logits far enough apart that draws differ.
inline models::Model lively_model(const models::ModelSpec& spec, uint64_t seed) {
  models::Model model = initialised(spec, seed);
  torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters())
    if (item.key() == "lm_head.weight") item.value().mul_(30);
  return model;
}

// A step of a model whose weights are packed for it alone.
inline generate::StepOutput step(models::ModelImpl& model, generate::DecodeState& state,
                                 const std::vector<generate::Feed>& feeds_S) {
  return generate::step(model, state, feeds_S, ops::PackedWeights(model.parameters()));
}

}  // namespace mom::test
