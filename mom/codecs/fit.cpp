#include "mom/codecs/fit.h"

#include <ATen/ATen.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "mom/base/error.h"
#include "mom/base/progress.h"

namespace mom::codecs {
namespace {

constexpr double kClipNorm = 1.0, kSmoothing = 0.95;

}  // namespace

double learning_rate_at(const FitOptions& options, int64_t step) {
  const auto steps = static_cast<double>(options.steps), at = static_cast<double>(step);
  const double warmup = std::max<double>(1, std::min<double>(50, steps / 10));
  const double cosine = 0.5 + 0.5 * std::cos(std::numbers::pi * at / steps);
  return options.learning_rate * std::min(1.0, (at + 1) / warmup) * cosine;
}

void fit(const FitOptions& options, std::vector<at::Tensor> parameters,
         const std::function<StepLoss(int64_t step)>& loss_of,
         const std::function<std::string(double error)>& describe) {
  torch::optim::AdamW optimizer(
      parameters, torch::optim::AdamWOptions(options.learning_rate).betas({0.9, 0.99}).weight_decay(0));
  Progress progress(options.label, "steps", static_cast<uint64_t>(options.steps));
  double smooth = 0;
  for (int64_t step = 0; step < options.steps; ++step) {
    for (auto& group : optimizer.param_groups()) group.options().set_lr(learning_rate_at(options, step));
    const StepLoss loss = loss_of(step);
    if (!std::isfinite(loss.error))
      throw DivergedError(options.label + ", step " + std::to_string(step) +
                          ": the loss is not finite; lower " + options.table + ".learning_rate");
    optimizer.zero_grad();
    loss.total.backward();
    torch::nn::utils::clip_grad_norm_(parameters, kClipNorm);
    optimizer.step();
    smooth = step == 0 ? loss.error : kSmoothing * smooth + (1 - kSmoothing) * loss.error;
    progress.update(static_cast<uint64_t>(step + 1), describe(smooth));
  }
  progress.finish();
}

}  // namespace mom::codecs
