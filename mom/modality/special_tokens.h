// Ids of the tokenizers' control symbols, which never come out of text.
#pragma once

#include <cstdint>

#include "mom/modality/modality.h"

namespace mom::modality::special {

// Speech's are reserved in every tokenizer, so that it fits data of all three modalities.
inline constexpr int32_t kPad = 0, kUnknown = 1, kBos = 2, kEos = 3, kBoi = 4, kEoi = 5, kBosSpeech = 6,
                         kEosSpeech = 7;
inline constexpr int32_t kCount = 8;
inline constexpr Brackets kImageBrackets{kBoi, kEoi}, kSpeechBrackets{kBosSpeech, kEosSpeech};

}  // namespace mom::modality::special
