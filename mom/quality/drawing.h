// Images that a model generates for captions.
#pragma once

#include <string>
#include <vector>

#include "mom/generate/engine.h"
#include "mom/generate/model_codecs.h"
#include "mom/quality/pairs.h"
#include "mom/quality/quality.h"

namespace mom::quality {

struct Wish {
  const Pair* pair;  // its caption, and the modality of its image
  uint64_t key;      // of the random numbers
};

// One image for each, in their order. Shows progress.
std::vector<generate::Segment> draw_images(const generate::Network& network,
                                           const generate::ModelCodecs& codecs,
                                           const std::vector<Wish>& wishes, const QualityOptions& options,
                                           const std::string& label);

}  // namespace mom::quality
