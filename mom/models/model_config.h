// What a model is: the recipe's [model] table, and the config.json of a model folder (the keys of Hugging
// Face's MambaConfig plus ours), and the sizes the papers name.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/config/schema.h"
#include "mom/modality/vocabulary.h"

namespace mom::models {

// The four projections of a Mamba block that a modality may have its own weights of, in the order a token
// meets them.
const std::vector<std::string>& all_projections();

// Sinusoids a timestep is turned into before its small network.
inline constexpr int64_t kTimestepFeatures = 128;

// [model] of a recipe.
struct ModelConfig {
  std::string backbone = "mixture_of_mamba";
  std::string size;  // "163M" ...: fills d_model and layers
  int64_t d_model = 192;
  int64_t layers = 4;  // 1 layer = 2 blocks
  int64_t state_size = 16, conv_kernel = 4, expand = 2;
  int64_t time_step_rank = 0;  // 0: ceil(d_model / 16)
  std::vector<std::string> decoupled = {"in_proj", "x_proj", "dt_proj", "out_proj"};
  int64_t heads = 0;         // 0: about d_model / 64
  int64_t feed_forward = 0;  // 0: as the backbone's paper has it
  double rope_theta = 10000;
  int64_t experts = 4, experts_per_token = 1;
  std::string router = "token_choice";
  double capacity_factor = 1;
  std::string discretisation = "zoh", ssm_init = "s4d_lin";
  bool tie_word_embeddings = false;
  int64_t patch_size = 2;  // latent pixels a side of one patch
  std::string scan_backend = "auto";
  void describe(config::Table& table);
};

// Everything needed to build the network: what stands in config.json.
struct ModelSpec {
  std::string model_type = "mamba";  // a backbone's name
  std::string setting;  // "transfusion", "chameleon", "three_modality"; empty for a plain language model
  int64_t hidden_size = 0, num_blocks = 0, state_size = 16, conv_kernel = 4, intermediate_size = 0,
          time_step_rank = 0;
  int64_t vocab_size = 0;
  double layer_norm_epsilon = 1e-5;
  bool use_conv_bias = true, use_bias = false, tie_word_embeddings = false;
  std::vector<std::string> modalities = {modality::kTextName};
  std::vector<std::string> decoupled;  // parts with own weights a modality; empty for dense
  // Backbones with attention, feed-forwards, experts, linear state-space models.
  int64_t num_attention_heads = 0, feed_forward_size = 0, num_experts = 0, experts_per_token = 1;
  double rope_theta = 10000, capacity_factor = 1;
  std::string router = "token_choice", discretisation = "zoh", ssm_init = "s4d_lin";
  std::string weight_type = "float32";  // of the file it was read from (quantize.h): what suits generation
  // Of the data it was trained on; empty for a plain language model.
  modality::Vocabulary vocabulary;
  std::map<std::string, std::string> codec_hashes;  // by modality
  int64_t diffusion_steps = 1000;                   // of latents

  bool has_mixer(const std::string& mixer) const;
  // The mixer of a block.
  const std::string& mixer(int64_t block) const;
  // The modality whose positions are patches of latents, and its index; null and -1 when there is none.
  const modality::Modality* latents() const { return vocabulary.latents(); }
  int64_t latents_index() const { return vocabulary.index_of(latents()); }
  bool is_continuous(int64_t modality) const { return latents() && modality == latents_index(); }
  // Index of `name` in modalities, -1 when absent.
  int64_t modality_index(std::string_view name) const;
};

// Types of the matrices' weights on disk and in decoding: "float32", "bfloat16", "int8" (quantize.h).
std::vector<std::string> weight_types();
// UserError on an unknown size or a size given together with d_model or layers that differ.
void apply_named_size(ModelConfig& config, bool d_model_was_set, bool layers_was_set);
std::vector<std::string> named_sizes();
// Keys of [model] that are not at their default and that nothing in the backbone reads.
std::vector<std::string> unused_keys(ModelConfig config);
// The network a recipe's table asks for, but for what depends on the data: vocabulary, modalities, latents.
// UserError where the numbers don't fit each other.
ModelSpec network_spec(const ModelConfig& config);
// What is wrong with numbers of a spec that concern each other; empty: nothing.
std::string problem_of(const ModelSpec& spec);

OrderedJson to_json(const ModelSpec& spec);
// InputError where the data at `where` was encoded by other codecs than the model was trained with.
void check_same_codecs(const ModelSpec& spec, const std::map<std::string, std::string>& found,
                       const std::string& where);
// Also reads a Hugging Face Mamba or Llama folder's config.json as it is. `where` names the file in errors.
ModelSpec spec_from_json(const Json& json, std::string_view where);

}  // namespace mom::models
