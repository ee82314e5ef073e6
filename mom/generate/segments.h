// A document as people see it: texts, pictures and speech in their order.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mom/generate/step.h"

namespace mom::generate {

struct Segment {
  std::string modality;
  bool given = false;           // all of it stood in the prompt
  std::vector<int32_t> tokens;  // of the joint vocabulary, without the specials around
  std::optional<Picture> picture;
};

// Specials come to nothing, and so do segments without content.
std::vector<Segment> split(const Feed& prompt, const Feed& answer, const modality::Vocabulary& vocabulary);

}  // namespace mom::generate
