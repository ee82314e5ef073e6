#include "mom/models/weight_files.h"

#include <map>
#include <string>
#include <vector>

#include "mom/base/error.h"
#include "mom/base/json.h"

namespace mom::models {
namespace fs = std::filesystem;
namespace {

constexpr const char* kIndex = "model.safetensors.index.json";

// Keeps the names, and gives tensors that share memory memory of their own, which safetensors asks for.
constexpr const char* kConvert =
    "python3 -c \"import glob, torch; from safetensors.torch import save_file; "
    "save_file({name: tensor.contiguous().clone() for file in glob.glob('pytorch_model*.bin') "
    "for name, tensor in torch.load(file, map_location='cpu', weights_only=True).items()}, "
    "'model.safetensors')\"";

[[noreturn]] void no_weights(const Path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("pytorch_model") && name.ends_with(".bin"))
      throw InputError({folder.string(), kWholeWeights, name + ", PyTorch's own format",
                        std::string("convert it, in that folder: ") + kConvert});
  }
  throw InputError({folder.string(), std::string(kWholeWeights) + ", or " + kIndex + " and its shards",
                    "neither", "give a folder with all files of the model"});
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

Path weights_of(const Path& folder, WeightsOf which) {
  if (which == WeightsOf::kLastStep) {
    if (fs::exists(folder / kLastWeights)) return folder / kLastWeights;
    throw InputError({folder.string(),
                      std::string(kLastWeights) + ", the weights of the last step beside an average",
                      "none: the model has no average (train.ema_decay is 0)",
                      "leave --last-weights out: its weights are those of the last step"});
  }
  if (fs::exists(folder / kWholeWeights)) return folder / kWholeWeights;
  if (fs::exists(folder / kIndex)) return folder / kIndex;
  no_weights(folder);
}

nn::NamedTensors read_weight_files(const Path& folder, WeightsOf which) {
  const Path file = weights_of(folder, which);
  if (file.filename() != kIndex) return nn::load_tensors(file);
  nn::NamedTensors tensors;
  for (const auto& [name, listed] : read_index(file)) {
    const Path shard = folder / name;
    if (!fs::exists(shard))
      throw InputError({shard.string(),
                        "the shard with " + std::to_string(listed.size()) + " tensors (" + listed.front() +
                            ", ...) that " + kIndex + " lists",
                        "no such file", "copy it into the folder, too"});
    const formats::SafetensorsReader reader(shard);
    for (const std::string& tensor : listed) {
      if (!reader.contains(tensor))
        throw InputError({shard.string(), "tensor " + tensor + ", as " + kIndex + " says",
                          "none of that name",
                          "the shards are not of one model: copy them and the index again"});
      tensors.emplace(tensor, nn::to_tensor(reader.get(tensor)));
    }
  }
  return tensors;
}

}  // namespace mom::models
