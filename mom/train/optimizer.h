// AdamW with decoupled decay and the schedules of its learning rate. State in f32, one pair of moments per parameter.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "mom/dist/shard_plan.h"
#include "mom/train/flat_parameters.h"
#include "mom/train/paces.h"
#include "mom/train/recipe.h"
#include "mom/train/row.h"

namespace mom::train {

// Step counts from 0. Linear warm-up to the peak; then a cosine to the minimum at the last step, or wsd: the peak, and in
// the last steps minimum + (peak - minimum) (1 - sqrt(share of the decay done)), which Hägele et al. 2024 (arXiv
// 2405.18392) found better than a line.
double learning_rate_at(const TrainConfig& config, int64_t step);

// Sums of squares of `flat`'s numbers in chunks of kChunk, f64, each in a fixed order of its own: chunk c is
// [c kChunk, (c + 1) kChunk), of those in `range`, which begins with a chunk. On the device of `flat`.
constexpr int64_t kChunk = dist::ShardPlan::kChunk;
at::Tensor chunk_squares(const at::Tensor& flat, const Range& range);

class AdamW {
 public:
  // Keeps moments of, and updates, the `own` ranges alone; none: everything. They begin and end at multiples of 16 numbers, so
  // that vector instructions meet the same numbers whatever the ranges. `learning`: what of them learns, and how fast; a
  // factor of the learning rate is one of the decay, too.
  AdamW(FlatParameters& parameters, const TrainConfig& config, std::vector<Range> own = {},
        std::vector<Pace> learning = {});

  // One update by `gradient`, of the parameters' layout; gradients above clip_norm (0: no limit) count as scaled down to
  // it. `norm` is the whole gradient's. Own ranges are updated in their order; `done` hears of each.
  void step(const at::Tensor& gradient, double learning_rate, double norm,
            const std::function<void(size_t range)>& done = {});

  // Rows of moments, zero outside the own ranges, and updates so far.
  struct State {
    at::Tensor exp_avg, exp_avg_sq;
    int64_t steps_done = 0;
  };
  State& state() { return state_; }

 private:
  // Runs of(begin, end) on whole multiples of 16 numbers around [begin, end), of which those outside stay as they are.
  void aligned(int64_t begin, int64_t end, const std::function<void(int64_t, int64_t)>& of);
  TrainConfig config_;
  FlatParameters& parameters_;
  std::vector<Range> own_;
  std::vector<Pace> learning_;
  State state_;
};

}  // namespace mom::train
