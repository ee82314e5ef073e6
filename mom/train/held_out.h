// The held-out sets of a data folder: every source with documents of split "validation". A set is named after
// its source.
#pragma once

#include <string>
#include <vector>

#include "mom/data/loader.h"
#include "mom/train/recipe.h"

namespace mom::train {

struct HeldOutSet {
  std::string name;
  std::vector<data::Batch> batches;
};

// At the start of a training: a warning where the data have nothing to measure held-out losses on.
void warn_without_validation(const data::EncodedDataset& dataset);
// InputError where the data have no documents of `split`, with those they have.
void require_split(const data::EncodedDataset& dataset, const std::string& split);

// At most about max_tokens of each (0: all).
std::vector<HeldOutSet> held_out_sets(const data::EncodedDataset& dataset, const Recipe& recipe,
                                      int64_t max_tokens, const std::string& split = "validation");

}  // namespace mom::train
