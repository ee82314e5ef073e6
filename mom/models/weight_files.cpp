#include "mom/models/weight_files.h"

#include <map>
#include <string>
#include <vector>

#include "mom/base/error.h"
#include "mom/base/json.h"

namespace mom::models {
namespace fs = std::filesystem;
namespace {

// Keeps the names, and gives tensors that share memory memory of their own, which safetensors asks for.
constexpr const char* kConvert =
    "python3 -c \"import glob, torch; from safetensors.torch import save_file; "
    "save_file({name: tensor.contiguous().clone() for file in glob.glob('pytorch_model*.bin') "
    "for name, tensor in torch.load(file, map_location='cpu', weights_only=True).items()}, "
    "'model.safetensors')\"";

[[noreturn]] void no_weights(const Path& folder, const std::string& name) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with("pytorch_model") && file.ends_with(".bin"))
      throw InputError({folder.string(), name, file + ", PyTorch's own format",
                        std::string("convert it, in that folder: ") + kConvert});
  }
  throw InputError({folder.string(), name + ", or " + name + kIndexSuffix + " and its shards", "neither",
                    "give a folder with all files of the model"});
}

// The names of each shard's tensors.
std::map<std::string, std::vector<std::string>> read_index(const Path& file) {
  const Json index = read_json(file), map = index.is_object() ? index.value("weight_map", Json()) : Json();
  if (!map.is_object() || map.empty())
    throw InputError({file.string(), "\"weight_map\" as an object of file names by tensor", "none", ""});
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : map.items()) {
    const std::string name = json_string(map, tensor.c_str(), file.string() + ": weight_map");
    if (Path(name).filename() != name || name == "..")
      throw InputError({file.string() + ": weight_map, \"" + tensor + "\"", "the name of a file beside it",
                        "\"" + name + "\"", ""});
    shards[name].push_back(tensor);
  }
  return shards;
}

}  // namespace

bool has_weights(const Path& folder, const std::string& name) {
  return fs::exists(folder / name) || fs::exists(folder / (name + kIndexSuffix));
}

void write_index(const Path& file, const std::map<std::string, std::string>& file_of, int64_t total_bytes) {
  OrderedJson index;
  index["metadata"]["total_size"] = total_bytes;
  index["weight_map"] = file_of;
  publish_json(file, index);
}

namespace {

// The file, or the index.
Path find_weights(const Path& folder, const std::string& name) {
  for (const std::string& file : {name, name + kIndexSuffix})
    if (fs::exists(folder / file)) return folder / file;
  no_weights(folder, name);
}

}  // namespace

WeightFiles::WeightFiles(const Path& folder, const std::string& name) : path_(find_weights(folder, name)) {
  if (path_.filename() == name) {
    add(path_, nullptr);
    return;
  }
  for (const auto& [shard, listed] : read_index(path_)) {
    if (!fs::exists(folder / shard))
      throw InputError({(folder / shard).string(),
                        "the shard with " + std::to_string(listed.size()) + " tensors (" + listed.front() +
                            ", ...) that " + path_.filename().string() + " lists",
                        "no such file", "copy it into the folder, too"});
    add(folder / shard, &listed);
  }
}

void WeightFiles::add(const Path& file, const std::vector<std::string>* listed) {
  readers_.push_back(std::make_shared<const formats::SafetensorsReader>(file));
  const formats::SafetensorsReader& reader = *readers_.back();
  const auto keep = [&](const std::string& name) {
    names_.push_back(name);
    tensors_[name] = &reader.get(name);
  };
  if (!listed)
    for (const auto& [name, view] : reader.tensors()) keep(name);
  else
    for (const std::string& name : *listed) {
      if (!reader.contains(name))
        throw InputError({file.string(), "tensor " + name + ", as " + path_.filename().string() + " says",
                          "none of that name",
                          "the shards are not of one model: copy them and the index again"});
      keep(name);
    }
}

const formats::TensorView* WeightFiles::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

namespace {

std::string name_of(const Path& folder, WeightsOf which) {
  if (which == WeightsOf::kModel) return kWholeWeights;
  if (has_weights(folder, kLastWeights)) return kLastWeights;
  throw InputError({folder.string(),
                    std::string(kLastWeights) + ", the weights of the last step beside an average",
                    "none: the model has no average (train.ema_decay is 0)",
                    "leave --last-weights out: its weights are those of the last step"});
}

}  // namespace

Path weights_of(const Path& folder, WeightsOf which) { return find_weights(folder, name_of(folder, which)); }

nn::NamedTensors read_weight_files(const Path& folder, WeightsOf which) {
  const WeightFiles files(folder, name_of(folder, which));
  nn::NamedTensors tensors;
  for (const std::string& name : files.names()) tensors.emplace(name, nn::to_tensor(*files.find(name)));
  return tensors;
}

}  // namespace mom::models
