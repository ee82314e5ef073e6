#include "mom/nn/norm.h"

#include "mom/nn/parameter.h"
#include "mom/ops/arguments.h"
#include "mom/ops/rms_norm.h"

namespace mom::nn {
RmsNormImpl::RmsNormImpl(int64_t width, double epsilon, const std::vector<std::string>& modalities)
    : epsilon_(epsilon) {
  if (modalities.empty()) weights_.push_back(register_parameter("weight", empty_parameter({width})));
  for (const std::string& modality : modalities)
    weights_.push_back(
        register_module(modality, NameScope())->register_parameter("weight", empty_parameter({width})));
}

std::tuple<at::Tensor, at::Tensor> RmsNormImpl::forward(const at::Tensor& x_TE, const at::Tensor& residual_TE,
                                                        const Routing& routing) {
  const auto residual = ops::if_defined(residual_TE);
  if (weights_.size() == 1) return ops::add_rms_norm(x_TE, residual, weights_[0], epsilon_);
  return ops::add_modality_rms_norm(x_TE, residual, weights_, routing.group_offsets_M1, epsilon_);
}

}  // namespace mom::nn
