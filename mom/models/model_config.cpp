#include "mom/models/model_config.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/models/backbones.h"

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

// Heads of about 64 channels that divide the width evenly.
int64_t default_heads(int64_t d_model) {
  int64_t heads = std::max<int64_t>(1, d_model / 64);
  while (heads > 1 && (d_model % heads || (d_model / heads) % 2)) --heads;
  return heads;
}

// Llama's rule for three matrices: 8/3 of the width, rounded up to 256 (32 for narrow models).
int64_t llama_feed_forward(int64_t d_model) {
  const int64_t multiple = d_model >= 256 ? 256 : 32, width = 8 * d_model / 3;
  return (width + multiple - 1) / multiple * multiple;
}

}  // namespace

const std::vector<std::string>& all_projections() {
  static const std::vector<std::string> names = {"in_proj", "x_proj", "dt_proj", "out_proj"};
  return names;
}

void ModelConfig::describe(config::Table& table) {
  table.field("backbone", backbone, "architecture").one_of(backbone_names());
  table.field("size", size, "a size of the papers, fills in d_model and layers; empty: use those");
  table.field("d_model", d_model, "width of the residual stream").range(1, 65536);
  table.field("layers", layers, "depth; 1 layer = 2 blocks (two of Mamba, or attention and feed-forward)")
      .range(1, 1024);
  table.field("state_size", state_size, "state slots a channel (N)").range(1, 256);
  table.field("conv_kernel", conv_kernel, "taps of the causal convolution").range(1, 8);
  table.field("expand", expand, "inner width / d_model").range(1, 8);
  table.field("time_step_rank", time_step_rank, "rank of the step projection; 0: d_model / 16, rounded up")
      .range(0, 65536);
  table.field("decoupled", decoupled, "projections with own weights a modality (mixture_of_mamba only)")
      .one_of(all_projections());
  table.field("heads", heads, "attention heads; 0: about d_model / 64").range(0, 1024);
  table
      .field("feed_forward", feed_forward,
             "inner width of a feed-forward or expert; 0: 8/3 d_model rounded up (moe_mamba: 2 d_model)")
      .range(0, 1 << 20);
  table.field("rope_theta", rope_theta, "base of the rotary positions").range(1, 1e9);
  table.field("experts", experts, "experts in a block (moe_transformer, moe_mamba)").range(1, 1024);
  table.field("experts_per_token", experts_per_token, "experts a token chooses (token_choice)").range(1, 2);
  table
      .field("router", router,
             "tokens choose experts, or experts choose tokens (which looks ahead: not for generation)")
      .one_of({"token_choice", "expert_choice"});
  table
      .field("capacity_factor", capacity_factor,
             "places in an expert over its even share, while training (token_choice: 0 = no limit)")
      .range(0, 1024);
  table.field("discretisation", discretisation, "how ssm is sampled: zero-order hold or bilinear")
      .one_of({"zoh", "bilinear"});
  table.field("ssm_init", ssm_init, "frequencies ssm starts from: S4D-Lin or S4D-Inv")
      .one_of({"s4d_lin", "s4d_inv"});
  table.field("tie_word_embeddings", tie_word_embeddings, "one table for token input and output");
  table.field("patch_size", patch_size, "latent pixels a side of one patch").range(1, 64);
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
    if (config.heads == 0) config.heads = size.heads;
    return;
  }
  std::string known;
  for (const std::string& name : named_sizes()) known += (known.empty() ? "" : ", ") + name;
  throw UserError({"model.size", "one of " + known, "\"" + config.size + "\"", ""});
}

