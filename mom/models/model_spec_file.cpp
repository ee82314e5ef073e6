// config.json of a model: written, and read from ours and from others' folders.
#include <algorithm>

#include "mom/base/error.h"
#include "mom/config/schema.h"
#include "mom/models/backbones.h"
#include "mom/models/hugging_face.h"
#include "mom/models/model_spec.h"

namespace mom::models {
namespace {

// The network's keys of config.json; points into `spec`.
config::Table file_table(ModelSpec& spec) {
  config::Table table("", "");
  table.field("vocab_size", spec.vocab_size, "rows of the token tables").range(1, config::kMaxWidth);
  table.field("hidden_size", spec.d_model, "width of the residual stream").range(1, config::kMaxWidth);
  table.field("num_hidden_layers", spec.num_blocks, "blocks").range(1, 4096);
  for (const std::string& mixer : find_backbone(spec.backbone).layer) {
    config::Table own("", "");
    spec.mixers.at(mixer).describe(own);
    for (const config::Field& field : own.fields()) table.add(field);
  }
  table.field("layer_norm_epsilon", spec.norm_epsilon, "added to a norm's mean square");
  table.field("tie_word_embeddings", spec.tie_word_embeddings, "one table for token input and output");
  return table;
}

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

void read_network(const Json& json, ModelSpec& spec, std::string_view where) {
  config::Table table = file_table(spec);
  for (config::Field& field : table.fields()) {
    const std::string& key = field.file_key();
    const std::string place = std::string(where) + ": \"" + key + "\"";
    const auto found = json.find(key);
    const bool given = found != json.end() && !found->is_null();
    try {
      if (given) field.assign(*found, place);
    } catch (const UserError& error) {
      throw InputError(error.what());
    }
    if (field.is_required_in_files() && (!given || field.value_json() == Json(0)))
      throw InputError({place, "1 or more", given ? found->dump() : "none", ""});
  }
}

// The parts with own weights per modality must be some that the backbone has.
void check_decoupled(const ModelSpec& spec, std::string_view where) {
  const Backbone& backbone = find_backbone(spec.backbone);
  for (const std::string& name : spec.decoupled)
    if (!std::count(backbone.decoupled.begin(), backbone.decoupled.end(), name))
      throw InputError({std::string(where) + ": \"decoupled\"",
                        "parts that " + backbone.name + " can decouple", "\"" + name + "\"", ""});
}

void read_route(const Json& json, ModelSpec& spec, std::string_view where) {
  spec.route = value_or<std::string>(json, "route", kRouteByModality, where);
  const bool may_choose = find_backbone(spec.backbone).recipe_chooses;
  if (spec.route != kRouteByModality && !(may_choose && spec.has_random_sets()))
    throw InputError({std::string(where) + ": \"route\"",
                      std::string(kRouteByModality) + (may_choose ? std::string(" or ") + kRandomRoute : ""),
                      "\"" + spec.route + "\"", ""});
}

// Folders without a table are older: what they say beside it is under keys of their own.
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
  // Of several modalities of latents there is the table alone.
  const modality::Modality* latents = vocabulary.continuous().size() == 1 ? vocabulary.latents() : nullptr;
  if (latents && ((!shape.is_null() && shape != Json(latents->latent_shape)) ||
                  (!patch_size.is_null() && patch_size != Json(latents->patch_size))))
    throw InputError({std::string(where) + ": \"latent_shape\" and \"patch_size\"",
                      "those of \"modality_table\"", shape.dump() + " and " + patch_size.dump(), ""});
  return vocabulary;
}

void read_data(const Json& json, ModelSpec& spec, std::string_view where) {
  spec.modalities = value_or<std::vector<std::string>>(json, "modalities", {modality::kTextName}, where);
  if (spec.modalities.empty()) throw InputError(std::string(where) + ": \"modalities\" is empty");
  spec.setting = value_or<std::string>(json, "setting", "", where);
  if (json.contains("vocabulary")) spec.vocabulary = read_vocabulary(json, spec.modalities, where);
  if (!spec.vocabulary.empty() && spec.vocabulary.size() != spec.vocab_size)
    throw InputError({std::string(where) + ": \"vocab_size\"",
                      std::to_string(spec.vocabulary.size()) + ", as \"vocabulary\" says",
                      std::to_string(spec.vocab_size), ""});
  const auto known_net = [&](const std::string& net, const std::string& key) {
    if (!std::count(patch_net_names().begin(), patch_net_names().end(), net))
      throw InputError(
          {std::string(where) + ": \"" + key + "\"", "linear, conv or unet", "\"" + net + "\"", ""});
  };
  spec.patch_net = value_or<std::string>(json, "patch_net", kLinearPatches, where);
  known_net(spec.patch_net, "patch_net");
  spec.patch_nets = value_or<config::Names>(json, "patch_nets", {}, where);
  for (const auto& [name, net] : spec.patch_nets) known_net(net, "patch_nets");
  spec.patch_net_channels = value_or<int64_t>(json, "patch_net_channels", 0, where);
  if (spec.patch_net_channels < 0 || spec.patch_net_channels > kMostPatchNetChannels)
    throw InputError({std::string(where) + ": \"patch_net_channels\"",
                      "0 to " + std::to_string(kMostPatchNetChannels),
                      std::to_string(spec.patch_net_channels), ""});
  spec.patch_positions = value_or<bool>(json, "patch_positions", false, where);
  spec.codec_hashes = value_or<std::map<std::string, std::string>>(json, "codec_hashes", {}, where);
  if (!spec.latents()) return;
  spec.patch_size = spec.latents()->patch_size;
  spec.diffusion_steps = value_or<int64_t>(json, "diffusion_steps", 1000, where);
  spec.adaptive_norm = value_or<bool>(json, "adaptive_norm", false, where);
  spec.schedules = value_or<config::Integers>(json, "schedules", {}, where);
  const auto check_steps = [&](int64_t steps, const std::string& key) {
    if (steps < 1 || steps > 100000)
      throw InputError({std::string(where) + ": \"" + key + "\"", "1 to 100000", std::to_string(steps), ""});
  };
  check_steps(spec.diffusion_steps, "diffusion_steps");
  for (const auto& [name, steps] : spec.schedules) check_steps(steps, "schedules");
  const std::vector<std::string> known = prediction_names();
  const auto read_prediction = [&](const std::string& name, const std::string& key) {
    if (!std::count(known.begin(), known.end(), name))
      throw InputError(
          {std::string(where) + ": \"" + key + "\"", known[0] + " or " + known[1], "\"" + name + "\"", ""});
    return parse_prediction(name);
  };
  spec.prediction = read_prediction(value_or<std::string>(json, "prediction", known[0], where), "prediction");
  for (const auto& [name, prediction] : value_or<config::Names>(json, "predictions", {}, where))
    spec.predictions[name] = read_prediction(prediction, "predictions");
}

}  // namespace

