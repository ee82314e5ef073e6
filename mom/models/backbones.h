// Backbones by name: which mixers a layer has, and what has own weights for each modality.
#pragma once

#include <string>
#include <vector>

namespace mom::models {

struct Backbone {
  std::string name;
  std::vector<std::string> layer;      // the mixers of one layer's blocks (nn/block.cpp), in order
  std::vector<std::string> decoupled;  // parts with own weights per modality ...
  bool recipe_chooses = false;         // ... of which model.decoupled may choose some
  std::string help;

  bool has(const std::string& mixer) const;
};

const std::vector<Backbone>& backbones();
std::vector<std::string> backbone_names();
// UserError on a name that none has.
const Backbone& find_backbone(const std::string& name);

}  // namespace mom::models
