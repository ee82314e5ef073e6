// The named settings of recipes: which modalities a data set must have, each in which representation. Data
// may have others beside them.
//
//   transfusion      text as tokens, images as latents
//   chameleon        text as tokens, images as codes
//   three_modality   the same with speech as codes
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mom/modality/vocabulary.h"

namespace mom::modality {

struct Preset {
  std::string name;
  Vocabulary vocabulary;                 // as in the papers: ids, latents and codes per item
  std::vector<std::string> codec_kinds;  // that make its modalities, by index (codecs/codec.h)

  bool has_latents() const { return vocabulary.latents() != nullptr; }
};

// The loss that a run of a setting minimises on a set: where latents are among its modalities, that of tokens
// plus `weight` times that of latents (both by the modality's name); else, with weight 0, one mean over
// tokens.
struct TrainedSum {
  double weight = 0;
  std::string tokens, latents;
};
// `latent_weight`: objective.image_weight of the run's recipe. An unknown setting has no latents.
TrainedSum trained_sum(std::string_view setting, double latent_weight);

const std::vector<Preset>& presets();
std::vector<std::string> preset_names();
const Preset* find_preset(std::string_view name);  // null when there is none

}  // namespace mom::modality
