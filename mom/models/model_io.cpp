#include <torch/torch.h>

#include "mom/base/error.h"
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

// Llama's names of Hugging Face as ours: one of its layers is two blocks, attention and feed-forward.
std::string from_llama(const std::string& name) {
  const std::string_view layer = "model.layers.";
  if (name == "model.embed_tokens.weight") return "backbone.embeddings.weight";
  if (name == "model.norm.weight") return "backbone.norm_f.weight";
  if (!name.starts_with(layer)) return name;
  const size_t dot = name.find('.', layer.size());
  if (dot == std::string::npos || dot - layer.size() > 6) return name;
  const std::string digits = name.substr(layer.size(), dot - layer.size()), rest = name.substr(dot + 1);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) return name;
  const int64_t block = 2 * std::stoll(digits);
  for (const auto& [theirs, ours, offset] :
       {std::tuple<std::string_view, const char*, int64_t>{"input_layernorm.", "norm.", 0},
        {"self_attn.", "mixer.", 0},
        {"post_attention_layernorm.", "norm.", 1},
        {"mlp.", "mixer.", 1}})
    if (rest.starts_with(theirs))
      return "backbone.layers." + std::to_string(block + offset) + "." + ours + rest.substr(theirs.size());
  return name;
}

nn::NamedTensors load_named(const Path& file) {
  nn::NamedTensors tensors = nn::load_tensors(file);
  if (!tensors.contains("model.embed_tokens.weight")) return tensors;
  nn::NamedTensors renamed;
  for (auto& [name, tensor] : tensors) renamed.emplace(from_llama(name), tensor);
  return renamed;
}

}  // namespace

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
