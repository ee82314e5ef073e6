// The tensors of a model folder: model.safetensors, or where there is none the shards that model.safetensors.index.json
// lists ({"weight_map": {TENSOR: FILE}}), which alone says what is read. A checkpoint whose model.safetensors is an
// average over training has the weights of its last step beside it.
#pragma once

#include "mom/nn/tensor_io.h"

namespace mom::models {

inline constexpr const char* kWholeWeights = "model.safetensors";
inline constexpr const char* kLastWeights = "last.safetensors";
enum class WeightsOf { kModel, kLastStep };

// By the names in the files. InputError: no such file, a shard missing, a tensor not in its shard; where the weights
// are there in PyTorch's own format, how to convert them; of the last step, where the folder keeps no average.
nn::NamedTensors read_weight_files(const Path& folder, WeightsOf which = WeightsOf::kModel);

// What messages about the folder's tensors name: its model.safetensors, or its index; its last.safetensors.
Path weights_of(const Path& folder, WeightsOf which = WeightsOf::kModel);

}  // namespace mom::models
