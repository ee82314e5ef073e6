// The one description of a model: what a recipe's [model] table says, what stands in a model folder's config.json (the
// keys of Hugging Face's MambaConfig where there are such), and what the network is built from. No torch here.
//
// A recipe leaves numbers to the width (0) and knows no data; resolved() fills in the first, the data's part is filled
// in by who reads the data. Each mixer describes its own numbers (nn/mixer_config.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/config/fwd.h"
#include "mom/modality/vocabulary.h"
#include "mom/models/prediction.h"
#include "mom/nn/mixer_config.h"

namespace mom::models {

// The four projections of a Mamba block that a modality may have its own weights of, in the order a token meets them.
const std::vector<std::string>& all_projections();

// Sinusoids a timestep is turned into before its small network.
inline constexpr int64_t kTimestepFeatures = 128;

// Values of the key route: what chooses a token's weights in projections that have several (nn/routing.h).
inline constexpr const char* kRouteByModality = "modality";
inline constexpr const char* kRandomRoute = "random";

// Values of the key patch_net.
inline constexpr const char* kLinearPatches = "linear";
inline constexpr const char* kConvPatches = "conv";  // convolutions before the trunk and after it
inline constexpr const char* kUNetPatches = "unet";  // the same with skip connections around the trunk
const std::vector<std::string>& patch_net_names();
inline constexpr int64_t kMostPatchNetChannels = 4096;

struct ModelSpec {
  // The network.
  std::string backbone = "mixture_of_mamba";  // a name of backbones.h
  std::string size;                           // of a recipe: "163M" ...: fills in d_model and layers
  int64_t d_model = 192;
  int64_t layers = 4;                                      // of a recipe: 1 layer = 2 blocks
  int64_t num_blocks = 0;                                  // 0: as layers says
  std::vector<std::string> decoupled = all_projections();  // parts with their own weights per modality
  std::string route = kRouteByModality;                    // what chooses a token's own weights
  bool tie_word_embeddings = false;
  int64_t patch_size = modality::kDefaultPatchSize;  // of a recipe: latent pixels per side of a patch
  config::Integers patch_sizes;                      // of a recipe: by modality where it is another
  std::string patch_net = kLinearPatches;            // between an item of latents and the trunk
  config::Names patch_nets;                          // the same by modality where it is another
  int64_t patch_net_channels = 0;                    // of a U-Net's finest level; 0: as the width says
  bool patch_positions = false;                      // learned row and column of a patch
  bool adaptive_norm = false;                        // of latents (nn/item_condition.h)
  nn::MixerConfigs mixers;
  std::string scan_backend = "auto";
  double norm_epsilon = 1e-5;
  std::string weight_type = "float32";  // of the file it was read from (quantize.h): what suits generation

  // The data it was or will be trained on.
  std::string setting;  // a name of modality/presets.h; empty for a plain language model
  int64_t vocab_size = 0;
  std::vector<std::string> modalities = {modality::kTextName};
  modality::Vocabulary vocabulary;                  // empty for a plain language model
  std::map<std::string, std::string> codec_hashes;  // by modality
  int64_t diffusion_steps = 1000;                   // of latents
  config::Integers schedules;                       // the same by modality where they are others
  Prediction prediction = Prediction::kNoise;       // of latents
  std::map<std::string, Prediction> predictions;    // the same by modality where it is another

  // [model] of a recipe. The table points into this spec.
  void describe(config::Table& table);
  // The same with every number that was left to the width, and with what the backbone decides. UserError where numbers
  // do not fit each other.
  ModelSpec resolved() const;
  std::string fill_in();  // what was left to the width; what is wrong then, or empty

  // What is wrong with the network for data like these ("image_scan: ..."); empty: nothing.
  std::string problem_with_data() const;
  // What is said of one modality of latents.
  const std::string& patch_net_of(const modality::Modality& latents) const;
  int64_t diffusion_steps_of(const modality::Modality& latents) const;
  Prediction prediction_of(const modality::Modality& latents) const;
  bool has_conv_patches(const modality::Modality& latents) const {
    return patch_net_of(latents) != kLinearPatches;
  }
  bool has_conv_patches() const;  // of any
  // Whether what the convolutions after the trunk know of an image includes the token before it (before_out).
  bool tells_convolutions(const modality::Modality& latents) const {
    return has_conv_patches(latents) && adaptive_norm;
  }
  bool tells_convolutions() const { return has_conv_patches() && adaptive_norm; }  // of any

  bool has_random_sets() const { return route == kRandomRoute; }
  bool has_mixer(const std::string& mixer) const;
  // The first mixer that knows no stretches (nn/relay.h); empty: all do.
  std::string mixer_that_cannot_be_cut() const;
  // The mixer of a block.
  const std::string& mixer(int64_t block) const;
  const nn::MixerConfig& mixer_config(int64_t block) const { return mixers.at(mixer(block)); }
  nn::Trunk trunk() const;
  modality::PatchSizes patches() const;  // of a recipe
  // The first modality whose positions are patches of latents, and its index; null and -1 when there is none.
  const modality::Modality* latents() const { return vocabulary.latents(); }
  int64_t latents_index() const { return vocabulary.index_of(latents()); }
  bool is_continuous(int64_t modality) const {
    return !vocabulary.empty() && vocabulary.modalities()[static_cast<size_t>(modality)].is_continuous();
  }
  // Index of `name` in modalities, -1 when absent.
  int64_t modality_index(std::string_view name) const;
};

// Types of the matrices' weights on disk and in decoding: "float32", "bfloat16", "int8" (quantize.h).
std::vector<std::string> weight_types();
// UserError on an unknown size or a size given together with d_model or layers that differ.
void apply_named_size(ModelSpec& spec, bool d_model_was_set, bool layers_was_set);
std::vector<std::string> named_sizes();
// Keys of [model] that are not at their default and that no mixer of the backbone has.
std::vector<std::string> unused_keys(ModelSpec spec);

OrderedJson to_json(const ModelSpec& spec);
// Also reads a Hugging Face Mamba or Llama folder's config.json as it is (hugging_face.h). `where` names the file in
// errors.
ModelSpec spec_from_json(const Json& json, std::string_view where);
// InputError where the data at `where` was encoded by other codecs than the model was trained with.
void check_same_codecs(const ModelSpec& spec, const std::map<std::string, std::string>& found,
                       const std::string& where);

}  // namespace mom::models
