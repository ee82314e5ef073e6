#include "mom/nn/modality_linear.h"

#include "mom/nn/parameter.h"
#include "mom/ops/modality_linear.h"

namespace mom::nn {
ModalityLinearImpl::ModalityLinearImpl(const ModalityLinearOptions& options) : options_(options) {
  auto add_parameters = [&](torch::nn::Module& owner) {
    weights_.push_back(
        owner.register_parameter("weight", empty_parameter({options.out_features, options.in_features})));
    if (options.bias)
      biases_.push_back(owner.register_parameter("bias", empty_parameter({options.out_features})));
  };
  if (!decoupled()) add_parameters(*this);
  for (const std::string& modality : options.modalities)
    add_parameters(*register_module(modality, NameScope()));
}

at::Tensor ModalityLinearImpl::forward(const at::Tensor& x_TI, const Routing& routing, bool add_bias) {
  const at::TensorList biases = add_bias ? at::TensorList(biases_) : at::TensorList();
  return ops::modality_linear_of_parameters(
      x_TI, weights_, biases,
      decoupled() ? routing.group_offsets_M1 : torch::tensor({int64_t{0}, x_TI.size(0)}, torch::kInt64));
}

ModalityLinearOptions linear_options(const MixerOptions& options, const std::string& name, int64_t in,
                                     int64_t out, bool bias) {
  ModalityLinearOptions linear{in, out, bias, {}};
  if (options.decoupled.count(name)) linear.modalities = options.modalities;
  return linear;
}

}  // namespace mom::nn
