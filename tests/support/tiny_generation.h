// Small models with a joint vocabulary, for tests of generation.
#pragma once

#include <string>

#include "tests/support/tiny_model.h"

namespace mom::test {

inline constexpr int64_t kTinyTextIds = 40, kTinyImageCodes = 10, kTinySpeechCodes = 6,
                         kTinyCodesPerImage = 9;

// 40 text ids; then pictures as latents, or codes of pictures and speech.
inline models::ModelSpec generation_spec(const std::string& backbone, bool patches) {
  models::ModelSpec spec = tiny_backbone(backbone);
  spec.vocabulary.add("text", kTinyTextIds);
  spec.vocabulary.add("image", patches ? 0 : kTinyImageCodes);
  if (!patches) {
    spec.setting = "three_modality";
    spec.modalities.push_back("speech");
    spec.vocabulary.add("speech", kTinySpeechCodes);
    spec.latent_shape.clear();
  }
  spec.vocab_size = spec.vocabulary.size();
  return spec;
}

// With logits far enough apart that draws differ.
inline models::Model lively_model(const models::ModelSpec& spec, uint64_t seed) {
  models::Model model = initialised(spec, seed);
  torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters())
    if (item.key() == "lm_head.weight") item.value().mul_(30);
  return model;
}

}  // namespace mom::test
