// Captions by what a model's training has shown of them.
#pragma once

#include <string>
#include <vector>

#include "mom/data/split.h"
#include "mom/quality/pairs.h"

namespace mom::quality {

inline constexpr const char* kTrained = "trained";  // split "train": shown with its image
using data::
    kRecombined;  // split "recombined": a known concept in a style it was not shown in; not in all data
inline constexpr const char* kUnseen = "unseen";  // the held-out split: a concept that was not shown at all

struct Bucket {
  std::string name;
  std::vector<Pair> pairs;
};

// In the order above, those that have pairs. Images in other styles say nothing about a model's own: only sources that
// the run is trained on count.
std::vector<Bucket> buckets_of(const data::EncodedDataset& dataset, const train::Recipe& recipe,
                               const std::string& held_out_split, const std::string& modality);

// Nothing where there is none of that name.
const Bucket* find(const std::vector<Bucket>& buckets, const std::string& name);

}  // namespace mom::quality
