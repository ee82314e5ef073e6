// Backbones by name: which mixers a layer has, and what has own weights for each modality.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mom/nn/mixer_config.h"

namespace mom::models {

struct Backbone {
  std::string name;
  std::vector<std::string> layer;      // the mixers of one layer's blocks (nn/block.cpp), in order
  std::vector<std::string> decoupled;  // parts with their own weights per modality ...
  bool recipe_chooses = false;         // ... of which model.decoupled may choose some
  std::string help;
  // Numbers that its paper has other than the mixer's own default, where they were left to the width; may be null.
  void (*defaults)(nn::MixerConfigs& mixers, int64_t d_model) = nullptr;

  bool has(const std::string& mixer) const;
};

const std::vector<Backbone>& backbones();
// Adds one to the table: a program with a mixer of its own (nn/mixer_config.h) does so once, before it reads a model.
void register_backbone(const Backbone& backbone);
std::vector<std::string> backbone_names();
// UserError on a name that none has.
const Backbone& find_backbone(const std::string& name);

}  // namespace mom::models
