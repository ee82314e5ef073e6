// Weights in fewer bits, on disk. The backbone's matrices (projections, tables of tokens) become bf16, or
// 8-bit integers NAME.weight with one f32 scale per row in NAME.weight_scale (kernels/matvec.h says how they
// are rounded); norms, convolution and state parameters stay f32. config.json's torch_dtype says which.
#pragma once

#include <string>

#include "mom/kernels/matvec.h"
#include "mom/models/model.h"

namespace mom::models {

// UserError where `name` is none of weight_types().
kernels::WeightType weight_type_of(const std::string& name);

// The model's tensors as a folder of that type holds them. UserError on an unknown type.
nn::NamedTensors weights_as(ModelImpl& model, const std::string& type);
// Rounds the model's own weights: what write_model_as and load_model would make of them.
void round_weights(ModelImpl& model, const std::string& type);
void write_model_as(const Path& folder, ModelImpl& model, const std::string& type);

// 8-bit rows times their scales, f32; for load_weights.
at::Tensor dequantized(const at::Tensor& quantized_RC, const at::Tensor& scale_R);
inline constexpr const char* kScaleSuffix = "_scale";

}  // namespace mom::models
