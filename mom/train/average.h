// The exponential moving average of a model's weights. After each optimizer step, where n steps are done:
//   average += (1 - d) (weight - average),   d = min(decay, (1 + n) / (10 + n))
// so that it forgets the first weights quickly (as TensorFlow's and timm's). f32, one number per weight.
#pragma once

#include <vector>

#include "mom/models/model.h"

namespace mom::train {

class WeightAverage {
 public:
  // Begins at the model's weights. The model must outlive it.
  WeightAverage(models::ModelImpl& model, double decay);
  void update(int64_t steps_done);
  void restart();  // at the model's weights of this moment

  // While it lives, the model computes with the average instead of its weights; no number is moved.
  class InUse {
   public:
    explicit InUse(WeightAverage& average);
    ~InUse();
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    std::vector<at::Tensor>& parameters_;
    std::vector<at::Tensor> weights_;
  };

 private:
  double decay_;
  std::vector<at::Tensor> parameters_, averages_;
};

}  // namespace mom::train
