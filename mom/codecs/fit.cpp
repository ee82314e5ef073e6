#include "mom/codecs/fit.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/base/rounding.h"
#include "mom/nn/side_by_side.h"
#include "mom/ops/parallel.h"

namespace mom::codecs {
namespace {

constexpr double kClipNorm = 1.0, kSmoothing = 0.95;

// Weights and gradients each in one row of memory: few long tensors in place of a hundred short ones.
class FlatWeights {
 public:
  explicit FlatWeights(const std::vector<at::Tensor>& weights) : weights_(weights) {
    int64_t length = 0;
    for (const at::Tensor& weight : weights_) {
      begins_.push_back(length);
      length += round_up(weight.numel(), kAlign);
    }
    const torch::NoGradGuard no_grad;
    values_ = at::zeros({length});
    const std::vector<at::Tensor> places = views(values_);
    for (size_t i = 0; i < weights_.size(); ++i) weights_[i].set_data(places[i].copy_(weights_[i]));
  }

  const at::Tensor& values() const { return values_; }
  // The gradients of `loss` as one row; zeros where there are none.
  at::Tensor gradient(const at::Tensor& loss) const {
    const auto found = torch::autograd::grad({loss}, weights_, {}, /*retain_graph=*/std::nullopt,
                                             /*create_graph=*/false, /*allow_unused=*/true);
    const torch::NoGradGuard no_grad;
    at::Tensor row = at::zeros_like(values_);
    const std::vector<at::Tensor> places = views(row);
    for (size_t i = 0; i < found.size(); ++i)
      if (found[i].defined()) places[i].copy_(found[i]);
    return row;
  }

 private:
  static constexpr int64_t kAlign = 16;  // numbers

  // One for each weight, in its memory order.
  std::vector<at::Tensor> views(const at::Tensor& row) const {
    std::vector<at::Tensor> places;
    for (size_t i = 0; i < weights_.size(); ++i)
      places.push_back(row.as_strided(weights_[i].sizes(), weights_[i].strides(), begins_[i]));
    return places;
  }

  std::vector<at::Tensor> weights_;
  std::vector<int64_t> begins_;
  at::Tensor values_;
};

struct StepGradient {
  at::Tensor row;
  double error;
};

StepGradient gradient_of(const Step& step, int64_t max_pieces, nn::Workers& workers,
                         const FlatWeights& weights) {
  const int64_t num_pieces = std::min(max_pieces, step.num_items);
  std::vector<double> errors(static_cast<size_t>(num_pieces));
  nn::GradientTree tree(errors.size());
  workers.for_each(errors.size(), [&](size_t i, size_t) {
    const auto index = static_cast<int64_t>(i);
    Piece piece{i, index * step.num_items / num_pieces, (index + 1) * step.num_items / num_pieces, 1};
    piece.share = static_cast<double>(piece.end - piece.begin) / static_cast<double>(step.num_items);
    const PieceLoss loss = step.loss_of(piece);
    errors[i] = piece.share * loss.error;
    tree.add(i, weights.gradient(loss.total * piece.share));
  });
  if (step.finish) step.finish();
  return {tree.sum(), std::accumulate(errors.begin(), errors.end(), 0.0)};
}

}  // namespace

double learning_rate_at(const FitOptions& options, int64_t step) {
  const auto steps = static_cast<double>(options.steps), at = static_cast<double>(step);
  const double warmup = std::max<double>(1, std::min<double>(50, steps / 10));
  const double cosine = 0.5 + 0.5 * std::cos(std::numbers::pi * at / steps);
  return options.learning_rate * std::min(1.0, (at + 1) / warmup) * cosine;
}

at::Tensor Piece::of(const at::Tensor& batch) const { return batch.slice(0, begin, end); }

void fit(const FitOptions& options, const std::vector<at::Tensor>& parameters,
         const std::function<Step(int64_t step)>& begin,
         const std::function<std::string(double error)>& describe) {
  const int64_t threads = at::get_num_threads(),
                threads_each = std::max<int64_t>(1, threads / options.pieces);
  nn::Workers workers(std::min(threads, options.pieces), threads_each);
  // For what is between the pieces, too: an OpenMP thread that still spins would hold the core of a worker.
  const ops::ScopedThreads between(threads_each);
  const FlatWeights weights(parameters);
  at::Tensor values = weights.values().detach();
  torch::optim::AdamW optimizer(
      std::vector<at::Tensor>{values},
      torch::optim::AdamWOptions(options.learning_rate).betas({0.9, 0.99}).weight_decay(0));
  Progress progress(options.label, "steps", static_cast<uint64_t>(options.steps));
  double smooth = 0;
  for (int64_t step = 0; step < options.steps; ++step) {
    for (auto& group : optimizer.param_groups()) group.options().set_lr(learning_rate_at(options, step));
    const auto [gradient, error] = gradient_of(begin(step), options.pieces, workers, weights);
    if (!std::isfinite(error))
      throw DivergedError(options.label + ", step " + std::to_string(step) +
                          ": the loss is not finite; lower " + options.table + ".learning_rate");
    values.mutable_grad() = gradient;
    torch::nn::utils::clip_grad_norm_(values, kClipNorm);
    optimizer.step();
    smooth = step == 0 ? error : kSmoothing * smooth + (1 - kSmoothing) * error;
    progress.update(static_cast<uint64_t>(step + 1), describe(smooth));
  }
  progress.finish();
}

}  // namespace mom::codecs
