#include "mom/train/plan.h"

#include <cstdio>
#include <iostream>

#include "mom/base/progress.h"
#include "mom/models/counts.h"

namespace mom::train {
namespace {

// Floats that autograd keeps for each token of one block: normed and residual (2 E), in_proj's output (2 D),
// after the convolution (D), x_proj's output (R + 2 N), step (D), scan output (D), and the scan's
// chunk-boundary states (N D / 32).
double block_floats_per_token(const models::ModelSpec& s) {
  const double e = static_cast<double>(s.hidden_size), d = static_cast<double>(s.intermediate_size),
               n = static_cast<double>(s.state_size);
  return 2 * e + 5 * d + static_cast<double>(s.time_step_rank) + 2 * n + n * d / 32;
}

}  // namespace

Plan make_plan(const Recipe& recipe, const data::EncodedDataset& dataset) {
  Plan plan;
  plan.spec = make_spec(recipe, dataset);
  plan.tokens_per_step = recipe.data.batch_tokens;
  plan.total_tokens = plan.tokens_per_step * recipe.train.steps;
  data::Loader loader(std::make_shared<const data::EncodedDataset>(dataset), recipe.data,
                      recipe.model.patch_size, static_cast<uint64_t>(recipe.seed));
  // The shares of the modalities, from one batch.
  const std::vector<models::TokenFlops> flops = models::flops_per_token(plan.spec);
  double batch_flops = 0, batch_tokens = 0, targets = 0;
  for (const data::Batch& batch : loader.next(1)) {
    targets = static_cast<double>(batch.target_rows_R.size(0));
    for (size_t m = 0; m < flops.size(); ++m) {
      batch_flops += 3 * flops[m].total() * static_cast<double>(batch.num_tokens[m]);
      batch_tokens += static_cast<double>(batch.num_tokens[m]);
    }
  }
  plan.flops = batch_flops / batch_tokens * static_cast<double>(plan.total_tokens);
  plan.state_memory_bytes = 16.0 * static_cast<double>(models::count_parameters(plan.spec).total);
  const double parts = static_cast<double>(recipe.train.microbatches);
  const double tokens = static_cast<double>(plan.tokens_per_step) / parts;
  plan.activation_memory_bytes =
      4 * (tokens * block_floats_per_token(plan.spec) * static_cast<double>(plan.spec.num_blocks) +
           3 * targets / parts * static_cast<double>(plan.spec.vocab_size));
  return plan;
}

void print_plan(const Recipe& recipe, const data::EncodedDataset& dataset, bool json) {
  const Plan plan = make_plan(recipe, dataset);
  const models::ParameterCounts counts = models::count_parameters(plan.spec);
  if (json) {
    OrderedJson out = models::inspect_json(plan.spec);
    out["steps"] = recipe.train.steps;
    out["tokens"] = plan.total_tokens;
    out["flops"] = plan.flops;
    out["memory_bytes"] = {{"state", plan.state_memory_bytes}, {"activations", plan.activation_memory_bytes}};
    std::cout << out.dump(2) << std::endl;
    return;
  }
  std::printf("model       %s, d_model %lld, %lld blocks, vocabulary %lld\n", plan.spec.model_type.c_str(),
              static_cast<long long>(plan.spec.hidden_size), static_cast<long long>(plan.spec.num_blocks),
              static_cast<long long>(plan.spec.vocab_size));
  std::printf("parameters  %s in all", format_count(static_cast<double>(counts.total)).c_str());
  for (size_t m = 0; m < counts.active.size(); ++m)
    std::printf(", %s active on %s", format_count(static_cast<double>(counts.active[m])).c_str(),
                plan.spec.modalities[m].c_str());
  std::printf("\ntraining    %lld steps x %lld tokens = %s tokens, %.3g FLOPs\n",
              static_cast<long long>(recipe.train.steps), static_cast<long long>(plan.tokens_per_step),
              format_count(static_cast<double>(plan.total_tokens)).c_str(), plan.flops);
  std::printf("memory      %s for weights, gradients and optimizer, about %s for activations\n",
              format_bytes(plan.state_memory_bytes).c_str(),
              format_bytes(plan.activation_memory_bytes).c_str());
}

}  // namespace mom::train
