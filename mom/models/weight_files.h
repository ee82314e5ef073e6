// The tensors of a model folder: model.safetensors, or where there is none the shards that model.safetensors.index.json
// lists ({"weight_map": {TENSOR: FILE}}), which alone says what is read. A checkpoint whose model.safetensors is an
// average over training has the weights of its last step beside it, in last.safetensors or its shards.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mom/nn/tensor_io.h"

namespace mom::models {

inline constexpr const char* kWholeWeights = "model.safetensors";
inline constexpr const char* kLastWeights = "last.safetensors";
inline constexpr const char* kIndexSuffix = ".index.json";
enum class WeightsOf { kModel, kLastStep };

// NAME.safetensors of a folder, or the shards that its index lists. Files are mapped, not read.
class WeightFiles {
 public:
  // InputError: neither there, a shard missing, a tensor not in its shard; where the weights are there in PyTorch's own
  // format, how to convert them.
  WeightFiles(const Path& folder, const std::string& name);
  const Path& path() const { return path_; }  // what messages name: the file or the index
  const std::vector<std::string>& names() const { return names_; }
  const formats::TensorView* find(const std::string& name) const;  // null: not there

 private:
  void add(const Path& file, const std::vector<std::string>* listed);
  Path path_;
  std::vector<std::shared_ptr<const formats::SafetensorsReader>> readers_;
  std::vector<std::string> names_;
  std::map<std::string, const formats::TensorView*> tensors_;
};
// Whether the folder has NAME.safetensors or its index.
bool has_weights(const Path& folder, const std::string& name);
// `file_of`: the file beside it by tensor.
void write_index(const Path& file, const std::map<std::string, std::string>& file_of, int64_t total_bytes);

// By the names in the files. InputError as WeightFiles; of the last step, where the folder keeps no average.
nn::NamedTensors read_weight_files(const Path& folder, WeightsOf which = WeightsOf::kModel);

// What messages about the folder's tensors name.
Path weights_of(const Path& folder, WeightsOf which = WeightsOf::kModel);

}  // namespace mom::models
