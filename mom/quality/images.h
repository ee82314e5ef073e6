// Images generated for captions, against real ones.
#pragma once

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/quality/buckets.h"
#include "mom/quality/drawing.h"
#include "mom/quality/probe_store.h"

namespace mom::quality {

// {"generated", "sampling", "probe", "buckets": {NAME: {"generated", "retrieval", "kid", "copies", "seams", "items"}},
// "grid"} (docs/quality.md). Files go into `folder`. Of the bucket of trained captions those are judged whose images
// the probe was not trained on. `buckets`: kTrained among them, two pairs each at least.
OrderedJson judge_images(const generate::Network& network, const generate::ModelCodecs& codecs,
                         const std::vector<Bucket>& buckets, const TrainedProbe& probe,
                         const QualityOptions& options, const Path& folder);

}  // namespace mom::quality
