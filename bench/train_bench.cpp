// Whole training steps of a recipe on its own data, without evaluation and checkpoints.
#include <torch/torch.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "bench/bench.h"
#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/base/machine.h"
#include "mom/nn/mamba.h"
#include "mom/train/trainer.h"

namespace mom::bench {
namespace {

constexpr int kWarmups = 3;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int run_train(const std::string& recipe_file, const std::vector<std::string>& overrides, int64_t steps,
              bool json) {
  train::Recipe recipe = train::load_recipe(recipe_file, overrides);
  if (recipe.data.path.empty())
    throw UserError({recipe_file + ": data.path", "a folder made by `mom data encode`", "nothing",
                     "set it in the recipe or with --set data.path=DIR"});
  recipe.train.steps = std::max(recipe.train.steps, steps + kWarmups);
  const auto dataset = std::make_shared<data::EncodedDataset>(data::open_encoded(recipe.data.path));
  const int64_t memory_before = peak_allocator_bytes();
  train::Trainer trainer(recipe, dataset);
  for (int i = 0; i < kWarmups; ++i) trainer.step();
  std::vector<double> step, data, forward, backward, optimizer;
  double tokens = 0;
  const double flops_before = trainer.flops();
  for (int64_t i = 0; i < steps; ++i) {
    const train::StepReport report = trainer.step();
    step.push_back(report.seconds);
    data.push_back(report.data_seconds);
    forward.push_back(report.forward_seconds);
    backward.push_back(report.backward_seconds);
    optimizer.push_back(report.optimizer_seconds);
    tokens += static_cast<double>(report.num_tokens);
  }
  const int64_t training_bytes = peak_allocator_bytes() - memory_before;
  const double step_s = median(step), num_steps = static_cast<double>(steps);
  const models::ModelSpec& spec = trainer.model().spec();
  const double gemm = gemm_flops_per_s(recipe.data.batch_tokens / recipe.train.microbatches,
                                       2 * spec.mixers.get<nn::MambaConfig>().d_inner, spec.d_model,
                                       recipe.train.precision == "bfloat16");
  OrderedJson result;
  result["tokens_per_s"] = tokens / num_steps / step_s;
  result["step_ms"] = 1e3 * step_s;
  result["data_ms"] = 1e3 * median(data);
  result["forward_ms"] = 1e3 * median(forward);
  result["backward_ms"] = 1e3 * median(backward);
  result["optimizer_ms"] = 1e3 * median(optimizer);
  result["peak_rss_bytes"] = peak_rss_bytes();
  result["training_bytes"] = training_bytes;
  result["model_flops_per_s"] = (trainer.flops() - flops_before) / num_steps / step_s;
  result["gemm_peak_flops_per_s"] = gemm;
  if (json) {
    std::cout << result.dump(2) << std::endl;
    return 0;
  }
  for (const auto& [key, value] : result.items())
    std::printf("%-22s %.6g\n", key.c_str(), value.get<double>());
  return 0;
}

}  // namespace mom::bench
