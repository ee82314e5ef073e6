#include "mom/train/optimizer.h"

#include <ATen/ops/_fused_adamw.h>

#include <algorithm>
#include <cmath>

#include "mom/base/error.h"
#include "mom/base/rounding.h"
#include "mom/kernels/sum_of_squares.h"
#include "mom/ops/parallel.h"

namespace mom::train {

double learning_rate_at(const TrainConfig& config, int64_t step) {
  if (step < config.warmup_steps)
    return config.learning_rate * static_cast<double>(step + 1) / static_cast<double>(config.warmup_steps);
  if (config.schedule == "wsd") {
    const int64_t stable = stable_until(config);
    if (step < stable) return config.learning_rate;
    const double done =
        std::min(1.0, static_cast<double>(step + 1 - stable) / static_cast<double>(config.steps - stable));
    return config.min_learning_rate +
           (config.learning_rate - config.min_learning_rate) * (1 - std::sqrt(done));
  }
  const int64_t span = std::max<int64_t>(1, config.steps - 1 - config.warmup_steps);
  const double progress =
      std::min(1.0, static_cast<double>(step - config.warmup_steps) / static_cast<double>(span));
  const double cosine = 0.5 * (1 + std::cos(progress * 3.14159265358979323846));
  return config.min_learning_rate + (config.learning_rate - config.min_learning_rate) * cosine;
}

namespace {

at::Tensor chunk_squares_on_device(const at::Tensor& flat, const Range& range) {
  const auto squares = [&](int64_t begin, int64_t rows, int64_t length) {
    return at::linalg_vector_norm(flat.narrow(0, begin, rows * length).view({rows, length}), 2, {1}, false,
                                  at::kDouble)
        .square();
  };
  const int64_t whole = range.length / kChunk, rest = range.length % kChunk;
  const at::Tensor sums = squares(range.begin, whole, kChunk);
  return rest == 0 ? sums : at::cat({sums, squares(range.begin + whole * kChunk, 1, rest)});
}

}  // namespace

at::Tensor chunk_squares(const at::Tensor& flat, const Range& range) {
  if (!flat.device().is_cpu()) return chunk_squares_on_device(flat, range);
  const float* x = flat.const_data_ptr<float>();
  at::Tensor sums_of_chunks = at::empty({ceil_div(range.length, kChunk)}, at::kDouble);
  double* sums = sums_of_chunks.mutable_data_ptr<double>();
  ops::parallel_tiles(sums_of_chunks.size(0), [&](int64_t chunk) {
    const int64_t begin = range.begin + chunk * kChunk,
                  end = std::min(begin + kChunk, range.begin + range.length);
    sums[chunk] = kernels::sum_of_squares(x + begin, end - begin);
  });
  return sums_of_chunks;
}

AdamW::AdamW(FlatParameters& parameters, const TrainConfig& config, std::vector<Range> own,
             std::vector<Pace> learning)
    : config_(config), parameters_(parameters), own_(std::move(own)), learning_(std::move(learning)) {
  if (own_.empty()) own_ = {{0, parameters.length()}};
  if (learning_.empty()) learning_ = {{{0, parameters.length()}, 1}};
  state_.exp_avg = parameters.zeros();
  state_.exp_avg_sq = parameters.zeros();
}

void AdamW::step(const at::Tensor& gradient, double learning_rate, double norm,
                 const std::function<void(size_t)>& done) {
  torch::NoGradGuard no_grad;
  const auto number = [&](double value) { return torch::full({}, value, parameters_.values().options()); };
  // The fused kernel divides gradients by a scale as it reads them.
  std::optional<at::Tensor> scale;
  if (config_.clip_norm > 0 && norm > config_.clip_norm) scale = number(norm / config_.clip_norm);
  const at::Tensor count = number(static_cast<double>(++state_.steps_done));
  const auto update = [&](int64_t begin, int64_t end, double factor, double weight_decay) {
    if (begin >= end) return;
    aligned(begin, end, [&](int64_t first, int64_t last) {
      const auto part = [&](const at::Tensor& row) {
        return std::vector<at::Tensor>{row.narrow(0, first, last - first)};
      };
      at::_fused_adamw_(part(parameters_.values()), part(gradient), part(state_.exp_avg),
                        part(state_.exp_avg_sq), /*max_exp_avg_sqs=*/{}, {count}, factor * learning_rate,
                        config_.beta1, config_.beta2, weight_decay, config_.epsilon, /*amsgrad=*/false,
                        /*maximize=*/false, scale);
    });
  };
  for (size_t range = 0; range < own_.size(); ++range) {
    for (const auto& [learning, factor] : learning_) {
      const Range both = common(own_[range], learning);
      const int64_t border = std::clamp(parameters_.decay_begin(), both.begin, both.end());
      update(both.begin, border, factor, 0);
      update(border, both.end(), factor, config_.weight_decay);
    }
    if (done) done(range);
  }
}

void AdamW::aligned(int64_t begin, int64_t end, const std::function<void(int64_t, int64_t)>& of) {
  constexpr int64_t kVector = 16;
  const int64_t first = begin / kVector * kVector, last = round_up(end, kVector);
  std::vector<std::pair<at::Tensor, at::Tensor>> kept;  // numbers, and what they were
  for (const at::Tensor& row : {parameters_.values(), state_.exp_avg, state_.exp_avg_sq})
    for (const auto& [from, to] : {std::pair{first, begin}, {end, last}})
      if (from < to)
        kept.emplace_back(row.narrow(0, from, to - from), row.narrow(0, from, to - from).clone());
  of(first, last);
  for (const auto& [numbers, before] : kept) numbers.copy_(before);
}

}  // namespace mom::train
