#include <c10/util/StringUtil.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/error.h"
#include "mom/models/model.h"
#include "mom/models/quantize.h"
#include "mom/models/tensor_names.h"
#include "mom/models/weight_files.h"

namespace mom::models {

nn::NamedTensors named_weights(ModelImpl& model) {
  nn::NamedTensors tensors;
  for (auto& item : model.named_parameters()) tensors.emplace(item.key(), item.value().detach().cpu());
  return tensors;
}

void write_config(const Path& folder, const ModelSpec& spec) {
  publish_json(folder / "config.json", to_json(spec));
}

void write_model(const Path& folder, ModelImpl& model) {
  write_config(folder, model.spec());
  nn::write_tensors(folder / kWholeWeights, named_weights(model), kWeightsMetadata);
}

namespace {

// Joins 8-bit matrices with their scales.
void dequantize(nn::NamedTensors& tensors, const Path& file) {
  for (auto& [name, tensor] : tensors) {
    if (tensor.scalar_type() != torch::kInt8) continue;
    const auto scale = tensors.find(name + kScaleSuffix);
    if (tensor.dim() != 2 || scale == tensors.end() || scale->second.numel() != tensor.size(0))
      throw InputError({file.string() + ": " + name, "a scale a row in " + name + kScaleSuffix, "none", ""});
    tensor = dequantized(tensor, scale->second.to(torch::kFloat32).flatten());
    scale->second = at::Tensor();
  }
  std::erase_if(tensors, [](const auto& item) { return !item.second.defined(); });
}

std::string shape_of(const at::Tensor& tensor) { return c10::str(tensor.sizes()); }

// What is wrong with a folder's tensors, in its own names: the first few.
class Problems {
 public:
  void add(const std::string& problem) {
    if (++count_ <= 3) text_ += (text_.empty() ? "" : "; ") + problem;
  }
  void throw_if_any(const Path& file) const {
    if (count_ == 0) return;
    throw InputError(file.string() + ": does not fit its config.json: " + text_ +
                     (count_ > 3 ? "; and " + std::to_string(count_ - 3) + " more" : ""));
  }

 private:
  std::string text_;
  int64_t count_ = 0;
};

TensorNames names_of(const nn::NamedTensors& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return TensorNames(names);
}

// A model saved without its head can be read where the head is the table of embeddings.
void check_head(const ModelSpec& spec, const nn::NamedTensors& tensors, const TensorNames& names,
                const Path& file) {
  if (!names.is_bare() || spec.tie_word_embeddings || tensors.contains("lm_head.weight")) return;
  throw InputError({file.string(), "a language model with its head, lm_head.weight",
                    "the bare model (names without \"" + names.prefix() + "\", no head)",
                    "save it as " + names.full_class() +
                        "; where the head is the table of embeddings, say \"tie_word_embeddings\": true in "
                        "config.json"});
}

// Some writers store the one table twice. A head of its own is what transformers would compute with, whatever config.json says.
void drop_second_table(nn::NamedTensors& tensors, const TensorNames& names, const Path& file) {
  const auto head = tensors.find("lm_head.weight"),
             table = tensors.find(names.theirs("backbone.embeddings.weight"));
  if (head == tensors.end()) return;
  if (table != tensors.end() &&
      !at::equal(head->second.to(torch::kFloat32), table->second.to(torch::kFloat32)))
    throw InputError({file.string(),
                      head->first + " equal to " + table->first + ", as tie_word_embeddings says", "another",
                      "if the head is its own, say \"tie_word_embeddings\": false in config.json"});
  tensors.erase(head);
}

}  // namespace

void load_weights(ModelImpl& model, const Path& folder, WeightsOf which) {
  torch::NoGradGuard no_grad;
  nn::NamedTensors tensors = read_weight_files(folder, which);
  const Path file = weights_of(folder, which);
  const TensorNames names = names_of(tensors);
  dequantize(tensors, file);
  std::erase_if(tensors, [&](const auto& item) { return names.is_buffer(item.first); });
  if (model.spec().tie_word_embeddings) drop_second_table(tensors, names, file);
  check_head(model.spec(), tensors, names, file);
  Problems problems;
  for (auto& item : model.named_parameters()) {
    const std::string name = names.theirs(item.key());
    auto found = tensors.find(name);
    if (found == tensors.end()) {
      problems.add("no tensor " + name);
      continue;
    }
    if (found->second.sizes() != item.value().sizes())
      problems.add(name + " has shape " + shape_of(found->second) + ", not " + shape_of(item.value()));
    else
      item.value().copy_(found->second);
    tensors.erase(found);
  }
  for (const auto& [name, tensor] : tensors) problems.add("unexpected tensor " + name);
  problems.throw_if_any(file);
}

Model load_model(const Path& folder, WeightsOf which, c10::Device device) {
  const Path config = folder / "config.json";
  if (!std::filesystem::exists(config))
    throw InputError({folder.string(), "a model folder with config.json and model.safetensors",
                      "no config.json", "give a model folder or a run"});
  const nn::OnDevice computes(device);
  Model model(spec_from_json(read_json(config), config.string()));
  load_weights(*model, folder, which);
  return model;
}

}  // namespace mom::models
