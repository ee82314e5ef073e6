#include "mom/nn/modality_linear.h"

#include "mom/ops/modality_linear.h"
#include "mom/ops/row_map.h"

namespace mom::nn {

ModalityLinearImpl::ModalityLinearImpl(const ModalityLinearOptions& options) : options_(options) {
  if (!options_.weight.init) options_.weight.init = init_fan_in(options.in_features);
  if (!options_.bias_traits.init) options_.bias_traits.init = init_constant(0);
  auto add = [&](Module& owner, int64_t modality) {
    ParameterTraits weight = options_.weight, bias = options_.bias_traits;
    weight.modality = bias.modality = modality;
    weights_.push_back(owner.add_parameter("weight", {options.out_features, options.in_features}, weight));
    if (options.bias) biases_.push_back(owner.add_parameter("bias", {options.out_features}, bias));
  };
  if (!decoupled()) add(*this, -1);
  for (size_t i = 0; i < options.groups.size(); ++i)
    add(*register_module(options.groups[i], NameScope()),
        options.groups_are_modalities ? static_cast<int64_t>(i) : -1);
}

at::Tensor ModalityLinearImpl::forward(const at::Tensor& x_TI, const Routing& routing, bool add_bias) {
  const at::TensorList biases = add_bias ? at::TensorList(biases_) : at::TensorList();
  if (decoupled() && routing.rows_by_set) {
    const at::Tensor by_set_TI = ops::take_rows(x_TI, routing.rows_by_set);
    return ops::add_rows(
        ops::modality_linear_of_parameters(by_set_TI, weights_, biases, routing.set_offsets_M1), {},
        routing.rows_by_set);
  }
  return ops::modality_linear_of_parameters(
      x_TI, weights_, biases,
      decoupled() ? routing.group_offsets_M1 : torch::tensor({int64_t{0}, x_TI.size(0)}, torch::kInt64));
}

ModalityLinearOptions projection_options(const Trunk& trunk, const std::string& part, int64_t in, int64_t out,
                                         bool bias) {
  ModalityLinearOptions options{
      .in_features = in, .out_features = out, .bias = bias, .groups = trunk.owners_of(part)};
  options.weight.factor = true;
  if (!trunk.random_sets || options.groups.empty()) return options;
  options.groups_are_modalities = false;
  options.weight.share = options.bias_traits.share = 1.0 / static_cast<double>(options.groups.size());
  for (size_t set = 0; set < options.groups.size(); ++set) options.groups[set] = "set_" + std::to_string(set);
  return options;
}

ModalityLinearOptions residual_options(const Trunk& trunk, const std::string& part, int64_t in, int64_t out,
                                       bool bias) {
  ModalityLinearOptions options = projection_options(trunk, part, in, out, bias);
  options.weight.init = init_residual(in, trunk.num_blocks);
  return options;
}

}  // namespace mom::nn
