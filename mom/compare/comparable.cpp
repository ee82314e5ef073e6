#include "mom/compare/comparable.h"

#include <cmath>
#include <set>

#include "mom/base/error.h"
#include "mom/compare/words.h"

namespace mom::compare {
namespace {

// What may differ between a dense run and a mix of the same training.
bool is_architecture(const std::string& key) {
  static const std::set<std::string> kKeys = {"model.backbone", "model.decoupled", "model.scan_backend",
                                              "model.experts"};
  return kKeys.count(key) || key.rfind("checkpoint.", 0) == 0;
}

std::string sets_of(const runs::RunFolder& run) {
  std::string names;
  for (const auto& [set, points] : run.evals) names += (names.empty() ? "" : ", ") + set;
  return names;
}

double flops_per_step(const runs::RunFolder& run) {
  if (run.train.empty() || run.train.back().step == 0) return 0;
  return run.train.back().flops / static_cast<double>(run.train.back().step);
}

}  // namespace

std::vector<std::string> differing_keys(const std::vector<const runs::RunFolder*>& runs) {
  std::set<std::string> keys, differing;
  for (const auto* run : runs) {
    for (const auto& [key, value] : run->recipe) keys.insert(key);
  }
  for (const std::string& key : keys) {
    for (const auto* run : runs) {
      if (run->recipe_value(key) != runs.front()->recipe_value(key)) differing.insert(key);
    }
  }
  return {differing.begin(), differing.end()};
}

std::vector<std::string> comparability_warnings(const runs::RunFolder& dense, const runs::RunFolder& mix) {
  if (dense.setting() != mix.setting()) {
    throw UserError({mix.path.string(), "the setting of the dense run, " + dense.setting(), mix.setting(),
                     "compare runs of one setting"});
  }
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& what, const std::string& of_dense, const std::string& of_mix) {
    warnings.push_back(what + " (" + of_dense + " in " + dense.name + ", " + of_mix + " in " + mix.name +
                       ")");
  };
  if (dense.is_mixture()) warnings.push_back("the first run is not dense: " + dense.model_name());
  if (dense.data_identity() != mix.data_identity()) {
    warn("the data differ", "manifest " + dense.data_identity(), "manifest " + mix.data_identity());
  }
  if (sets_of(dense) != sets_of(mix)) warn("the held-out sets differ", sets_of(dense), sets_of(mix));
  if (dense.final_step() != mix.final_step()) {
    warn("the runs end at different steps", std::to_string(dense.final_step()),
         std::to_string(mix.final_step()));
  }
  const double ratio = flops_per_step(mix) / flops_per_step(dense);
  if (std::isfinite(ratio) && std::abs(ratio - 1) > 0.01) {
    warnings.push_back("the models do not cost the same: a step of " + mix.name + " takes " +
                       fixed(ratio, 2) + " x the FLOPs of a step of " + dense.name);
  }
  for (const std::string& key : differing_keys({&dense, &mix})) {
    if (!is_architecture(key))
      warn(key + " differs", dense.recipe_value(key, "unset"), mix.recipe_value(key, "unset"));
  }
  return warnings;
}

}  // namespace mom::compare
