// The named settings of recipes: which modalities a data set must have, each in which representation. Data
// may have others beside them.
//
//   transfusion      text as tokens, images as latents
//   chameleon        text as tokens, images as codes
//   three_modality   the same with speech as codes
//   custom           whatever the data has
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mom/modality/vocabulary.h"

namespace mom::modality {

inline constexpr const char* kCustomSetting = "custom";

struct Preset {
  std::string name;
  Vocabulary vocabulary;                 // as in the papers: ids, latents and codes per item; empty: custom
  std::vector<std::string> codec_kinds;  // that make its modalities, by index (codecs/codec.h)

  bool has_latents() const { return vocabulary.latents() != nullptr; }
};

// The loss that a run of a setting minimises on a set: where text and latents are its modalities, that of tokens
// plus `weight` times that of latents (both by the modality's name); else, with weight 0, what the run says itself.
struct TrainedSum {
  double weight = 0;
  std::string tokens, latents;
  std::set<std::string> continuous;  // modalities whose loss is the squared error of the noise
  bool known = true;  // what the modalities are: false of custom data whose table is not at hand
};
// `latent_weight`: objective.image_weight of the run's recipe. An unknown setting has no latents.
TrainedSum trained_sum(std::string_view setting, double latent_weight);
// The same of a run on data that may have other modalities beside the setting's: `table` is its modality_table, null where
// it is not known.
TrainedSum trained_sum(std::string_view setting, double latent_weight, const Json& table);

const std::vector<Preset>& presets();
std::vector<std::string> preset_names();
const Preset* find_preset(std::string_view name);  // null when there is none

}  // namespace mom::modality
