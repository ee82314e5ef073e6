// The exponential moving average of a model's weights. After each optimizer step, where n steps are done:
//   average += (1 - d) (weight - average),   d = min(decay, (1 + n) / (10 + n))
// so that it forgets the first weights quickly (as TensorFlow's and timm's). f32, one number per weight.
#pragma once

#include "mom/train/flat_parameters.h"

namespace mom::train {

class WeightAverage {
 public:
  // Begins at the weights of this moment. The parameters must outlive it.
  WeightAverage(FlatParameters& parameters, double decay);
  void update(int64_t steps_done);
  void restart();                            // at the weights of this moment
  at::Tensor& values() { return average_; }  // of the parameters' layout

  // While it lives, all models of the parameters compute with the average instead; no number is moved.
  class InUse {
   public:
    explicit InUse(WeightAverage& average);
    ~InUse();
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    FlatParameters& parameters_;
  };

 private:
  double decay_;
  FlatParameters& parameters_;
  at::Tensor average_;
};

}  // namespace mom::train
