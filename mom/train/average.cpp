#include "mom/train/average.h"

#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_lerp.h>

#include <algorithm>

namespace mom::train {

WeightAverage::WeightAverage(models::ModelImpl& model, double decay) : decay_(decay) {
  for (const nn::Parameter& parameter : nn::parameters_of(model)) {
    parameters_.push_back(parameter.tensor);
    averages_.push_back(parameter.tensor.detach().clone());
  }
}

void WeightAverage::update(int64_t steps_done) {
  torch::NoGradGuard no_grad;
  const auto n = static_cast<double>(steps_done);
  at::_foreach_lerp_(averages_, parameters_, 1 - std::min(decay_, (1 + n) / (10 + n)));
}

void WeightAverage::restart() {
  torch::NoGradGuard no_grad;
  at::_foreach_copy_(averages_, parameters_);
}

WeightAverage::InUse::InUse(WeightAverage& average) : parameters_(average.parameters_) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    weights_.push_back(parameters_[i].detach());
    parameters_[i].set_data(average.averages_[i]);
  }
}

WeightAverage::InUse::~InUse() {
  for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].set_data(weights_[i]);
}

}  // namespace mom::train