std::vector<std::string> unused_keys(ModelConfig config) {
  // Who reads a key: any of these mixers.
  static const std::vector<std::pair<std::string, std::vector<std::string>>> readers = {
      {"state_size", {"mamba", "ssm"}},
      {"conv_kernel", {"mamba", "ssm"}},
      {"expand", {"mamba", "ssm"}},
      {"time_step_rank", {"mamba"}},
      {"heads", {"attention"}},
      {"rope_theta", {"attention"}},
      {"experts", {"experts"}},
      {"feed_forward", {"feed_forward", "experts"}},
      {"router", {"experts"}},
      {"experts_per_token", {"experts"}},
      {"ssm_init", {"ssm"}},
      {"capacity_factor", {"experts"}},
      {"discretisation", {"ssm"}}};
  const Backbone& backbone = find_backbone(config.backbone);
  ModelConfig defaults;
  config::Schema given, plain;
  const config::Table &table = (config.describe(given.table("model", "")), given.tables()[0]),
                      &plain_table = (defaults.describe(plain.table("model", "")), plain.tables()[0]);
  std::vector<std::string> unused;
  for (size_t f = 0; f < table.fields().size(); ++f) {
    const config::Field& field = table.fields()[f];
    if (field.value_toml() == plain_table.fields()[f].value_toml()) continue;
    for (const auto& [key, mixers] : readers)
      if (key == field.name() &&
          std::none_of(mixers.begin(), mixers.end(),
                       [&](const std::string& mixer) { return backbone.has(mixer); }) &&
          !(key == "heads" && !config.size.empty()))
        unused.push_back(key);
  }
  return unused;
}

ModelSpec network_spec(const ModelConfig& config) {
  const Backbone& backbone = find_backbone(config.backbone);
  ModelSpec spec;
  spec.model_type = config.backbone;
  spec.hidden_size = config.d_model;
  spec.num_blocks = static_cast<int64_t>(backbone.layer.size()) * config.layers;
  spec.state_size = config.state_size;
  spec.conv_kernel = config.conv_kernel;
  spec.intermediate_size = config.expand * config.d_model;
  spec.time_step_rank = config.time_step_rank ? config.time_step_rank : (config.d_model + 15) / 16;
  spec.tie_word_embeddings = config.tie_word_embeddings;
  spec.decoupled = backbone.recipe_chooses ? config.decoupled : backbone.decoupled;
  spec.num_attention_heads = config.heads ? config.heads : default_heads(config.d_model);
  spec.rope_theta = config.rope_theta;
  spec.feed_forward_size = config.feed_forward              ? config.feed_forward
                           : config.backbone == "moe_mamba" ? 2 * config.d_model
                                                            : llama_feed_forward(config.d_model);
  spec.num_experts = config.experts;
  spec.experts_per_token = config.experts_per_token;
  spec.router = config.router;
  spec.capacity_factor = config.capacity_factor;
  spec.discretisation = config.discretisation;
  spec.ssm_init = config.ssm_init;
  if (const std::string problem = problem_of(spec); !problem.empty()) throw UserError("model." + problem);
  return spec;
}

bool ModelSpec::has_mixer(const std::string& mixer) const { return find_backbone(model_type).has(mixer); }

const std::string& ModelSpec::mixer(int64_t block) const {
  const std::vector<std::string>& layer = find_backbone(model_type).layer;
  return layer[static_cast<size_t>(block) % layer.size()];
}

int64_t ModelSpec::modality_index(std::string_view name) const {
  auto found = std::find(modalities.begin(), modalities.end(), name);
  return found == modalities.end() ? -1 : found - modalities.begin();
}

std::string problem_of(const ModelSpec& spec) {
  if (spec.has_mixer("attention")) {
    const int64_t heads = spec.num_attention_heads, width = spec.hidden_size;
    if (heads < 1 || width % heads || width / heads % 2)
      return "heads: expected a number that divides the width " + std::to_string(width) +
             " into even parts, found " + std::to_string(heads);
  }
  if (spec.has_mixer("experts") && spec.experts_per_token > spec.num_experts)
    return "experts_per_token: expected at most experts = " + std::to_string(spec.num_experts) + ", found " +
           std::to_string(spec.experts_per_token);
  if (spec.has_mixer("ssm") && spec.state_size % 2)
    return "state_size: expected an even number (conjugate pairs), found " + std::to_string(spec.state_size);
  return "";
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
