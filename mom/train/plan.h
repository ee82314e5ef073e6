// What a recipe will cost, before it is run.
#pragma once

#include "mom/data/shard.h"
#include "mom/train/recipe.h"

namespace mom::train {

struct Plan {
  models::ModelSpec spec;
  int64_t tokens_per_step = 0, total_tokens = 0;
  double flops = 0;                    // of the whole training, three forwards per token
  double state_memory_bytes = 0;       // weights, two moments, their average where asked for
  double activation_memory_bytes = 0;  // kept for backward by the microbatches under way, and gradients
  double process_memory_bytes = 0;     // data and libraries
  double peak_memory_bytes() const {
    return state_memory_bytes + activation_memory_bytes + process_memory_bytes;
  }
};

Plan make_plan(const Recipe& recipe, const data::EncodedDataset& dataset);
void print_plan(const Recipe& recipe, const data::EncodedDataset& dataset, bool json);

}  // namespace mom::train
