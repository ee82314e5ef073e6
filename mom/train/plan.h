// What a recipe will cost, before it is run.
#pragma once

#include "mom/data/shard.h"
#include "mom/train/recipe.h"

namespace mom::train {

struct Plan {
  models::ModelSpec spec;
  int64_t tokens_per_step = 0, total_tokens = 0;
  double flops = 0;                    // of the whole training, three forwards a token
  double state_memory_bytes = 0;       // weights, gradients, two moments
  double activation_memory_bytes = 0;  // kept for backward, one microbatch
};

Plan make_plan(const Recipe& recipe, const data::EncodedDataset& dataset);
void print_plan(const Recipe& recipe, const data::EncodedDataset& dataset, bool json);

}  // namespace mom::train
