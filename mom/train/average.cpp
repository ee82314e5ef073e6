#include "mom/train/average.h"

#include <ATen/ops/lerp.h>

#include <algorithm>

namespace mom::train {

WeightAverage::WeightAverage(FlatParameters& parameters, double decay, std::vector<Range> own)
    : decay_(decay), parameters_(parameters), own_(std::move(own)), average_(parameters.zeros()) {
  if (own_.empty()) own_ = {{0, parameters.length()}};
  restart();
}

void WeightAverage::update(int64_t steps_done) {
  torch::NoGradGuard no_grad;
  const auto n = static_cast<double>(steps_done);
  for (const Range& range : own_)
    average_.narrow(0, range.begin, range.length)
        .lerp_(parameters_.values().narrow(0, range.begin, range.length),
               1 - std::min(decay_, (1 + n) / (10 + n)));
}

void WeightAverage::restart() {
  torch::NoGradGuard no_grad;
  for (const Range& range : own_)
    average_.narrow(0, range.begin, range.length)
        .copy_(parameters_.values().narrow(0, range.begin, range.length));
}

WeightAverage::InUse::InUse(WeightAverage& average) : parameters_(average.parameters_) {
  parameters_.show(average.average_);
}

WeightAverage::InUse::~InUse() { parameters_.show(parameters_.values()); }

}  // namespace mom::train
