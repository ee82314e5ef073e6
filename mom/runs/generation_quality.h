// What `mom eval --generation` left in RUN/generation/quality.json, or `mom eval --grid` in RUN/grid/grid.json
// (docs/quality.md), read as files.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::runs {

// Kinds of captions, in the order of tables.
inline constexpr const char* kBuckets[] = {"trained", "recombined", "unseen"};

struct Accuracy {
  double share = 0, low = 0, high = 0;  // with its 95% interval
  int64_t of = 0;
};

struct GeneratedItem {
  std::string caption, nearest_caption;
  Path generated, original, nearest;  // PNG, inside RUN/generation
};

// A distance between two sets, with its standard error.
struct Distance {
  double mean = 0, standard_error = 0;
};

// Images for one bucket of captions. Files from before there were buckets have one, "unseen", with what was measured then.
struct GeneratedImages {
  std::string bucket;
  int64_t count = 0;
  int64_t among = 0;  // captions
  Accuracy retrieved, retrieved_from_real;
  std::optional<bool> accepted;  // whether the probe may judge; files from before have another probe
  std::optional<Distance> kid, kid_of_training_images;
  std::optional<Accuracy> copies, copies_in_real;
  std::optional<double> seam_ratio;
  std::optional<double> frechet, frechet_of_training_images, nearest_ratio;  // only before
  std::vector<GeneratedItem> items;
};

struct GridRow {
  std::string caption, bucket;
};

// One image with a row of images for each caption, and a column for each seed.
struct GeneratedGrid {
  Path file;
  int64_t seeds = 0, side = 0, gap = 0;  // pixels
  std::string drawn;                     // "guidance 3, 50 steps of ddpm"; empty: an older file does not say
  std::vector<GridRow> rows;
};

// How much lower the loss of images is with the right caption: overall, then by level of noise.
struct CaptionUse {
  struct Level {
    int64_t from = 0, to = 0;  // timesteps
    double use = 0, standard_error = 0;
  };
  std::string bucket;
  double use = 0, standard_error = 0;
  std::vector<Level> levels;  // none of codes
};

struct RankedCaptions {
  std::string modality, source;
  int64_t among = 0;
  Accuracy by_information, by_likelihood;
};

struct GenerationQuality {
  int64_t step = 0;
  std::vector<GeneratedImages> images;  // by bucket
  std::optional<GeneratedGrid> grid;
  std::vector<CaptionUse> caption_use;  // by bucket
  std::vector<RankedCaptions> ranked;
  std::map<std::string, double> bits_per_byte;  // by source
};

// Without --generation's, the grid alone. Nothing when the run has neither. InputError "FILE: ..." for one that is damaged,
// or names files outside its folder.
std::optional<GenerationQuality> read_generation_quality(const Path& run);

}  // namespace mom::runs
