// Images generated for held-out captions, against real ones.
#pragma once

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/generate/engine.h"
#include "mom/generate/model_codecs.h"
#include "mom/quality/pairs.h"
#include "mom/quality/quality.h"

namespace mom::quality {

// {"generated", "sampling", "frechet", "retrieval", "nearest", "seams", "items"} (docs/quality.md). Files of the items
// go into `folder`. `held_out` and `train` are pairs with images, both not empty.
OrderedJson judge_images(const generate::Network& network, const generate::ModelCodecs& codecs,
                         const std::vector<Pair>& held_out, const std::vector<Pair>& train,
                         const QualityOptions& options, const Path& folder);

}  // namespace mom::quality
