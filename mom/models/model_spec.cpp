#include "mom/models/model_spec.h"

#include <algorithm>
#include <set>

#include "mom/base/error.h"
#include "mom/config/schema.h"
#include "mom/models/backbones.h"
#include "mom/models/hugging_face.h"
#include "mom/nn/attention.h"

namespace mom::models {
namespace {

struct NamedSize {
  const char* name;
  int64_t d_model, layers, heads;
};
// Mixture-of-Transformers (arXiv 2411.04996), tables 1, 3 and 4. The names are dense Transformers' parameter
// counts.
constexpr NamedSize kSizes[] = {{"37M", 256, 4, 8},     {"94M", 512, 8, 8},     {"163M", 768, 16, 12},
                                {"443M", 1024, 24, 16}, {"760M", 1536, 24, 24}, {"880M", 1536, 24, 24},
                                {"1.4B", 2048, 24, 16}, {"1.5B", 2048, 24, 16}, {"7B", 4096, 32, 32}};

constexpr int64_t kMostPatchNetChannels = 4096;

const std::vector<std::string>& patch_net_names() {
  static const std::vector<std::string> names = {kLinearPatches, kConvPatches, kUNetPatches};
  return names;
}

// What a mixer describes.
config::Table table_of(nn::MixerConfig& config) {
  config::Table table("", "");
  config.describe(table);
  return table;
}

// The network's keys of config.json; points into `spec`.
config::Table file_table(ModelSpec& spec) {
  config::Table table("", "");
  table.field("vocab_size", spec.vocab_size, "rows of the token tables").range(1, config::kMaxWidth);
  table.field("hidden_size", spec.d_model, "width of the residual stream").range(1, config::kMaxWidth);
  table.field("num_hidden_layers", spec.num_blocks, "blocks").range(1, 4096);
  for (const std::string& mixer : find_backbone(spec.backbone).layer) {
    config::Table own = table_of(spec.mixers.at(mixer));
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

// Fills in what was left to the width; what is wrong then, or empty.
std::string resolve(ModelSpec& spec) {
  const Backbone& backbone = find_backbone(spec.backbone);
  if (backbone.defaults) backbone.defaults(spec.mixers, spec.d_model);
  for (const std::string& mixer : backbone.layer) {
    spec.mixers.at(mixer).resolve(spec.d_model);
    if (std::string problem = spec.mixers.at(mixer).problem(spec.d_model); !problem.empty()) return problem;
  }
  const bool has_convolutions = spec.patch_net != kLinearPatches ||
                                std::any_of(spec.patch_nets.begin(), spec.patch_nets.end(),
                                            [](const auto& each) { return each.second != kLinearPatches; });
  if (has_convolutions && spec.patch_net_channels == 0)
    spec.patch_net_channels = (spec.d_model + 47) / 48 * 16;
  if (spec.num_blocks == 0) spec.num_blocks = static_cast<int64_t>(backbone.layer.size()) * spec.layers;
  return "";
}

}  // namespace

const std::vector<std::string>& all_projections() {
  static const std::vector<std::string> names = {"in_proj", "x_proj", "dt_proj", "out_proj"};
  return names;
}

void ModelSpec::describe(config::Table& table) {
  table.field("backbone", backbone, "architecture").one_of(backbone_names());
  table.field("size", size, "a size of the papers, fills in d_model and layers; empty: use those");
  table.field("d_model", d_model, "width of the residual stream").range(1, 65536);
  table.field("layers", layers, "depth; 1 layer = 2 blocks (two of Mamba, or attention and feed-forward)")
      .range(1, 1024);
  table
      .field("decoupled", decoupled,
             "projections with their own weights per modality (mixture_of_mamba only)")
      .one_of(all_projections());
  table
      .field("route", route,
             "what chooses a token's weights in these: its modality, or a hash of its position, a control "
             "with as "
             "many weights (mixture_of_mamba only)")
      .one_of({kRouteByModality, kRandomRoute});
  table.field("tie_word_embeddings", tie_word_embeddings, "one table for token input and output");
  table.field("patch_size", patch_size, "latent pixels per side of one patch").range(1, 64);
  table
      .field("patch_sizes", patch_sizes,
             "the same by modality of latents where it is another, e.g. {depth = 1}")
      .range(1, 64);
  table
      .field("patch_net", patch_net,
             "what stands between a latent image and the trunk (latents only): one linear layer in and out, "
             "convolutions before and after it, or these with skip connections around it, a U-Net")
      .one_of(patch_net_names());
  table
      .field("patch_nets", patch_nets,
             "the same by modality of latents where it is another, e.g. {depth = \"linear\"}")
      .one_of(patch_net_names());
  table
      .field("patch_net_channels", patch_net_channels,
             "channels of the convolutions' finest level, each coarser one twice as many; 0: d_model / 3, "
             "rounded up to "
             "a multiple of 16")
      .range(0, kMostPatchNetChannels);
  table.field("patch_positions", patch_positions,
              "learned embeddings of a patch's row and column are added to it (latents only)");
  table.field("adaptive_norm", adaptive_norm,
              "scale and shift the norms of an image's patches by its timestep and by the token before it "
              "(latents only)");
  table.field("scan_backend", scan_backend, "implementation of the ops; check runs both and compares")
      .one_of({"auto", "reference", "cpu", "check"});
  for (const nn::MixerKind& kind : nn::mixer_kinds()) {
    config::Table own = table_of(mixers.at(kind.name));
    for (const config::Field& field : own.fields())
      if (!field.is_file_only()) table.add(field);
  }
}

ModelSpec ModelSpec::resolved() const {
  ModelSpec spec = *this;
  const Backbone& chosen = find_backbone(backbone);
  if (!chosen.recipe_chooses) spec.decoupled = chosen.decoupled, spec.route = kRouteByModality;
  if (const std::string problem = resolve(spec); !problem.empty()) throw UserError("model." + problem);
  return spec;
}

namespace {

// The first name that no modality of latents has; empty: all are some's.
template <class Value>
std::string not_of_latents(const std::map<std::string, Value>& by_name,
                           const modality::Vocabulary& vocabulary) {
  for (const auto& [name, value] : by_name)
    if (!vocabulary.has_latents(name)) return name;
  return "";
}

}  // namespace

std::string ModelSpec::problem_with_data() const {
  for (const auto& [key, name] : {std::pair{"patch_nets", not_of_latents(patch_nets, vocabulary)},
                                  {"schedules", not_of_latents(schedules, vocabulary)},
                                  {"predictions", not_of_latents(predictions, vocabulary)}})
    if (!name.empty()) return std::string(key) + ": expected modalities of latents, found \"" + name + "\"";
  for (const modality::Modality* one : vocabulary.continuous()) {
    const int64_t side = one->patch_size;
    if (has_conv_patches(*one) && (side < 2 || (side & (side - 1)) != 0))
      return "patch_size: expected a power of two from 2 with patch_net \"" + patch_net_of(*one) +
             "\", found " + std::to_string(side) +
             (vocabulary.continuous().size() > 1
                  ? " of " + one->name + "; model.patch_nets may say another for it"
                  : "");
  }
  if (latents()) return "";
  if (patch_net != kLinearPatches)
    return std::string("patch_net: expected ") + kLinearPatches + ", found \"" + patch_net +
           "\"; only images as latents have patches";
  if (adaptive_norm)
    return "adaptive_norm: expected false, found true; only images as latents have timesteps";
  if (patch_positions)
    return "patch_positions: expected false, found true; only images as latents have patches";
  for (const std::string& mixer : find_backbone(backbone).layer)
    if (std::string problem = mixers.at(mixer).problem_without_latents(); !problem.empty()) return problem;
  return "";
}

namespace {

template <class Value>
const Value& named_or(const std::map<std::string, Value>& by_name, const modality::Modality& modality,
                      const Value& otherwise) {
  const auto own = by_name.find(modality.name);
  return own == by_name.end() ? otherwise : own->second;
}

}  // namespace

const std::string& ModelSpec::patch_net_of(const modality::Modality& latents) const {
  return named_or(patch_nets, latents, patch_net);
}
int64_t ModelSpec::diffusion_steps_of(const modality::Modality& latents) const {
  return named_or(schedules, latents, diffusion_steps);
}
Prediction ModelSpec::prediction_of(const modality::Modality& latents) const {
  return named_or(predictions, latents, prediction);
}

bool ModelSpec::has_conv_patches() const {
  const std::vector<const modality::Modality*> all = vocabulary.continuous();
  return std::any_of(all.begin(), all.end(), [&](const auto* latents) { return has_conv_patches(*latents); });
}

modality::PatchSizes ModelSpec::patches() const {
  modality::PatchSizes sizes(patch_size);
  sizes.by_name = patch_sizes;
  return sizes;
}

bool ModelSpec::has_mixer(const std::string& name) const { return find_backbone(backbone).has(name); }

std::string ModelSpec::mixer_that_cannot_be_cut() const {
  for (const std::string& mixer : find_backbone(backbone).layer)
    if (!mixers.at(mixer).can_be_cut()) return mixer;
  return "";
}

const std::string& ModelSpec::mixer(int64_t block) const {
  const std::vector<std::string>& layer = find_backbone(backbone).layer;
  return layer[static_cast<size_t>(block) % layer.size()];
}

nn::Trunk ModelSpec::trunk() const {
  return {d_model,       num_blocks,       norm_epsilon, modalities, {decoupled.begin(), decoupled.end()},
          adaptive_norm, has_random_sets()};
}

int64_t ModelSpec::modality_index(std::string_view name) const {
  auto found = std::find(modalities.begin(), modalities.end(), name);
  return found == modalities.end() ? -1 : found - modalities.begin();
}

std::vector<std::string> named_sizes() {
  std::vector<std::string> names;
  for (const NamedSize& size : kSizes) names.emplace_back(size.name);
  return names;
}

void apply_named_size(ModelSpec& spec, bool d_model_was_set, bool layers_was_set) {
  if (spec.size.empty()) return;
  for (const NamedSize& size : kSizes) {
    if (spec.size != size.name) continue;
    if ((d_model_was_set && spec.d_model != size.d_model) || (layers_was_set && spec.layers != size.layers))
      throw UserError("model.size = \"" + spec.size + "\" means d_model " + std::to_string(size.d_model) +
                      ", layers " + std::to_string(size.layers) +
                      ", but the recipe sets others; remove one of them");
    spec.d_model = size.d_model;
    spec.layers = size.layers;
    // Who has attention, has the papers' heads.
    int64_t& heads = spec.mixers.get<nn::AttentionConfig>().heads;
    if (spec.has_mixer("attention") && heads == 0) heads = size.heads;
    return;
  }
  std::string known;
  for (const std::string& name : named_sizes()) known += (known.empty() ? "" : ", ") + name;
  throw UserError({"model.size", "one of " + known, "\"" + spec.size + "\"", ""});
}

std::vector<std::string> unused_keys(ModelSpec spec) {
  const Backbone& backbone = find_backbone(spec.backbone);
  std::set<std::string> used;
  for (const std::string& mixer : backbone.layer) {
    const config::Table table = table_of(spec.mixers.at(mixer));
    for (const config::Field& field : table.fields()) used.insert(field.name());
  }
  std::vector<std::string> unused;
  nn::MixerConfigs defaults;
  for (const nn::MixerKind& kind : nn::mixer_kinds()) {
    const config::Table given = table_of(spec.mixers.at(kind.name)), plain = table_of(defaults.at(kind.name));
    for (size_t f = 0; f < given.fields().size(); ++f) {
      const config::Field& field = given.fields()[f];
      if (field.is_file_only() || field.value_json() == plain.fields()[f].value_json()) continue;
      if (used.insert(field.name()).second) unused.push_back(field.name());
    }
  }
  return unused;
}

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
  for (const std::string& problem : {resolve(spec), spec.problem_with_data()})
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
