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

// What a batch has in it.
struct BatchShape {
  double targets = 0, items = 0;  // rows that predict a token, images of latents
  double flops = 0;               // of a step, three forwards per token
};
// From one batch of the data.
BatchShape batch_of(const Recipe& recipe, const models::ModelSpec& spec, const data::EncodedDataset& dataset);
// Without data: as many tokens of each modality.
BatchShape even_batch(const Recipe& recipe, const models::ModelSpec& spec);

// Bytes that the forward pass of a microbatch leaves for backward, and what comes on top while a block goes back.
struct Activations {
  double kept = 0, passing = 0;
};
Activations activations_of(const models::ModelSpec& spec, const TrainConfig& train, double tokens,
                           double targets, double items);
// With what the allocator cannot use.
double activation_bytes(const Activations& activations);
// Data and libraries of this process.
double process_memory_bytes();

Plan make_plan(const Recipe& recipe, const data::EncodedDataset& dataset);
void print_plan(const Recipe& recipe, const data::EncodedDataset& dataset, bool json);

}  // namespace mom::train
