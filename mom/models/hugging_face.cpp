#include "mom/models/hugging_face.h"

#include <cstdint>
#include <tuple>

#include "mom/base/error.h"

namespace mom::models {
namespace {

int64_t positive(const Json& json, const char* key, int64_t fallback, std::string_view where) {
  const Json value = json.contains(key) && !json[key].is_null() ? json[key] : Json(fallback);
  if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > int64_t{1} << 24)
    throw InputError({std::string(where) + ": \"" + key + "\"", "1 to 16777216", value.dump(), ""});
  return value.get<int64_t>();
}

// A Llama folder of Hugging Face: what our transformer has no part for is an error, not ignored.
Json from_llama(const Json& json, std::string_view where) {
  auto only = [&](const char* key, const Json& allowed) {
    if (json.contains(key) && !json[key].is_null() && json[key] != allowed)
      throw InputError({std::string(where) + ": \"" + key + "\"", allowed.dump(), json[key].dump(),
                        "models with it cannot be read"});
  };
  Json ours = json;
  const int64_t width = positive(json, "hidden_size", 4096, where),
                heads = positive(json, "num_attention_heads", 32, where);
  only("num_key_value_heads", heads);
  only("head_dim", width / heads);
  only("attention_bias", false);
  only("mlp_bias", false);
  only("rope_scaling", Json());
  ours["model_type"] = "transformer";
  ours["hidden_size"] = width;
  ours["num_attention_heads"] = heads;
  ours["num_hidden_layers"] = 2 * positive(json, "num_hidden_layers", 32, where);  // blocks
  ours["feed_forward_size"] = positive(json, "intermediate_size", 11008, where);
  ours["layer_norm_epsilon"] = json.value("rms_norm_eps", Json(1e-6));
  if (!json.contains("tie_word_embeddings")) ours["tie_word_embeddings"] = false;
  // Newer folders keep it in a table of its own.
  if (json.contains("rope_parameters") && json["rope_parameters"].is_object()) {
    const Json& rope = json["rope_parameters"];
    if (rope.value("rope_type", Json("default")) != "default")
      throw InputError(
          {std::string(where) + ": \"rope_parameters\"", "rope_type \"default\"", rope.dump(), ""});
    if (rope.contains("rope_theta")) ours["rope_theta"] = rope["rope_theta"];
  }
  return ours;
}

// The config.json of the authors' own package (state-spaces) in Hugging Face's keys. Layers of other kinds
// (Mamba-2, attention, an MLP) are an error, not ignored.
Json from_state_spaces(const Json& json, std::string_view where) {
  const Json ssm = json.value("ssm_cfg", Json::object()),
             attention = json.value("attn_layer_idx", Json::array());
  if (!ssm.is_object() || ssm.value("layer", Json("Mamba1")) != "Mamba1" || !attention.empty() ||
      json.value("d_intermediate", Json(0)) != 0 || json.value("rms_norm", Json(true)) != true)
    throw InputError({std::string(where), "Mamba-1 layers with RMS norms alone", "others", ""});
  Json ours{{"model_type", "mamba"},
            {"hidden_size", json["d_model"]},
            {"num_hidden_layers", json["n_layer"]},
            {"tie_word_embeddings", json.value("tie_embeddings", Json(true))}};
  const int64_t vocabulary = positive(json, "vocab_size", 50277, where),
                multiple = positive(json, "pad_vocab_size_multiple", 8, where);
  ours["vocab_size"] = (vocabulary + multiple - 1) / multiple * multiple;
  const std::pair<const char*, const char*> names[] = {{"d_state", "state_size"},
                                                       {"d_conv", "conv_kernel"},
                                                       {"expand", "expand"},
                                                       {"dt_rank", "time_step_rank"}};
  for (const auto& [theirs, key] : names)
    if (ssm.contains(theirs)) ours[key] = ssm[theirs];
  return ours;
}

// Llama's names of Hugging Face as ours: one of its layers is two blocks, attention and feed-forward.
std::string from_llama_name(const std::string& name) {
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

}  // namespace

Json in_our_keys(const Json& json, std::string_view where) {
  if (!json.is_object()) throw InputError({std::string(where), "a JSON object", json.type_name(), ""});
  if (!json.contains("model_type") && json.contains("d_model") && json.contains("n_layer"))
    return in_our_keys(from_state_spaces(json, where), where);
  if (json.value("model_type", Json()) == "llama") return from_llama(json, where);
  Json ours = json;
  if (json.value("time_step_rank", Json()) == "auto") ours.erase("time_step_rank");
  return ours;
}

std::string our_name(const std::string& name, bool llama) {
  if (name == "backbone.embedding.weight") return "backbone.embeddings.weight";  // of state-spaces
  return llama ? from_llama_name(name) : name;
}

}  // namespace mom::models
