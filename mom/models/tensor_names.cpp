#include "mom/models/tensor_names.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

namespace mom::models {
namespace {

constexpr std::string_view kOurLayer = "backbone.layers.", kLlamaLayer = "model.layers.";
constexpr std::string_view kHead = "lm_head.";

struct Pair {
  std::string_view theirs, ours;
};
constexpr Pair kWholeNames[] = {{"model.embed_tokens.weight", "backbone.embeddings.weight"},
                                {"model.norm.weight", "backbone.norm_f.weight"}};
constexpr Pair kStateSpaces = {"backbone.embedding.weight", "backbone.embeddings.weight"};
// Parts of a layer, by the block of ours that they are in.
struct LayerPart {
  std::string_view theirs, ours;
  int64_t block;
};
constexpr LayerPart kLayerParts[] = {{"input_layernorm.", "norm.", 0},
                                     {"self_attn.", "mixer.", 0},
                                     {"post_attention_layernorm.", "norm.", 1},
                                     {"mlp.", "mixer.", 1}};

struct InLayer {
  int64_t layer;
  std::string rest;
};
// "model.layers.12.mlp.up_proj.weight" -> 12, "mlp.up_proj.weight".
std::optional<InLayer> split_layer(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const size_t dot = name.find('.', prefix.size());
  if (dot == std::string_view::npos || dot == prefix.size() || dot - prefix.size() > 6) return std::nullopt;
  const std::string digits(name.substr(prefix.size(), dot - prefix.size()));
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return InLayer{std::stoll(digits), std::string(name.substr(dot + 1))};
}

std::string name_from_llama(const std::string& name) {
  for (const Pair& pair : kWholeNames)
    if (name == pair.theirs) return std::string(pair.ours);
  const auto in = split_layer(name, kLlamaLayer);
  for (const LayerPart& part : kLayerParts)
    if (in && in->rest.starts_with(part.theirs))
      return std::string(kOurLayer) + std::to_string(2 * in->layer + part.block) + "." +
             std::string(part.ours) + in->rest.substr(part.theirs.size());
  return name;
}

std::string name_to_llama(const std::string& name) {
  for (const Pair& pair : kWholeNames)
    if (name == pair.ours) return std::string(pair.theirs);
  const auto in = split_layer(name, kOurLayer);
  for (const LayerPart& part : kLayerParts)
    if (in && in->rest.starts_with(part.ours) && in->layer % 2 == part.block)
      return std::string(kLlamaLayer) + std::to_string(in->layer / 2) + "." + std::string(part.theirs) +
             in->rest.substr(part.ours.size());
  return name;
}

}  // namespace

TensorNames::TensorNames(const std::vector<std::string>& in_files) {
  const auto any = [&](auto is) { return std::any_of(in_files.begin(), in_files.end(), is); };
  bare_ = any([](std::string_view n) {
    return n == "embeddings.weight" || n == "embedding.weight" || n == "embed_tokens.weight" ||
           n.starts_with("layers.");
  });
  llama_ = any([](std::string_view n) {
    return n.starts_with("model.") || n == "embed_tokens.weight" || n.find(".self_attn.") != n.npos;
  });
  state_spaces_ = any([](std::string_view n) { return n == kStateSpaces.theirs || n == "embedding.weight"; });
}

std::string TensorNames::ours(const std::string& theirs) const {
  const std::string full = bare_ && !theirs.starts_with(kHead) ? prefix() + theirs : theirs;
  if (state_spaces_ && full == kStateSpaces.theirs) return std::string(kStateSpaces.ours);
  return llama_ ? name_from_llama(full) : full;
}

std::string TensorNames::theirs(const std::string& ours) const {
  std::string full = llama_ ? name_to_llama(ours) : ours;
  if (state_spaces_ && ours == kStateSpaces.ours) full = kStateSpaces.theirs;
  return bare_ && full.starts_with(prefix()) ? full.substr(prefix().size()) : full;
}

bool TensorNames::is_buffer(const std::string& theirs) const {
  return llama_ && theirs.ends_with("rotary_emb.inv_freq");
}

}  // namespace mom::models
