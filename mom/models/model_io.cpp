#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/error.h"
#include "mom/models/hugging_face.h"
#include "mom/models/model.h"
#include "mom/models/quantize.h"

namespace mom::models {

nn::NamedTensors named_weights(ModelImpl& model) {
  nn::NamedTensors tensors;
  for (auto& item : model.named_parameters()) tensors.emplace(item.key(), item.value().detach());
  return tensors;
}

void write_model(const Path& folder, ModelImpl& model) {
  publish_json(folder / "config.json", to_json(model.spec()));
  nn::write_tensors(folder / "model.safetensors", named_weights(model), {{"format", "pt"}});
}

namespace {

nn::NamedTensors load_named(const Path& file) {
  nn::NamedTensors tensors;
  nn::NamedTensors found = nn::load_tensors(file);
  const bool llama = found.contains("model.embed_tokens.weight");
  for (auto& [name, tensor] : found) tensors.emplace(our_name(name, llama), tensor);
  return tensors;
}

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

}  // namespace

void load_weights(ModelImpl& model, const Path& file) {
  torch::NoGradGuard no_grad;
  nn::NamedTensors tensors = load_named(file);
  dequantize(tensors, file);
  if (model.spec().tie_word_embeddings)
    tensors.erase("lm_head.weight");  // some writers store the table twice
  std::string problems;
  int64_t num_problems = 0;
  auto complain = [&](const std::string& problem) {
    if (++num_problems <= 3) problems += (problems.empty() ? "" : "; ") + problem;
  };
  for (auto& item : model.named_parameters()) {
    auto found = tensors.find(item.key());
    if (found == tensors.end()) {
      complain("no tensor " + item.key());
      continue;
    }
    if (found->second.sizes() != item.value().sizes()) {
      complain(item.key() + " has another shape than config.json says");
    } else {
      item.value().copy_(found->second);
    }
    tensors.erase(found);
  }
  for (const auto& [name, tensor] : tensors) complain("unexpected tensor " + name);
  if (num_problems > 3) problems += "; and " + std::to_string(num_problems - 3) + " more";
  if (num_problems > 0) throw InputError(file.string() + ": does not fit its config.json: " + problems);
}

Model load_model(const Path& folder) {
  const Path config = folder / "config.json", weights = folder / "model.safetensors";
  if (!std::filesystem::exists(config))
    throw InputError({folder.string(), "a model folder with config.json and model.safetensors",
                      "no config.json", "give a model folder or a run"});
  Model model(spec_from_json(read_json(config), config.string()));
  load_weights(*model, weights);
  return model;
}

}  // namespace mom::models
