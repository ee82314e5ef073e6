#include "mom/models/model_spec.h"

#include <algorithm>
#include <set>

#include "mom/base/error.h"
#include "mom/base/rounding.h"
#include "mom/config/schema.h"
#include "mom/models/backbones.h"
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

// What a mixer describes.
config::Table table_of(nn::MixerConfig& config) {
  config::Table table("", "");
  config.describe(table);
  return table;
}

}  // namespace

const std::vector<std::string>& patch_net_names() {
  static const std::vector<std::string> names = {kLinearPatches, kConvPatches, kUNetPatches};
  return names;
}

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
      .one_of({"auto", "reference", "cpu", "cuda", "check"});
  for (const nn::MixerKind& kind : nn::mixer_kinds()) {
    config::Table own = table_of(mixers.at(kind.name));
    for (const config::Field& field : own.fields())
      if (!field.is_file_only()) table.add(field);
  }
}

std::string ModelSpec::fill_in() {
  const Backbone& chosen = find_backbone(backbone);
  if (chosen.defaults) chosen.defaults(mixers, d_model);
  for (const std::string& name : chosen.layer) {
    mixers.at(name).resolve(d_model);
    if (std::string problem = mixers.at(name).problem(d_model); !problem.empty()) return problem;
  }
  const bool has_convolutions = patch_net != kLinearPatches ||
                                std::any_of(patch_nets.begin(), patch_nets.end(),
                                            [](const auto& each) { return each.second != kLinearPatches; });
  if (has_convolutions && patch_net_channels == 0) patch_net_channels = ceil_div(d_model, 48) * 16;
  if (num_blocks == 0) num_blocks = static_cast<int64_t>(chosen.layer.size()) * layers;
  return "";
}

ModelSpec ModelSpec::resolved() const {
  ModelSpec spec = *this;
  const Backbone& chosen = find_backbone(backbone);
  if (!chosen.recipe_chooses) spec.decoupled = chosen.decoupled, spec.route = kRouteByModality;
  if (const std::string problem = spec.fill_in(); !problem.empty()) throw UserError("model." + problem);
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

}  // namespace mom::models
