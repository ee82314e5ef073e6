#include "mom/train/plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "mom/base/machine.h"
#include "mom/base/progress.h"
#include "mom/models/counts.h"
#include "mom/train/microbatches.h"

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
  const nn::UNetCosts unet = models::unet_costs(s);
  Activations result;
  result.kept = tokens * (train.recompute ? inputs : all) + items * (width * unet.kept + 4 * unet.kept_f32);
  const double gradients = tokens * (width * costs.passing + 4 * costs.passing_f32 + (4 + width) * e);
  // The head: its rows' hidden states and their gradient, and a piece of outputs (ops/head_loss.h).
  const double rows = std::min(targets, std::max(128.0, 8388608.0 / v));
  const double head = tokens * width * e * 2 + rows * v * (width == 4 ? 4 : 6) + 4 * v * e;
  result.passing = std::max(gradients, head);
  // Rounded weights of every projection, for the way back.
  if (width == 2) {
    const models::ParameterCounts counts = models::count_parameters(s);
    result.kept += 2 * static_cast<double>(counts.total - counts.embedding);
  }
  return result;
}

double activation_bytes(const Activations& activations) {
  return kFit * (activations.kept + activations.passing);
}

double process_memory_bytes() { return static_cast<double>(peak_rss_bytes()) + kLibraries; }

BatchShape batch_of(const Recipe& recipe, const models::ModelSpec& spec,
                    const data::EncodedDataset& dataset) {
  data::Loader loader(std::make_shared<const data::EncodedDataset>(dataset), recipe.data,
                      recipe.model.patch_size, static_cast<uint64_t>(recipe.seed));
  const std::vector<models::TokenFlops> flops = models::flops_per_token(spec);
  BatchShape shape;
  double tokens = 0;
  for (const data::Batch& batch : loader.next(1)) {
    shape.targets = static_cast<double>(batch.target_rows_R.size(0));
    shape.items = static_cast<double>(batch.num_images());
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
  if (spec.latents()) shape.items = share / static_cast<double>(spec.latents()->positions_per_item());
  return shape;
}

Plan make_plan(const Recipe& recipe, const data::EncodedDataset& dataset) {
  Plan plan;
  plan.spec = make_spec(recipe, dataset);
  plan.tokens_per_step = recipe.data.batch_tokens;
  plan.total_tokens = plan.tokens_per_step * recipe.train.steps;
  const auto [targets, items, batch_flops] = batch_of(recipe, plan.spec, dataset);
  plan.flops = batch_flops * static_cast<double>(recipe.train.steps);
  const double parts = static_cast<double>(recipe.train.microbatches);
  const Division division = divide(recipe.train.microbatches, 0, 1);
  const Activations activations =
      activations_of(plan.spec, recipe.train, static_cast<double>(plan.tokens_per_step) / parts,
                     targets / parts, items / parts);
  const double parameters = static_cast<double>(models::count_parameters(plan.spec).total);
  plan.state_memory_bytes = (recipe.train.ema_decay > 0 ? 16 : 12) * parameters;
  // A gradient for each microbatch under way, and for each branch of the tree that waits for its neighbour.
  const double at_once = static_cast<double>(division.at_once),
               gradients = std::min(parts, at_once + std::ceil(std::log2(parts)));
  plan.activation_memory_bytes = 4 * parameters * gradients + at_once * activation_bytes(activations);
  plan.process_memory_bytes = process_memory_bytes();
  return plan;
}

void print_plan(const Recipe& recipe, const data::EncodedDataset& dataset, bool json) {
  const Plan plan = make_plan(recipe, dataset);
  const models::ParameterCounts counts = models::count_parameters(plan.spec);
  if (json) {
    OrderedJson out = models::inspect_json(plan.spec, recipe.data.sequence_tokens);
    out["steps"] = recipe.train.steps;
    out["tokens"] = plan.total_tokens;
    out["flops"] = plan.flops;
    out["memory_bytes"] = {{"state", plan.state_memory_bytes},
                           {"activations", plan.activation_memory_bytes},
                           {"process", plan.process_memory_bytes},
                           {"peak", plan.peak_memory_bytes()}};
    std::cout << out.dump(2) << std::endl;
    return;
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
      "memory      about %s at most: %s for weights and optimizer, %s for activations and gradients, %s for "
      "data "
      "and libraries\n",
      format_bytes(plan.peak_memory_bytes()).c_str(), format_bytes(plan.state_memory_bytes).c_str(),
      format_bytes(plan.activation_memory_bytes).c_str(), format_bytes(plan.process_memory_bytes).c_str());
}

}  // namespace mom::train
