// Torch tensors <-> safetensors views.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "mom/formats/safetensors.h"

namespace mom::nn {

using NamedTensors = std::map<std::string, at::Tensor>;

at::Tensor to_tensor(const formats::TensorView& view);  // a copy that owns its memory
formats::TensorView view_of(const at::Tensor& tensor);  // contiguous CPU tensor; valid as long as the tensor

NamedTensors load_tensors(const Path& path, std::map<std::string, std::string>* metadata = nullptr);
// Writes (not published: use inside a FolderPublisher).
void write_tensors(const Path& path, const NamedTensors& tensors,
                   const std::map<std::string, std::string>& metadata = {});

}  // namespace mom::nn
