#include "mom/study/grid.h"

#include <algorithm>
#include <bit>
#include <set>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/nearest.h"
#include "mom/config/toml_text.h"
#include "mom/study/ablation.h"

namespace mom::study {
namespace {

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::vector<std::string> of_mask(uint32_t mask, const std::vector<std::string>& projections) {
  std::vector<std::string> subset;
  for (size_t i = 0; i < projections.size(); ++i)
    if (mask >> i & 1) subset.push_back(projections[i]);
  return subset;
}

uint32_t mask_of(const std::string& word, const std::vector<std::string>& projections) {
  uint32_t mask = 0;
  for (size_t begin = 0; begin <= word.size();) {
    const size_t end = std::min(word.find('+', begin), word.size());
    const std::string name = word.substr(begin, end - begin);
    const auto found = std::find(projections.begin(), projections.end(), name);
    if (found == projections.end()) {
      const std::string near = nearest(name, projections);
      throw UserError({"decoupled",
                       "projections joined by \"+\" (" + joined(projections, ", ") +
                           "), \"none\", \"all\" or \"all_subsets\"",
                       "\"" + word + "\"", near.empty() ? "" : "did you mean \"" + near + "\"?"});
    }
    mask |= 1u << (found - projections.begin());
    begin = end + 1;
  }
  return mask;
}

Arm arm_of(const std::vector<std::string>& subset, size_t all) {
  if (subset.empty()) return {kDense, kDense, std::nullopt};
  const std::string name = subset.size() == all ? kMixture : kMixture + ("-" + joined(subset, "+"));
  return {name, kMixture, subset};
}

std::vector<Arm> arms_of(const StudyConfig& study, const Known& known) {
  std::vector<Arm> arms;
  const auto add = [&](const Arm& arm) {
    for (const Arm& each : arms)
      if (each.name == arm.name) return;
    arms.push_back(arm);
  };
  bool chooses = false;
  for (const std::string& backbone : study.backbones) {
    if (backbone != kMixture || study.decoupled.empty()) {
      add({backbone, backbone, std::nullopt});
      continue;
    }
    chooses = true;
    for (const std::string& word : study.decoupled)
      for (const auto& subset : subsets_of(word, known.projections))
        add(arm_of(subset, known.projections.size()));
  }
  if (!chooses && !study.decoupled.empty())
    log_warning("`decoupled` is not used: mixture_of_mamba is not among the backbones");
  for (const config::NamedSettings& model : study.models) {
    const auto& taken = known.backbones;
    if (std::find(taken.begin(), taken.end(), model.name) != taken.end() || is_partial(model.name))
      throw UserError({"model", "a name that is no backbone's and does not begin with \"mixture_of_mamba-\"",
                       "\"" + model.name + "\"", "rename the model"});
    arms.push_back({model.name, "", std::nullopt, model.set});
  }
  return arms;
}

std::vector<Group> groups_of(const StudyConfig& study) {
  std::vector<Group> groups;
  std::set<std::string> recipes;
  for (const std::string& recipe : study.recipes) {
    if (!recipes.insert(Path(recipe).lexically_normal().string()).second) continue;
    for (const config::NamedSettings& variant : study.variants) {
      Group group{Path(recipe).stem().string(), recipe, variant.name, study.set};
      if (!variant.name.empty()) group.name += "-" + variant.name;
      group.overrides.insert(group.overrides.end(), variant.set.begin(), variant.set.end());
      groups.push_back(group);
    }
  }
  return groups;
}

size_t baseline_of(const std::vector<Arm>& arms, const std::string& name) {
  std::vector<std::string> names;
  for (const Arm& arm : arms) names.push_back(arm.name);
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  const std::string near = nearest(name, names);
  throw UserError({"baseline", "one of the models of the study: " + joined(names, ", "), "\"" + name + "\"",
                   near.empty() ? "" : "did you mean \"" + near + "\"?"});
}

Run make_run(const Grid& grid, size_t group, size_t arm, int64_t seed) {
  const Group& of = grid.groups[group];
  const Arm& model = grid.arms[arm];
  Run run{of.name + "-" + model.name + "-" + std::to_string(seed), group, arm, seed, of.recipe, of.overrides};
  run.overrides.insert(run.overrides.end(), model.set.begin(), model.set.end());
  if (!model.backbone.empty()) run.overrides.push_back("model.backbone=" + model.backbone);
  if (model.decoupled) run.overrides.push_back("model.decoupled=" + config::toml_list(*model.decoupled));
  run.overrides.push_back("seed=" + std::to_string(seed));
  return run;
}

}  // namespace

std::vector<std::vector<std::string>> subsets_of(const std::string& word,
                                                 const std::vector<std::string>& projections) {
  const uint32_t count = 1u << projections.size();
  if (word == "none") return {{}};
  if (word == "all") return {projections};
  if (word != kAllSubsets) return {of_mask(mask_of(word, projections), projections)};
  std::vector<std::vector<std::string>> subsets;
  for (int size = 0; size <= static_cast<int>(projections.size()); ++size)
    for (uint32_t mask = 0; mask < count; ++mask)
      if (std::popcount(mask) == size) subsets.push_back(of_mask(mask, projections));
  return subsets;
}

std::vector<std::string> Run::arguments(std::vector<std::string> command) const {
  for (const std::string& assignment : overrides) {
    command.push_back("--set");
    command.push_back(assignment);
  }
  return command;
}

const Run& Grid::run(size_t group, size_t arm, int64_t seed) const {
  for (const Run& each : runs)
    if (each.group == group && each.arm == arm && each.seed == seed) return each;
  throw Error(ExitCode::kInternal, "a study has no such run");
}

Grid expand(const StudyConfig& study, const Known& known) {
  Grid grid;
  grid.groups = groups_of(study);
  grid.arms = arms_of(study, known);
  grid.baseline = baseline_of(grid.arms, study.baseline);
  for (const int64_t seed : study.seeds)
    if (std::find(grid.seeds.begin(), grid.seeds.end(), seed) == grid.seeds.end()) grid.seeds.push_back(seed);
  std::set<std::string> names;
  for (const int64_t seed : grid.seeds)
    for (size_t group = 0; group < grid.groups.size(); ++group)
      for (size_t arm = 0; arm < grid.arms.size(); ++arm) {
        grid.runs.push_back(make_run(grid, group, arm, seed));
        if (!names.insert(grid.runs.back().name).second)
          throw UserError({"recipes", "files and variants whose names differ",
                           grid.runs.back().name + " twice", "rename a recipe or a variant"});
      }
  return grid;
}

}  // namespace mom::study
