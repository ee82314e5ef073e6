// The model of a run in words, from its recipe.
#include <algorithm>
#include <map>

#include "mom/runs/run_folder.h"

namespace mom::runs {
namespace {

struct Words {
  std::string name;
  std::string dense;  // the backbone that is left when all share one set of weights
};

const std::map<std::string, Words>& words_by_backbone() {
  static const std::map<std::string, Words> words = {
      {"mamba", {"dense Mamba", "mamba"}},
      {"mixture_of_mamba", {"Mixture-of-Mamba", "mamba"}},
      {"ssm", {"linear state-space model", "ssm"}},
      {"transformer", {"Transformer", "transformer"}},
      {"mixture_of_transformers", {"Mixture-of-Transformers", "transformer"}},
      {"moe_transformer", {"Transformer", "transformer"}},
      {"moe_mamba", {"MoE-Mamba", "mamba"}}};
  return words;
}

// " (in_proj, out_proj)" when only some of the four projections are decoupled, " (random split)" when weights are not
// chosen by modality.
std::string projections_text(const RunFolder& run) {
  std::string names = run.recipe_value("model.decoupled");  // ["in_proj", "out_proj"] -> in_proj, out_proj
  std::erase_if(names, [](char c) { return c == '[' || c == ']' || c == '"' || c == ' '; });
  if (std::count(names.begin(), names.end(), ',') == 3) names.clear();
  for (size_t at = 0; (at = names.find(',', at)) != std::string::npos; at += 2) names.insert(at + 1, 1, ' ');
  if (run.recipe_value("model.route") == "random") names += names.empty() ? "random split" : ", random split";
  return names.empty() ? "" : " (" + names + ")";
}

// " with 8 experts (2 per token)".
std::string experts_text(const RunFolder& run) {
  const std::string number = run.recipe_value("model.experts");
  std::string text = number.empty() ? " with experts" : " with " + number + " experts";
  if (number == "1") text = " with 1 expert";
  if (run.recipe_value("model.router") == "expert_choice") return text + " (expert choice)";
  const std::string per_token = run.recipe_value("model.experts_per_token", "1");
  return per_token == "1" ? text : text + " (" + per_token + " per token)";
}

}  // namespace

std::string RunFolder::backbone() const {
  const std::string in_recipe = recipe_value("model.backbone");
  if (!in_recipe.empty() || !parameters) return in_recipe;
  const auto found = parameters->find("backbone");
  return found != parameters->end() && found->is_string() ? found->get<std::string>() : "";
}

std::string RunFolder::dense_backbone() const {
  const auto found = words_by_backbone().find(backbone());
  return found == words_by_backbone().end() ? backbone() : found->second.dense;
}

bool RunFolder::has_experts() const { return backbone().starts_with("moe_"); }

bool RunFolder::is_mixture() const { return backbone().starts_with("mixture_of_") || has_experts(); }

std::string RunFolder::model_name() const {
  const std::string key = backbone();
  const auto found = words_by_backbone().find(key);
  if (found == words_by_backbone().end()) return key.empty() ? "model" : key;
  std::string words = found->second.name;
  if (key == "mixture_of_mamba") words += projections_text(*this);
  if (has_experts()) words += experts_text(*this);
  if (key == "ssm") words += recipe_value("model.ssm_init") == "s4d_inv" ? " (S4D-Inv)" : " (S4D)";
  return words;
}

}  // namespace mom::runs
