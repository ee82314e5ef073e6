// config.json of a model folder: the keys of Hugging Face's MambaConfig where there are such, and ours.
#include <algorithm>

#include "mom/base/error.h"
#include "mom/models/backbones.h"
#include "mom/models/model_config.h"

namespace mom::models {

OrderedJson to_json(const ModelSpec& spec) {
  OrderedJson json;
  json["model_type"] = spec.model_type;
  if (spec.model_type == "mamba" || spec.model_type == "mixture_of_mamba")
    json["architectures"] = {spec.model_type == "mamba" ? "MambaForCausalLM" : "MixtureOfMamba"};
  json["vocab_size"] = spec.vocab_size;
  json["hidden_size"] = spec.hidden_size;
  json["num_hidden_layers"] = spec.num_blocks;
  if (spec.has_mixer("mamba") || spec.has_mixer("ssm")) {
    json["state_size"] = spec.state_size;
    json["conv_kernel"] = spec.conv_kernel;
    json["expand"] = spec.intermediate_size / spec.hidden_size;
    json["intermediate_size"] = spec.intermediate_size;
    json["time_step_rank"] = spec.time_step_rank;
    json["use_conv_bias"] = spec.use_conv_bias;
  }
  if (spec.has_mixer("ssm")) {
    json["discretisation"] = spec.discretisation;
    json["ssm_init"] = spec.ssm_init;
  }
  if (spec.has_mixer("attention")) {
    json["num_attention_heads"] = spec.num_attention_heads;
    json["rope_theta"] = spec.rope_theta;
  }
  if (spec.has_mixer("feed_forward") || spec.has_mixer("experts"))
    json["feed_forward_size"] = spec.feed_forward_size;
  if (spec.has_mixer("experts")) {
    json["num_experts"] = spec.num_experts;
    json["experts_per_token"] = spec.experts_per_token;
    json["router"] = spec.router;
    json["capacity_factor"] = spec.capacity_factor;
  }
  json["layer_norm_epsilon"] = spec.layer_norm_epsilon;
  json["use_bias"] = spec.use_bias;
  json["hidden_act"] = "silu";
  json["residual_in_fp32"] = true;
  json["tie_word_embeddings"] = spec.tie_word_embeddings;
  json["bos_token_id"] = 2;
  json["eos_token_id"] = 3;
  json["pad_token_id"] = 0;
  json["torch_dtype"] = "float32";  // a model is written as it is trained; quantize.h writes others
  json["modalities"] = spec.modalities;
  json["decoupled"] = spec.decoupled;
  if (!spec.setting.empty()) json["setting"] = spec.setting;
  if (spec.latents()) {
    json["latent_shape"] = spec.latents()->latent_shape;
    json["patch_size"] = spec.latents()->patch_size;
    json["diffusion_steps"] = spec.diffusion_steps;
  }
  if (!spec.vocabulary.empty()) {
    json["vocabulary"] = spec.vocabulary.to_json();
    json["modality_table"] = spec.vocabulary.table_json();
  }
  if (!spec.codec_hashes.empty()) json["codec_hashes"] = spec.codec_hashes;
  return json;
}

namespace {

constexpr int64_t kMany = int64_t{1} << 24;

template <class T>
T value_or(const Json& json, const char* key, T fallback, std::string_view where) {
  auto found = json.find(key);
  if (found == json.end() || found->is_null()) return fallback;
  try {
    return found->get<T>();
  } catch (const Json::exception&) {
    throw InputError(std::string(where) + ": key \"" + key + "\" has the wrong type, found " + found->dump());
  }
}

int64_t checked(const Json& json, const char* key, int64_t fallback, int64_t high, std::string_view where) {
  const int64_t value = value_or<int64_t>(json, key, fallback, where);
  if (value < 1 || value > high)
    throw InputError({std::string(where) + ": \"" + key + "\"", "1 to " + std::to_string(high),
                      std::to_string(value), ""});
  return value;
}

std::string chosen(const Json& json, const char* key, const std::string& fallback,
                   const std::vector<std::string>& choices, std::string_view where) {
  const std::string value = value_or<std::string>(json, key, fallback, where);
  if (!std::count(choices.begin(), choices.end(), value))
    throw InputError({std::string(where) + ": \"" + key + "\"", choices[0] + " or " + choices[1],
                      "\"" + value + "\"", ""});
  return value;
}

// A Llama folder of Hugging Face: what our transformer has no part for is an error, not ignored.
void read_llama(const Json& json, ModelSpec& spec, std::string_view where) {
  auto only = [&](const char* key, const Json& allowed) {
    if (json.contains(key) && !json[key].is_null() && json[key] != allowed)
      throw InputError({std::string(where) + ": \"" + key + "\"", allowed.dump(), json[key].dump(),
                        "models with it cannot be read"});
  };
  spec.model_type = "transformer";
  spec.num_blocks = 2 * checked(json, "num_hidden_layers", 32, 2048, where);
  spec.num_attention_heads = checked(json, "num_attention_heads", 32, 4096, where);
  spec.feed_forward_size = checked(json, "intermediate_size", 11008, kMany, where);
  spec.layer_norm_epsilon = value_or<double>(json, "rms_norm_eps", 1e-6, where);
  spec.tie_word_embeddings = value_or<bool>(json, "tie_word_embeddings", false, where);
  only("num_key_value_heads", spec.num_attention_heads);
  only("head_dim", spec.hidden_size / spec.num_attention_heads);
  only("attention_bias", false);
  only("mlp_bias", false);
  only("rope_scaling", Json());
  spec.rope_theta = value_or<double>(json, "rope_theta", 10000, where);
  // Newer folders keep it in a table of its own.
  if (json.contains("rope_parameters") && json["rope_parameters"].is_object()) {
    const Json& rope = json["rope_parameters"];
    if (rope.value("rope_type", "default") != "default")
      throw InputError(
          {std::string(where) + ": \"rope_parameters\"", "rope_type \"default\"", rope.dump(), ""});
    spec.rope_theta = value_or<double>(rope, "rope_theta", spec.rope_theta, where);
  }
}

// The config.json of the authors' own package (state-spaces) in Hugging Face's keys. Layers of other kinds
// (Mamba-2, attention, an MLP) are an error, not ignored.
Json from_state_spaces(const Json& json, std::string_view where) {
  const Json ssm = value_or<Json>(json, "ssm_cfg", Json::object(), where),
             attention = value_or<Json>(json, "attn_layer_idx", Json::array(), where);
  if (!ssm.is_object() || value_or<std::string>(ssm, "layer", "Mamba1", where) != "Mamba1" ||
      !attention.empty() || value_or<int64_t>(json, "d_intermediate", 0, where) != 0 ||
      !value_or<bool>(json, "rms_norm", true, where))
    throw InputError({std::string(where), "Mamba-1 layers with RMS norms alone", "others", ""});
  Json ours{{"model_type", "mamba"},
            {"hidden_size", json["d_model"]},
            {"num_hidden_layers", json["n_layer"]},
            {"tie_word_embeddings", value_or<bool>(json, "tie_embeddings", true, where)}};
  const int64_t vocabulary = checked(json, "vocab_size", 50277, kMany, where),
                multiple = checked(json, "pad_vocab_size_multiple", 8, kMany, where);
  ours["vocab_size"] = (vocabulary + multiple - 1) / multiple * multiple;
  const std::pair<const char*, const char*> names[] = {{"d_state", "state_size"},
                                                       {"d_conv", "conv_kernel"},
                                                       {"expand", "expand"},
                                                       {"dt_rank", "time_step_rank"}};
  for (const auto& [theirs, key] : names)
    if (ssm.contains(theirs)) ours[key] = ssm[theirs];
  return ours;
}

void read_recurrent(const Json& json, ModelSpec& spec, std::string_view where) {
  spec.state_size = checked(json, "state_size", 16, 4096, where);
  spec.conv_kernel = checked(json, "conv_kernel", 4, 64, where);
  const int64_t expand = checked(json, "expand", 2, 64, where);
  spec.intermediate_size = checked(json, "intermediate_size", expand * spec.hidden_size, kMany, where);
  const int64_t auto_rank = (spec.hidden_size + 15) / 16;
  spec.time_step_rank = json.contains("time_step_rank") && json["time_step_rank"].is_string()
                            ? auto_rank  // "auto"
                            : checked(json, "time_step_rank", auto_rank, kMany, where);
  spec.use_conv_bias = value_or<bool>(json, "use_conv_bias", true, where);
  spec.discretisation = chosen(json, "discretisation", spec.discretisation, {"zoh", "bilinear"}, where);
  spec.ssm_init = chosen(json, "ssm_init", spec.ssm_init, {"s4d_lin", "s4d_inv"}, where);
}

void read_attention_and_experts(const Json& json, ModelSpec& spec, std::string_view where) {
  if (spec.has_mixer("attention")) {
    spec.num_attention_heads = checked(json, "num_attention_heads", 1, 4096, where);
    spec.rope_theta = value_or<double>(json, "rope_theta", 10000, where);
  }
  if (spec.has_mixer("feed_forward") || spec.has_mixer("experts"))
    spec.feed_forward_size = checked(json, "feed_forward_size", 0, kMany, where);
  if (!spec.has_mixer("experts")) return;
  spec.num_experts = checked(json, "num_experts", 0, 4096, where);
  spec.experts_per_token = checked(json, "experts_per_token", 1, 2, where);
  spec.router = chosen(json, "router", spec.router, {"token_choice", "expert_choice"}, where);
  spec.capacity_factor = value_or<double>(json, "capacity_factor", 1, where);
}

// Folders without a table are older: what they say beside it stands in their own keys.
modality::Vocabulary read_vocabulary(const Json& json, const std::vector<std::string>& names,
                                     std::string_view where) {
  const Json &ranges = json["vocabulary"], shape = json.value("latent_shape", Json()),
             patch_size = json.value("patch_size", Json());
  const Json table = json.contains("modality_table")
                         ? json["modality_table"]
                         : modality::older_modality_table(ranges, names, {shape, patch_size, Json()}, where);
  const auto vocabulary = modality::Vocabulary::from_json(ranges, table, names, where);
  if (!vocabulary.text())
    throw InputError({std::string(where) + ": \"modality_table\"", "a modality of tokens", "none", ""});
  const modality::Modality* latents = vocabulary.latents();
  if (latents && ((!shape.is_null() && shape != Json(latents->latent_shape)) ||
                  (!patch_size.is_null() && patch_size != Json(latents->patch_size))))
    throw InputError({std::string(where) + ": \"latent_shape\" and \"patch_size\"",
                      "those of \"modality_table\"", shape.dump() + " and " + patch_size.dump(), ""});
  return vocabulary;
}

// The parts with own weights a modality must be some that the backbone has.
void check_decoupled(const ModelSpec& spec, std::string_view where) {
  const Backbone& backbone = find_backbone(spec.model_type);
  for (const std::string& name : spec.decoupled)
    if (!std::count(backbone.decoupled.begin(), backbone.decoupled.end(), name))
      throw InputError({std::string(where) + ": \"decoupled\"",
                        "parts that " + backbone.name + " can decouple", "\"" + name + "\"", ""});
}

}  // namespace

ModelSpec spec_from_json(const Json& json, std::string_view where) {
  if (!json.is_object()) throw InputError({std::string(where), "a JSON object", json.type_name(), ""});
  if (!json.contains("model_type") && json.contains("d_model") && json.contains("n_layer"))
    return spec_from_json(from_state_spaces(json, where), where);
  ModelSpec spec;
  spec.model_type = value_or<std::string>(json, "model_type", "", where);
  const std::vector<std::string> known = backbone_names();
  const bool llama = spec.model_type == "llama";
  if (!llama && !std::count(known.begin(), known.end(), spec.model_type)) {
    std::string all;
    for (const std::string& name : known) all += name + ", ";
    throw InputError(
        {std::string(where) + ": \"model_type\"", all + "or llama", "\"" + spec.model_type + "\"", ""});
  }
  spec.hidden_size = checked(json, "hidden_size", 768, kMany, where);
  spec.vocab_size = checked(json, "vocab_size", 50280, kMany, where);
  if (llama) {
    read_llama(json, spec, where);
  } else {
    spec.num_blocks = checked(json, "num_hidden_layers", 32, 4096, where);
    spec.layer_norm_epsilon = value_or<double>(json, "layer_norm_epsilon", 1e-5, where);
    spec.tie_word_embeddings =
        value_or<bool>(json, "tie_word_embeddings", true, where);  // Hugging Face's default
    read_recurrent(json, spec, where);
    read_attention_and_experts(json, spec, where);
  }
  spec.use_bias = value_or<bool>(json, "use_bias", false, where);
  const auto weight_type = value_or<std::string>(json, "torch_dtype", "float32", where);
  const std::vector<std::string> types = weight_types();  // others are read into float32
  if (std::count(types.begin(), types.end(), weight_type)) spec.weight_type = weight_type;
  chosen(json, "hidden_act", "silu", {"silu", "swish"}, where);
  spec.modalities = value_or<std::vector<std::string>>(json, "modalities", {modality::kTextName}, where);
  spec.decoupled = value_or<std::vector<std::string>>(json, "decoupled", {}, where);
  if (spec.modalities.empty()) throw InputError(std::string(where) + ": \"modalities\" is empty");
  check_decoupled(spec, where);
  spec.setting = value_or<std::string>(json, "setting", "", where);
  if (json.contains("vocabulary")) spec.vocabulary = read_vocabulary(json, spec.modalities, where);
  if (!spec.vocabulary.empty() && spec.vocabulary.size() != spec.vocab_size)
    throw InputError({std::string(where) + ": \"vocab_size\"",
                      std::to_string(spec.vocabulary.size()) + ", as \"vocabulary\" says",
                      std::to_string(spec.vocab_size), ""});
  spec.codec_hashes = value_or<std::map<std::string, std::string>>(json, "codec_hashes", {}, where);
  if (spec.latents()) spec.diffusion_steps = checked(json, "diffusion_steps", 1000, 100000, where);
  if (const std::string problem = problem_of(spec); !problem.empty())
    throw InputError(std::string(where) + ": " + problem);
  return spec;
}

}  // namespace mom::models
