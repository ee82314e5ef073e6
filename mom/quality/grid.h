// The same captions and seeds for every model on the same data, to be compared by eye.
#pragma once

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/quality/buckets.h"
#include "mom/quality/drawing.h"

namespace mom::quality {

inline constexpr int64_t kGridCaptions = 16, kGridSeeds = 4;

struct GridRow {
  std::string bucket;
  const Pair* pair;
};
// At most kGridCaptions different captions, as evenly from the buckets as can be and evenly spread inside them: a
// function of the buckets alone.
std::vector<GridRow> grid_rows(const std::vector<Bucket>& buckets);

// A row for each caption, a column for each of the seeds 1 to kGridSeeds, white lines between; published as `file`.
// {"file": its name, "seeds", "side": pixels of an image, "gap": of a line, "guidance", of latents "sampler" and "steps",
// "rows": [{"caption", "bucket"}]}
OrderedJson draw_grid(const generate::Network& network, const generate::ModelCodecs& codecs,
                      const std::vector<Bucket>& buckets, const QualityOptions& options, const Path& file);

}  // namespace mom::quality
