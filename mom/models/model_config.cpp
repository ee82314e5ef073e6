#include "mom/models/model_config.h"

#include <algorithm>

#include "mom/base/error.h"

namespace mom::models {
namespace {

struct NamedSize {
  const char* name;
  int64_t d_model, layers;
};
// REFERENCE: Mixture-of-Transformers, tables 1, 3 and 4. The names are dense Transformers' parameter counts.
constexpr NamedSize kSizes[] = {{"37M", 256, 4},    {"94M", 512, 8},    {"163M", 768, 16},
                                {"443M", 1024, 24}, {"760M", 1536, 24}, {"880M", 1536, 24},
                                {"1.4B", 2048, 24}, {"1.5B", 2048, 24}, {"7B", 4096, 32}};

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

}  // namespace

const std::vector<std::string>& all_projections() {
  static const std::vector<std::string> names = {"in_proj", "x_proj", "dt_proj", "out_proj"};
  return names;
}

void ModelConfig::describe(config::Table& table) {
  table.field("backbone", backbone, "architecture").one_of({"mamba", "mixture_of_mamba"});
  table.field("size", size, "a size of the papers, fills in d_model and layers; empty: use those");
  table.field("d_model", d_model, "width of the residual stream").range(1, 65536);
  table.field("layers", layers, "depth; 1 layer = 2 Mamba blocks").range(1, 1024);
  table.field("state_size", state_size, "state slots a channel (N)").range(1, 256);
  table.field("conv_kernel", conv_kernel, "taps of the causal convolution").range(1, 8);
  table.field("expand", expand, "inner width / d_model").range(1, 8);
  table.field("time_step_rank", time_step_rank, "rank of the step projection; 0: d_model / 16, rounded up")
      .range(0, 65536);
  table.field("decoupled", decoupled, "projections with own weights a modality (mixture_of_mamba only)")
      .one_of(all_projections());
  table.field("tie_word_embeddings", tie_word_embeddings, "one table for token input and output");
  table.field("patch_size", patch_size, "latent pixels a side of one patch (transfusion)").range(1, 64);
  table.field("scan_backend", scan_backend, "implementation of the ops; check runs both and compares")
      .one_of({"auto", "reference", "cpu", "check"});
}

std::vector<std::string> named_sizes() {
  std::vector<std::string> names;
  for (const NamedSize& size : kSizes) names.emplace_back(size.name);
  return names;
}

void apply_named_size(ModelConfig& config, bool d_model_was_set, bool layers_was_set) {
  if (config.size.empty()) return;
  for (const NamedSize& size : kSizes) {
    if (config.size != size.name) continue;
    if ((d_model_was_set && config.d_model != size.d_model) ||
        (layers_was_set && config.layers != size.layers))
      throw UserError("model.size = \"" + config.size + "\" means d_model " + std::to_string(size.d_model) +
                      ", layers " + std::to_string(size.layers) +
                      ", but the recipe sets others; remove one of them");
    config.d_model = size.d_model;
    config.layers = size.layers;
    return;
  }
  std::string known;
  for (const std::string& name : named_sizes()) known += (known.empty() ? "" : ", ") + name;
  throw UserError({"model.size", "one of " + known, "\"" + config.size + "\"", ""});
}

int64_t ModelSpec::modality_index(std::string_view name) const {
  auto found = std::find(modalities.begin(), modalities.end(), name);
  return found == modalities.end() ? -1 : found - modalities.begin();
}

void check_same_codecs(const ModelSpec& spec, const std::map<std::string, std::string>& found,
                       const std::string& where) {
  for (const auto& [modality, hash] : spec.codec_hashes) {
    const auto other = found.find(modality);
    const std::string there = other == found.end() ? "" : other->second;
    if (there != hash)
      throw InputError({where,
                        "data encoded by the " + modality + " codec the model was trained with (" +
                            hash.substr(0, 12) + ")",
                        there.empty() ? "none" : there.substr(0, 12),
                        "encode the documents with that codec"});
  }
}

OrderedJson to_json(const ModelSpec& spec) {
  OrderedJson json;
  json["model_type"] = spec.model_type;
  json["architectures"] = {spec.model_type == "mamba" ? "MambaForCausalLM" : "MixtureOfMamba"};
  json["vocab_size"] = spec.vocab_size;
  json["hidden_size"] = spec.hidden_size;
  json["num_hidden_layers"] = spec.num_blocks;
  json["state_size"] = spec.state_size;
  json["conv_kernel"] = spec.conv_kernel;
  json["expand"] = spec.intermediate_size / spec.hidden_size;
  json["intermediate_size"] = spec.intermediate_size;
  json["time_step_rank"] = spec.time_step_rank;
  json["layer_norm_epsilon"] = spec.layer_norm_epsilon;
  json["use_conv_bias"] = spec.use_conv_bias;
  json["use_bias"] = spec.use_bias;
  json["hidden_act"] = "silu";
  json["residual_in_fp32"] = true;
  json["tie_word_embeddings"] = spec.tie_word_embeddings;
  json["bos_token_id"] = 2;
  json["eos_token_id"] = 3;
  json["pad_token_id"] = 0;
  json["torch_dtype"] = "float32";
  json["modalities"] = spec.modalities;
  json["decoupled"] = spec.decoupled;
  if (!spec.setting.empty()) json["setting"] = spec.setting;
  if (spec.has_patches()) {
    json["latent_shape"] = spec.latent_shape;
    json["patch_size"] = spec.patch_size;
    json["diffusion_steps"] = spec.diffusion_steps;
  }
  if (!spec.vocabulary.empty()) json["vocabulary"] = spec.vocabulary.to_json();
  if (!spec.codec_hashes.empty()) json["codec_hashes"] = spec.codec_hashes;
  return json;
}

ModelSpec spec_from_json(const Json& json, std::string_view where) {
  if (!json.is_object()) throw InputError({std::string(where), "a JSON object", json.type_name(), ""});
  ModelSpec spec;
  spec.model_type = value_or<std::string>(json, "model_type", "", where);
  if (spec.model_type != "mamba" && spec.model_type != "mixture_of_mamba")
    throw InputError({std::string(where) + ": \"model_type\"", "\"mamba\" or \"mixture_of_mamba\"",
                      "\"" + spec.model_type + "\"", ""});
  constexpr int64_t kMany = int64_t{1} << 24;
  spec.hidden_size = checked(json, "hidden_size", 768, kMany, where);
  spec.num_blocks = checked(json, "num_hidden_layers", 32, 4096, where);
  spec.state_size = checked(json, "state_size", 16, 4096, where);
  spec.conv_kernel = checked(json, "conv_kernel", 4, 64, where);
  spec.vocab_size = checked(json, "vocab_size", 50280, kMany, where);
  const int64_t expand = checked(json, "expand", 2, 64, where);
  spec.intermediate_size = checked(json, "intermediate_size", expand * spec.hidden_size, kMany, where);
  const int64_t auto_rank = (spec.hidden_size + 15) / 16;
  spec.time_step_rank = json.contains("time_step_rank") && json["time_step_rank"].is_string()
                            ? auto_rank  // "auto"
                            : checked(json, "time_step_rank", auto_rank, kMany, where);
  spec.layer_norm_epsilon = value_or<double>(json, "layer_norm_epsilon", 1e-5, where);
  spec.use_conv_bias = value_or<bool>(json, "use_conv_bias", true, where);
  spec.use_bias = value_or<bool>(json, "use_bias", false, where);
  spec.tie_word_embeddings =
      value_or<bool>(json, "tie_word_embeddings", true, where);  // Hugging Face's default
  const std::string activation = value_or<std::string>(json, "hidden_act", "silu", where);
  if (activation != "silu" && activation != "swish")
    throw InputError({std::string(where) + ": \"hidden_act\"", "\"silu\"", "\"" + activation + "\"", ""});
  spec.modalities = value_or<std::vector<std::string>>(json, "modalities", {"text"}, where);
  spec.decoupled = value_or<std::vector<std::string>>(json, "decoupled", {}, where);
  if (spec.modalities.empty()) throw InputError(std::string(where) + ": \"modalities\" is empty");
  for (const std::string& name : spec.decoupled)
    if (!std::count(all_projections().begin(), all_projections().end(), name))
      throw InputError(
          {std::string(where) + ": \"decoupled\"", "names of projections", "\"" + name + "\"", ""});
  spec.setting = value_or<std::string>(json, "setting", "", where);
  if (json.contains("vocabulary"))
    spec.vocabulary = codecs::Vocabulary::from_json(json["vocabulary"], spec.modalities, where);
  if (!spec.vocabulary.empty() && spec.vocabulary.size() != spec.vocab_size)
    throw InputError({std::string(where) + ": \"vocab_size\"",
                      std::to_string(spec.vocabulary.size()) + ", as \"vocabulary\" says",
                      std::to_string(spec.vocab_size), ""});
  spec.codec_hashes = value_or<std::map<std::string, std::string>>(json, "codec_hashes", {}, where);
  if (spec.has_patches()) {
    spec.latent_shape = value_or<std::vector<int64_t>>(json, "latent_shape", {}, where);
    spec.patch_size = checked(json, "patch_size", 2, 64, where);
    spec.diffusion_steps = checked(json, "diffusion_steps", 1000, 100000, where);
    if (spec.latent_shape.size() != 3 || spec.modality_index("image") < 0 ||
        *std::min_element(spec.latent_shape.begin(), spec.latent_shape.end()) < 1 ||
        spec.latent_shape[1] % spec.patch_size || spec.latent_shape[2] % spec.patch_size)
      throw InputError(std::string(where) +
                       ": setting \"transfusion\" needs the modality \"image\" and a latent_shape [C, H, W] "
                       "of whole patches");
  }
  return spec;
}

}  // namespace mom::models
