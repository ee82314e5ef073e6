// The exponential moving average of a model's weights. After each optimizer step, where n steps are done:
//   average += (1 - d) (weight - average),   d = min(decay, (1 + n) / (10 + n))
// so that it forgets the first weights quickly (as TensorFlow's and timm's). f32, one number per weight.
#pragma once

#include "mom/train/flat_parameters.h"

namespace mom::train {

class WeightAverage {
 public:
  // Of the `own` ranges; none: everything. Begins at the weights of this moment. The parameters must outlive it.
  WeightAverage(FlatParameters& parameters, double decay, std::vector<Range> own = {});
  void update(int64_t steps_done);
  void restart();                            // at the weights of this moment
  at::Tensor& values() { return average_; }  // a row

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
  std::vector<Range> own_;
  at::Tensor average_;
};

}  // namespace mom::train
