#include "mom/train/plan.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_unique2.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "mom/base/error.h"
#include "mom/base/machine.h"
#include "mom/base/progress.h"
#include "mom/models/counts.h"
#include "mom/train/microbatches.h"
#include "mom/train/sharding.h"

namespace mom::train {
namespace {

// Libraries' code and generated kernels that the first step brings in.
constexpr double kLibraries = 100e6;
// Batches differ in size, and what one frees does not fit the next exactly (measured, with jemalloc).
constexpr double kFit = 1.1;

}  // namespace

// E width, V vocabulary; the mixers say what they need (nn/mixer.h).
Activations activations_of(const models::ModelSpec& s, const TrainConfig& train, double tokens,
                           double targets, double items) {
  const double width = train.precision == "bfloat16" ? 2 : 4;
  const double e = static_cast<double>(s.d_model), v = static_cast<double>(s.vocab_size),
               blocks = static_cast<double>(s.num_blocks);
  const nn::MixerCosts costs = models::block_costs(s);
  // A token in all blocks: the residual sum and the normed sum, and what the mixers keep.
  const double all = blocks * (4 + width) * e + width * costs.kept + 4 * costs.kept_f32;
  // The blocks' inputs alone, where the rest is computed again, one block at a time.
  const double inputs = blocks * (4 + width) * e + all / blocks;
  nn::UNetCosts unet;  // the largest: which items there are is not told
  for (size_t k = 0; k < s.vocabulary.continuous().size(); ++k)
    if (const nn::UNetCosts own = models::unet_costs(s, k);
        own.kept + own.kept_f32 >= unet.kept + unet.kept_f32)
      unet = own;
  Activations result;
  result.kept = tokens * (train.recompute ? inputs : all) + items * (width * unet.kept + 4 * unet.kept_f32);
  const double gradients = tokens * (width * costs.passing + 4 * costs.passing_f32 + (4 + width) * e);
  // The head: its rows' hidden states and their gradient, and a piece of outputs (ops/head_loss.h).
  const double rows = std::min(targets, std::max(128.0, 8388608.0 / v));
  const double head = tokens * width * e * 2 + rows * v * (width == 4 ? 4 : 6) + 4 * v * e;
  result.passing = std::max(gradients, head);
  // Rounded weights of projections, for the way back: of all, or of one block at a time.
  if (width == 2) {
    const models::ParameterCounts counts = models::count_parameters(s);
    result.kept +=
        2 * static_cast<double>(train.recompute ? counts.largest_block : counts.total - counts.embedding);
  }
  result.states = static_cast<double>(costs.state_bytes);
  return result;
}

double activation_bytes(const Activations& activations) {
  return kFit * (activations.kept + activations.passing);
}

double process_memory_bytes() { return static_cast<double>(peak_rss_bytes()) + kLibraries; }

namespace {

double unread_numbers(const models::ModelSpec& spec, double rows_read) {
  if (spec.tie_word_embeddings) return 0;
  return std::max(0.0, static_cast<double>(spec.vocab_size) - rows_read) * static_cast<double>(spec.d_model);
}

}  // namespace

BatchShape batch_of(const Recipe& recipe, const models::ModelSpec& spec,
                    const data::EncodedDataset& dataset) {
  data::Loader loader(std::make_shared<const data::EncodedDataset>(dataset), recipe.data,
                      recipe.model.patches(), static_cast<uint64_t>(recipe.seed));
  const std::vector<models::TokenFlops> flops = models::flops_per_token(spec);
  BatchShape shape;
  double tokens = 0;
  const std::vector<data::Batch> batches = loader.next(recipe.train.microbatches);
  for (const data::Batch& batch : batches) {
    const int64_t rows = std::get<0>(at::_unique2(batch.tokens_T)).size(0);
    shape.unread += unread_numbers(spec, static_cast<double>(rows)) / static_cast<double>(batches.size());
    shape.targets += static_cast<double>(batch.target_rows_R.size(0));
    shape.items += static_cast<double>(batch.num_images());
    shape.flops += 3 * flops[0].pair * models::attended_pairs(spec, batch.routing);
    for (size_t m = 0; m < flops.size(); ++m) {
      shape.flops += 3 * flops[m].total() * static_cast<double>(batch.num_tokens[m]);
      tokens += static_cast<double>(batch.num_tokens[m]);
    }
  }
  shape.flops *= static_cast<double>(recipe.data.batch_tokens) / tokens;
  return shape;
}

BatchShape even_batch(const Recipe& recipe, const models::ModelSpec& spec) {
  const std::vector<models::TokenFlops> flops = models::flops_per_token(spec);
  const double share = static_cast<double>(recipe.data.batch_tokens) / static_cast<double>(flops.size());
  const double mean_pairs = static_cast<double>(recipe.data.sequence_tokens + 1) / 2;
  BatchShape shape;
  for (size_t m = 0; m < flops.size(); ++m) {
    shape.flops += 3 * share * (flops[m].total() + flops[m].pair * mean_pairs);
    if (!spec.is_continuous(static_cast<int64_t>(m))) shape.targets += share;
  }
  shape.unread = unread_numbers(spec, shape.targets / static_cast<double>(recipe.train.microbatches));
  for (const modality::Modality* latents : spec.vocabulary.continuous())
    shape.items += share / static_cast<double>(latents->positions_per_item());
  return shape;
}

Memory memory_of_process(const models::ParameterCounts& counts, int64_t processes, int64_t threads,
                         const Activations& of_a_microbatch, const TrainConfig& train) {
  const bool all = train.shard == "all" && processes > 1;
  const Division division = divide(train, 0, static_cast<int>(processes), threads);
  const double bytes = 4 * static_cast<double>(counts.total), of_own = bytes / static_cast<double>(processes),
               others = 1 - 1 / static_cast<double>(processes),
               outside = others * 4 * static_cast<double>(counts.total - counts.in_blocks),
               block = others * 4 * static_cast<double>(counts.largest_block);
  const int64_t share = division.share.count,
                gradients = std::min(share, division.at_once + static_cast<int64_t>(std::bit_width(
                                                                   static_cast<uint64_t>(share - 1))));
  Memory memory;
  memory.weights = all ? of_own + outside + 2 * block : bytes;
  memory.average = train.ema_decay == 0 ? 0 : all ? of_own + outside + 2 * block : bytes;
  memory.gradients = static_cast<double>(gradients) * (all ? of_own : bytes) + (all ? outside + block : 0);
  memory.moments = 2 * of_own;
  memory.received = others * 4 *
                    static_cast<double>(std::min(
                        counts.total, bucket_length(counts.total, all) *
                                          (all ? Reduction::kUnderWayKeepingOwn : Reduction::kUnderWay)));
  memory.activations = static_cast<double>(division.at_once) * activation_bytes(of_a_microbatch);
  return memory;
}

Plan make_plan(const Recipe& recipe, const data::EncodedDataset& dataset, int processes) {
  Plan plan;
  plan.spec = make_spec(recipe, dataset);
  plan.tokens_per_step = recipe.data.batch_tokens;
  plan.total_tokens = plan.tokens_per_step * recipe.train.steps;
  const BatchShape batch = batch_of(recipe, plan.spec, dataset);
  plan.flops = batch.flops * static_cast<double>(recipe.train.steps);
  const double parts = static_cast<double>(recipe.train.microbatches * recipe.train.sequence_ranks);
  const Activations activations =
      activations_of(plan.spec, recipe.train, static_cast<double>(plan.tokens_per_step) / parts,
                     batch.targets / parts, batch.items / parts);
  const int64_t threads = std::max(1, at::get_num_threads() / processes);
  plan.memory =
      memory_of_process(models::count_parameters(plan.spec), processes, threads, activations, recipe.train);
  plan.process_memory_bytes = process_memory_bytes();
  return plan;
}

namespace {

// ResourceError where `processes` of this machine, `bytes` each, are more than it has, or the control group may have.
void require_memory(double bytes, int processes, const char* what) {
  const auto there = static_cast<double>(read_machine(".").memory_bytes);
  if (there == 0 || bytes * processes <= there) return;
  throw ResourceError("memory: expected at most " + format_bytes(there) +
                      ", all that this machine or control group has, found " +
                      format_bytes(bytes * processes) + " " + what +
                      "; train a smaller model, or see train.microbatches, train.recompute and train.shard");
}

}  // namespace

void require_memory_to_begin(const Recipe& recipe, const data::EncodedDataset& dataset, int processes) {
  const Memory memory = make_plan(recipe, dataset, processes).memory;
  require_memory(memory.weights + memory.average + memory.moments, 1, "for weights and optimizer");
}

void print_plan(const Recipe& recipe, const data::EncodedDataset& dataset, int processes, bool json) {
  const Plan plan = make_plan(recipe, dataset, processes);
  const Memory& memory = plan.memory;
  const double state = memory.weights + memory.average + memory.moments, passing = memory.total() - state;
  const models::ParameterCounts counts = models::count_parameters(plan.spec);
  if (json) {
    OrderedJson out = models::inspect_json(plan.spec, recipe.data.sequence_tokens);
    out["steps"] = recipe.train.steps;
    out["tokens"] = plan.total_tokens;
    out["flops"] = plan.flops;
    out["memory_bytes"] = {{"state", state},
                           {"activations", passing},
                           {"process", plan.process_memory_bytes},
                           {"peak", plan.peak_memory_bytes()}};
    std::cout << out.dump(2) << std::endl;
    return require_memory(plan.peak_memory_bytes(), processes, "at most");
  }
  std::printf("model       %s, d_model %lld, %lld blocks, vocabulary %lld\n", plan.spec.backbone.c_str(),
              static_cast<long long>(plan.spec.d_model), static_cast<long long>(plan.spec.num_blocks),
              static_cast<long long>(plan.spec.vocab_size));
  std::printf("parameters  %s in all", format_count(static_cast<double>(counts.total)).c_str());
  for (size_t m = 0; m < counts.active.size(); ++m)
    std::printf(", %s active on %s", format_count(static_cast<double>(counts.active[m])).c_str(),
                plan.spec.modalities[m].c_str());
  std::printf("\ntraining    %lld steps x %lld tokens = %s tokens, %.3g FLOPs\n",
              static_cast<long long>(recipe.train.steps), static_cast<long long>(plan.tokens_per_step),
              format_count(static_cast<double>(plan.total_tokens)).c_str(), plan.flops);
  std::printf(
      "memory      about %s at most%s: %s for weights and optimizer, %s for activations and gradients, %s "
      "for "
      "data and libraries\n",
      format_bytes(plan.peak_memory_bytes()).c_str(), processes > 1 ? " in each process" : "",
      format_bytes(state).c_str(), format_bytes(passing).c_str(),
      format_bytes(plan.process_memory_bytes).c_str());
  std::fflush(stdout);
  require_memory(plan.peak_memory_bytes(), processes, "at most");
}

}  // namespace mom::train
