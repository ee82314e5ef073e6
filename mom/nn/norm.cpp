#include "mom/nn/norm.h"

#include "mom/ops/arguments.h"
#include "mom/ops/rms_norm.h"

namespace mom::nn {
RmsNormImpl::RmsNormImpl(int64_t width, double epsilon, const std::vector<std::string>& modalities)
    : epsilon_(epsilon) {
  auto add = [&](Module& owner, int64_t modality) {
    weights_.push_back(owner.add_parameter("weight", {width},
                                           {.init = init_constant(1), .decay = false, .modality = modality}));
  };
  if (modalities.empty()) add(*this, -1);
  for (size_t m = 0; m < modalities.size(); ++m)
    add(*register_module(modalities[m], NameScope()), static_cast<int64_t>(m));
}

std::tuple<at::Tensor, at::Tensor> RmsNormImpl::forward(const at::Tensor& x_TE, const at::Tensor& residual_TE,
                                                        const Routing& routing) {
  const auto residual = ops::if_defined(residual_TE);
  if (weights_.size() == 1) return ops::add_rms_norm(x_TE, residual, weights_[0], epsilon_);
  return ops::add_modality_rms_norm(x_TE, residual, weights_, routing.group_offsets_M1, epsilon_);
}

}  // namespace mom::nn
