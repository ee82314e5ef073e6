// Small joint vocabularies. A modality without ids is left out.
#pragma once

#include "mom/modality/special_tokens.h"
#include "mom/modality/vocabulary.h"

namespace mom::test {

// Text, and images as latents.
inline modality::Vocabulary with_latents(int64_t text, std::vector<int64_t> shape = {2, 4, 4}) {
  using namespace modality::special;
  modality::Vocabulary vocabulary;
  vocabulary.add(modality::Modality::tokens("text"), text);
  vocabulary.add(modality::Modality::latents("image", {kBoi, kEoi}, std::move(shape)), 0);
  return vocabulary;
}

// Text, images of `codes_per_image` codes each, and speech.
inline modality::Vocabulary with_codes(int64_t text, int64_t image, int64_t codes_per_image,
                                       int64_t speech = 0) {
  using namespace modality::special;
  modality::Vocabulary vocabulary;
  vocabulary.add(modality::Modality::tokens("text"), text);
  vocabulary.add(modality::Modality::codes("image", {kBoi, kEoi}, codes_per_image), image);
  if (speech > 0) vocabulary.add(modality::Modality::codes("speech", {kBosSpeech, kEosSpeech}, 0), speech);
  return vocabulary;
}

}  // namespace mom::test
