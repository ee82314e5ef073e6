// A model's twin on another device.
#pragma once

#include <torch/types.h>

#include "mom/models/model.h"

namespace mom::test {

inline models::Model model_on(c10::Device device, models::Model model) {
  const nn::OnDevice there(device);
  models::Model copy(model->spec());
  torch::NoGradGuard no_grad;
  const auto from = model->parameters();
  auto to = copy->parameters();
  for (size_t i = 0; i < to.size(); ++i) to[i].copy_(from[i]);
  return copy;
}

}  // namespace mom::test
