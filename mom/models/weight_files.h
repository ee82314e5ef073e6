// The tensors of a model folder: model.safetensors, or where there is none the shards that model.safetensors.index.json
// lists ({"weight_map": {TENSOR: FILE}}), which alone says what is read.
#pragma once

#include "mom/nn/tensor_io.h"

namespace mom::models {

// By the names in the files. InputError: no such file, a shard missing, a tensor not in its shard; where the weights
// are there in PyTorch's own format, how to convert them.
nn::NamedTensors read_weight_files(const Path& folder);

// What messages about the folder's tensors name: its model.safetensors, or its index.
Path weights_of(const Path& folder);

}  // namespace mom::models
