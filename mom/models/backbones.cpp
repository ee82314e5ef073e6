#include "mom/models/backbones.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/nn/experts.h"

namespace mom::models {
namespace {

// The one table. A layer has two blocks everywhere: two Mamba blocks take the place of a Transformer's
// attention and feed-forward, as in Mixture-of-Mamba's comparison.
std::vector<Backbone>& table_of_backbones() {
  static const std::vector<std::string> projections = {"in_proj", "x_proj", "dt_proj", "out_proj"};
  static const std::vector<std::string> all_parts = {"norm",   "q_proj",    "k_proj",  "v_proj",
                                                     "o_proj", "gate_proj", "up_proj", "down_proj"};
  static std::vector<Backbone> table = {
      {"mamba", {"mamba", "mamba"}, {}, false, "dense Mamba"},
      {"mixture_of_mamba", {"mamba", "mamba"}, projections, true, "Mamba, projections per modality"},
      {"ssm", {"ssm", "ssm"}, {}, false, "linear time-invariant state-space model (S4D)"},
      {"transformer", {"attention", "feed_forward"}, {}, false, "Llama-style Transformer"},
      {"mixture_of_transformers",
       {"attention", "feed_forward"},
       all_parts,
       false,
       "Transformer, all but embeddings per modality"},
      {"moe_transformer", {"attention", "experts"}, {}, false, "Transformer with experts as feed-forward"},
      {"moe_mamba",
       {"mamba", "experts"},
       {},
       false,
       "Mamba and experts in turns",
       [](nn::MixerConfigs& mixers, int64_t d_model) {
         int64_t& width = mixers.get<nn::ExpertsConfig>().feed_forward;
         if (width == 0) width = 2 * d_model;
       }},
  };
  return table;
}

}  // namespace

const std::vector<Backbone>& backbones() { return table_of_backbones(); }
void register_backbone(const Backbone& backbone) { table_of_backbones().push_back(backbone); }

bool Backbone::has(const std::string& mixer) const {
  return std::find(layer.begin(), layer.end(), mixer) != layer.end();
}

std::vector<std::string> backbone_names() {
  std::vector<std::string> names;
  for (const Backbone& backbone : backbones()) names.push_back(backbone.name);
  return names;
}

const Backbone& find_backbone(const std::string& name) {
  std::string known;
  for (const Backbone& backbone : backbones()) {
    if (backbone.name == name) return backbone;
    known += (known.empty() ? "" : ", ") + backbone.name;
  }
  throw UserError({"model.backbone", "one of " + known, "\"" + name + "\"", ""});
}

}  // namespace mom::models