OrderedJson to_json(const ModelSpec& spec) {
  OrderedJson json;
  json["model_type"] = spec.backbone;
  if (spec.backbone == "mamba" || spec.backbone == "mixture_of_mamba")
    json["architectures"] = {spec.backbone == "mamba" ? "MambaForCausalLM" : "MixtureOfMamba"};
  ModelSpec copy = spec;
  const config::Table table = file_table(copy);
  for (const config::Field& field : table.fields()) json[field.file_key()] = field.value_json();
  json["hidden_act"] = "silu";
  json["residual_in_fp32"] = true;
  json["bos_token_id"] = 2;
  json["eos_token_id"] = 3;
  json["pad_token_id"] = 0;
  json["torch_dtype"] = "float32";  // a model is written as it is trained; quantize.h writes others
  json["modalities"] = spec.modalities;
  json["decoupled"] = spec.decoupled;
  if (find_backbone(spec.backbone).recipe_chooses) json["route"] = spec.route;
  if (!spec.setting.empty()) json["setting"] = spec.setting;
  if (spec.vocabulary.continuous().size() == 1) {
    json["latent_shape"] = spec.latents()->latent_shape;
    json["patch_size"] = spec.latents()->patch_size;
  }
  if (spec.latents()) {
    json["patch_net"] = spec.patch_net;
    if (!spec.patch_nets.empty()) json["patch_nets"] = spec.patch_nets;
    if (spec.has_conv_patches()) json["patch_net_channels"] = spec.patch_net_channels;
    json["patch_positions"] = spec.patch_positions;
    json["diffusion_steps"] = spec.diffusion_steps;
    if (!spec.schedules.empty()) json["schedules"] = spec.schedules;
    json["adaptive_norm"] = spec.adaptive_norm;
    json["prediction"] = to_string(spec.prediction);
    for (const auto& [name, prediction] : spec.predictions) json["predictions"][name] = to_string(prediction);
  }
  if (!spec.vocabulary.empty()) {
    json["vocabulary"] = spec.vocabulary.to_json();
    json["modality_table"] = spec.vocabulary.table_json();
  }
  if (!spec.codec_hashes.empty()) json["codec_hashes"] = spec.codec_hashes;
  return json;
}

ModelSpec spec_from_json(const Json& given, std::string_view where) {
  const Json json = in_our_keys(given, where);
  ModelSpec spec;
  spec.backbone = value_or<std::string>(json, "model_type", "", where);
  const std::vector<std::string> known = backbone_names();
  if (!std::count(known.begin(), known.end(), spec.backbone)) {
    std::string all;
    for (const std::string& name : known) all += name + ", ";
    throw InputError(
        {std::string(where) + ": \"model_type\"", all + "or llama", "\"" + spec.backbone + "\"", ""});
  }
  // What Hugging Face takes where a key is absent.
  spec.d_model = 768, spec.num_blocks = 32, spec.vocab_size = 50280, spec.tie_word_embeddings = true;
  read_network(json, spec, where);
  const auto weight_type = value_or<std::string>(json, "torch_dtype", "float32", where);
  const std::vector<std::string> types = weight_types();  // others are read into float32
  if (std::count(types.begin(), types.end(), weight_type)) spec.weight_type = weight_type;
  const auto activation = value_or<std::string>(json, "hidden_act", "silu", where);
  if (activation != "silu" && activation != "swish")
    throw InputError(
        {std::string(where) + ": \"hidden_act\"", "silu or swish", "\"" + activation + "\"", ""});
  spec.decoupled = value_or<std::vector<std::string>>(json, "decoupled", {}, where);
  check_decoupled(spec, where);
  read_route(json, spec, where);
  read_data(json, spec, where);
  for (const std::string& problem : {spec.fill_in(), spec.problem_with_data()})
    if (!problem.empty()) throw InputError(std::string(where) + ": " + problem);
  return spec;
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

}  // namespace mom::models
