#include "mom/train/average.h"

#include <ATen/ops/lerp.h>

#include <algorithm>

namespace mom::train {

WeightAverage::WeightAverage(FlatParameters& parameters, double decay)
    : decay_(decay), parameters_(parameters), average_(parameters.values().clone()) {}

void WeightAverage::update(int64_t steps_done) {
  torch::NoGradGuard no_grad;
  const auto n = static_cast<double>(steps_done);
  average_.lerp_(parameters_.values(), 1 - std::min(decay_, (1 + n) / (10 + n)));
}

void WeightAverage::restart() {
  torch::NoGradGuard no_grad;
  average_.copy_(parameters_.values());
}

WeightAverage::InUse::InUse(WeightAverage& average) : parameters_(average.parameters_) {
  parameters_.show(average.average_);
}

WeightAverage::InUse::~InUse() { parameters_.show(parameters_.values()); }

}  // namespace mom::train
