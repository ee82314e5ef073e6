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

const std::vector<Preset>& presets();
std::vector<std::string> preset_names();
const Preset* find_preset(std::string_view name);  // null when there is none

}  // namespace mom::modality
