// What a recipe will cost, before it is run.
#pragma once

#include "mom/data/shard.h"
#include "mom/models/counts.h"
#include "mom/train/recipe.h"

namespace mom::train {

// What one of `processes` keeps in memory, in bytes, beside data and libraries. N weights take 4 N; of P processes each has
//
//                train.shard = "optimizer"               "all"
//   weights      4 N                                     4 N / P, and those of the others outside the blocks and in two blocks
//   gradients    4 N for each microbatch under way       4 N / P for the one and for each branch, and the others' outside the
//                and each branch of the tree that waits  blocks and in one block
//   moments      8 N / P                                 8 N / P
//   average      4 N while it is evaluated               4 N / P, and as for weights
//   received     the others' parts of eight buckets      of three
struct Memory {
  double weights = 0, average = 0, gradients = 0, moments = 0, received = 0, activations = 0;
  double total() const { return weights + average + gradients + moments + received + activations; }
};

struct Plan {
  models::ModelSpec spec;
  int64_t tokens_per_step = 0, total_tokens = 0;
  double flops = 0;                 // of the whole training, three forwards per token
  Memory memory;                    // of a process
  double process_memory_bytes = 0;  // data and libraries
  double peak_memory_bytes() const { return memory.total() + process_memory_bytes; }
};

// What a batch has in it.
struct BatchShape {
  double targets = 0, items = 0;  // rows that predict a token, images of latents
  double flops = 0;               // of a step, three forwards per token
  double unread = 0;              // numbers of the table of embeddings that a microbatch reads none of
};
// From one batch of the data.
BatchShape batch_of(const Recipe& recipe, const models::ModelSpec& spec, const data::EncodedDataset& dataset);
// Without data: as many tokens of each modality.
BatchShape even_batch(const Recipe& recipe, const models::ModelSpec& spec);

// Bytes that the forward pass of a microbatch, or of a stretch of it, leaves for backward, and what comes on top while a block
// goes back; and those of the states that one stretch passes on to the next.
struct Activations {
  double kept = 0, passing = 0, states = 0;
};
Activations activations_of(const models::ModelSpec& spec, const TrainConfig& train, double tokens,
                           double targets, double items);
// With what the allocator cannot use.
double activation_bytes(const Activations& activations);
// Data and libraries of this process.
double process_memory_bytes();

// Of a process with `threads` threads. UserError where the processes cannot share out the microbatches.
Memory memory_of_process(const models::ParameterCounts& counts, int64_t processes, int64_t threads,
                         const Activations& of_a_microbatch, const TrainConfig& train);

// Of one of `processes`, which share the threads of this one.
Plan make_plan(const Recipe& recipe, const data::EncodedDataset& dataset, int processes = 1);
// ResourceError where weights and moments of one process alone are more than the memory that this machine has.
void require_memory_to_begin(const Recipe& recipe, const data::EncodedDataset& dataset, int processes);
// Printed, then a ResourceError where it is more than that.
void print_plan(const Recipe& recipe, const data::EncodedDataset& dataset, int processes, bool json);

}  // namespace mom::train
