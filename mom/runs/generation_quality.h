// What `mom eval --generation` left in RUN/generation/quality.json (docs/quality.md), read as a file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::runs {

struct Accuracy {
  double share = 0, low = 0, high = 0;  // with its 95% interval
  int64_t of = 0;
};

struct GeneratedItem {
  std::string caption, nearest_caption;
  Path generated, original, nearest;  // PNG, inside RUN/generation
};

struct GeneratedImages {
  int64_t count = 0;
  double frechet = 0, frechet_of_training_images = 0;
  int64_t among = 0;  // captions
  Accuracy retrieved, retrieved_from_real;
  double nearest_ratio = 0;
  std::optional<double> seam_ratio;  // files written before it was measured have none
  std::vector<GeneratedItem> items;
};

struct RankedCaptions {
  std::string modality, source;
  int64_t among = 0;
  Accuracy by_information, by_likelihood;
};

struct GenerationQuality {
  int64_t step = 0;
  std::optional<GeneratedImages> images;
  std::vector<RankedCaptions> ranked;
  std::map<std::string, double> bits_per_byte;  // by source
};

// Nothing when the run has none. InputError "FILE: ..." for one that is damaged, or names files outside its folder.
std::optional<GenerationQuality> read_generation_quality(const Path& run);

}  // namespace mom::runs
