#include "mom/models/quantize.h"

#include <algorithm>

#include "mom/base/error.h"

namespace mom::models {
namespace {

using kernels::WeightType;

// Those that every generated token reads; latents go through few and small others.
bool is_matrix(const nn::Parameter& parameter) {
  return parameter.traits.part != nn::Part::kLatentAdapter && parameter.tensor.dim() == 2 &&
         parameter.traits.decay;
}

void add_quantized(nn::NamedTensors& tensors, const std::string& name, const at::Tensor& weight_RC) {
  const int64_t rows = weight_RC.size(0), columns = weight_RC.size(1);
  const at::Tensor from = weight_RC.contiguous(), scale_R = torch::empty({rows}),
                   packed = torch::empty({rows, kernels::packed_columns(columns)}, torch::kInt8);
  kernels::quantize_rows(from.const_data_ptr<float>(), rows, columns, packed.mutable_data_ptr<int8_t>(),
                         scale_R.mutable_data_ptr<float>());
  tensors[name] = packed.narrow(1, 0, columns).contiguous();
  tensors[name + kScaleSuffix] = scale_R;
}

}  // namespace

std::vector<std::string> weight_types() { return {"float32", "bfloat16", "int8"}; }

WeightType weight_type_of(const std::string& name) {
  const std::vector<std::string> names = weight_types();  // in the order of the enum
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw UserError({"--weights", "float32, bfloat16 or int8", "'" + name + "'", ""});
  return static_cast<WeightType>(found - names.begin());
}

nn::NamedTensors weights_as(ModelImpl& model, const std::string& type_name) {
  const WeightType type = weight_type_of(type_name);
  nn::NamedTensors tensors;
  for (const nn::Parameter& parameter : nn::parameters_of(model)) {
    const std::string& name = parameter.name;
    const at::Tensor weight = parameter.tensor.detach();
    if (type == WeightType::kF32 || !is_matrix(parameter)) {
      tensors[name] = weight;
    } else if (type == WeightType::kBF16) {
      tensors[name] = weight.to(torch::kBFloat16);
    } else {
      add_quantized(tensors, name, weight);
    }
  }
  return tensors;
}

at::Tensor dequantized(const at::Tensor& quantized_RC, const at::Tensor& scale_R) {
  return quantized_RC.to(torch::kFloat32) * scale_R.unsqueeze(1);
}

void round_weights(ModelImpl& model, const std::string& type) {
  const torch::NoGradGuard no_grad;
  const nn::NamedTensors tensors = weights_as(model, type);
  for (auto& item : model.named_parameters()) {
    const at::Tensor& weight = tensors.at(item.key());
    const auto scale = tensors.find(item.key() + kScaleSuffix);
    item.value().copy_(scale == tensors.end() ? weight : dequantized(weight, scale->second));
  }
}

void write_model_as(const Path& folder, ModelImpl& model, const std::string& type) {
  OrderedJson config = to_json(model.spec());
  config["torch_dtype"] = type;
  publish_json(folder / "config.json", config);
  nn::write_tensors(folder / "model.safetensors", weights_as(model, type), {{"format", "pt"}});
}

}  // namespace mom::models
