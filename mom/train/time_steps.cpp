#include "mom/train/time_steps.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "mom/base/error.h"
#include "mom/base/machine.h"
#include "mom/base/stopwatch.h"
#include "mom/nn/mamba.h"
#include "mom/ops/gemm.h"
#include "mom/train/trainer.h"

namespace mom::train {
namespace {

constexpr int kWarmups = 3, kGemmRepeats = 7;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// FLOP/s of a GEMM [M, K] x [K, N], the best of a few.
double gemm_flops_per_s(int64_t M, int64_t N, int64_t K, at::ScalarType type) {
  const at::Tensor left = at::randn({M, K}).to(type), right = at::randn({N, K}).to(type),
                   to = at::empty({M, N}, type);
  double best_s = INFINITY;
  for (int i = 0; i < kGemmRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    ops::multiply(left, right.t(), to);
    best_s = std::min(best_s, seconds_since(start));
  }
  return 2.0 * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K) / best_s;
}

}  // namespace

OrderedJson time_steps(const std::string& recipe_file, const std::vector<std::string>& overrides,
                       int64_t steps) {
  Recipe recipe = load_recipe(recipe_file, overrides);
  if (recipe.data.path.empty())
    throw UserError({recipe_file + ": data.path", "a folder made by `mom data encode`", "nothing",
                     "set it in the recipe or with --set data.path=DIR"});
  recipe.train.steps = std::max(recipe.train.steps, steps + kWarmups);
  const auto dataset = std::make_shared<data::EncodedDataset>(data::open_encoded(recipe.data.path));
  const int64_t memory_before = peak_allocator_bytes();
  Trainer trainer(recipe, dataset);
  for (int i = 0; i < kWarmups; ++i) trainer.step();
  std::vector<double> step;
  double data = 0, forward = 0, backward = 0, optimizer = 0, tokens = 0;
  const double flops_before = trainer.flops();
  for (int64_t i = 0; i < steps; ++i) {
    const StepReport report = trainer.step();
    step.push_back(report.seconds);
    data += report.data_seconds;
    forward += report.forward_seconds;
    backward += report.backward_seconds;
    optimizer += report.optimizer_seconds;
    tokens += static_cast<double>(report.num_tokens);
  }
  const int64_t from_allocator = peak_allocator_bytes() - memory_before,
                training_bytes = from_allocator > 0 ? from_allocator + bytes_of_rows() : 0;
  const double step_s = median(step), num_steps = static_cast<double>(steps),
               all = std::reduce(step.begin(), step.end());
  const models::ModelSpec& spec = trainer.model().spec();
  const double gemm = gemm_flops_per_s(recipe.data.batch_tokens / recipe.train.microbatches,
                                       2 * spec.mixers.get<nn::MambaConfig>().d_inner, spec.d_model,
                                       recipe.train.precision == "bfloat16" ? at::kBFloat16 : at::kFloat);
  OrderedJson result;
  result["tokens_per_s"] = tokens / num_steps / step_s;
  result["step_ms"] = 1e3 * step_s;
  result["data_ms"] = 1e3 * step_s * data / all;
  result["forward_ms"] = 1e3 * step_s * forward / all;
  result["backward_ms"] = 1e3 * step_s * backward / all;
  result["optimizer_ms"] = 1e3 * step_s * optimizer / all;
  result["peak_rss_bytes"] = peak_rss_bytes();
  result["training_bytes"] = training_bytes;
  result["model_flops_per_s"] = (trainer.flops() - flops_before) / num_steps / step_s;
  result["gemm_peak_flops_per_s"] = gemm;
  return result;
}

}  // namespace mom::train
