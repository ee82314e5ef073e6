#include "mom/models/hugging_face.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "mom/base/error.h"
#include "mom/base/rounding.h"

namespace mom::models {
namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kGenerationConfig = "generation_config.json";

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
  only("head_dim", width / heads);
  only("attention_bias", false);
  only("mlp_bias", false);
  ours["model_type"] = "transformer";
  ours["hidden_size"] = width;
  ours["num_attention_heads"] = heads;
  ours["num_hidden_layers"] = 2 * positive(json, "num_hidden_layers", 32, where);  // blocks
  ours["feed_forward_size"] = positive(json, "intermediate_size", 11008, where);
  ours["layer_norm_epsilon"] = json.value("rms_norm_eps", Json(1e-6));
  if (!json.contains("tie_word_embeddings")) ours["tie_word_embeddings"] = false;
  // Newer folders keep rope_theta in the same table; the oldest call its rope_type "type".
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!json.contains(key) || json[key].is_null()) continue;
    const Json& rope = json[key];
    if (!rope.is_object() || rope.value("rope_type", rope.value("type", Json("default"))) != "default")
      throw InputError({std::string(where) + ": \"" + key + "\"", "rope_type \"default\"", rope.dump(),
                        "models with it cannot be read"});
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
  ours["vocab_size"] = round_up(vocabulary, multiple);
  const std::pair<const char*, const char*> names[] = {{"d_state", "state_size"},
                                                       {"d_conv", "conv_kernel"},
                                                       {"expand", "expand"},
                                                       {"dt_rank", "time_step_rank"}};
  for (const auto& [theirs, key] : names)
    if (ssm.contains(theirs)) ours[key] = ssm[theirs];
  return ours;
}

bool is_id(const Json& id) { return id.is_number_integer(); }

// The ids in a file of theirs; nothing where it has none.
std::optional<std::vector<int64_t>> stop_tokens_in(const Path& file) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  const Json json = read_json(file);
  if (!json.is_object()) throw InputError({file.string(), "a JSON object", json.type_name(), ""});
  const Json eos = json.value("eos_token_id", Json());
  if (eos.is_null()) return std::nullopt;
  if (is_id(eos)) return std::vector{eos.get<int64_t>()};
  if (eos.is_array() && std::all_of(eos.begin(), eos.end(), is_id)) return eos.get<std::vector<int64_t>>();
  throw InputError(
      {file.string() + ": \"eos_token_id\"", "an id or a list of ids", eos.dump().substr(0, 80), ""});
}

}  // namespace

Json in_our_keys(const Json& json, std::string_view where) {
  if (!json.is_object()) throw InputError({std::string(where), "a JSON object", json.type_name(), ""});
  if (!json.contains("model_type") && json.contains("d_model") && json.contains("n_layer"))
    return in_our_keys(from_state_spaces(json, where), where);
  if (json.value("model_type", Json()) == "llama") return from_llama(json, where);
  if (json.value("model_type", Json()) == "mamba" && json.contains("mixer_rms_eps"))
    throw InputError({std::string(where), "a Mamba's config", "\"mixer_rms_eps\", which FalconMamba has",
                      "models with it cannot be read"});
  Json ours = json;
  if (json.value("time_step_rank", Json()) == "auto") ours.erase("time_step_rank");
  return ours;
}

std::vector<int64_t> stop_tokens(const Path& folder) {
  for (const char* name : {kGenerationConfig, kConfig})
    if (auto ids = stop_tokens_in(folder / name)) return *ids;
  return {};
}

void keep_language(const Path& from, const Path& to) {
  for (const char* name : {kGenerationConfig, "tokenizer.model", "tokenizer.json", "tokenizer_config.json",
                           "special_tokens_map.json"})
    if (std::filesystem::exists(from / name)) publish_file(to / name, read_file(from / name));
  const Json theirs = read_json(from / kConfig);
  OrderedJson ours = parse_ordered_json(read_file(to / kConfig), (to / kConfig).string());
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    ours.erase(key);
    if (theirs.contains(key)) ours[key] = theirs[key];
  }
  publish_json(to / kConfig, ours);
}

}  // namespace mom::models
