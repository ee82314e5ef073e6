// AdamW with decoupled decay and the schedules of its learning rate. State in f32, one pair of moments per parameter.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

#include "mom/models/model.h"
#include "mom/train/recipe.h"

namespace mom::train {

// Step counts from 0. Linear warm-up to the peak; then a cosine to the minimum at the last step, or wsd: the peak, and in
// the last steps minimum + (peak - minimum) (1 - sqrt(share of the decay done)), which Hägele et al. 2024 (arXiv
// 2405.18392) found better than a line.
double learning_rate_at(const TrainConfig& config, int64_t step);

class AdamW {
 public:
  AdamW(models::ModelImpl& model, const TrainConfig& config);

  void zero_grad();
  // Global 2-norm of all gradients.
  double gradient_norm() const;
  // One update; gradients above clip_norm (0: no limit) count as scaled down to it. `norm` is theirs.
  void step(double learning_rate, double norm);

  nn::NamedTensors state() const;  // "NAME.exp_avg", "NAME.exp_avg_sq", "step"
  // InputError naming `file` when one is missing or of another shape.
  void restore(const nn::NamedTensors& tensors, const Path& file);

 private:
  struct Group {
    std::vector<std::string> names;
    std::vector<at::Tensor> parameters, exp_avg, exp_avg_sq, steps;
    double weight_decay = 0;
  };
  TrainConfig config_;
  std::vector<Group> groups_;  // with decay, without
};

}  // namespace mom::train
