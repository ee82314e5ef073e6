#include "mom/compare/comparable.h"

#include <set>

#include "mom/base/error.h"

namespace mom::compare {
namespace {

// Keys that make an architecture, and so may differ. Sizes (model.d_model, model.layers) are not among them.
bool is_architecture(const std::string& key) {
  static const std::set<std::string> kKeys = {
      "model.backbone",          "model.decoupled",      "model.heads",
      "model.feed_forward",      "model.rope_theta",     "model.experts",
      "model.experts_per_token", "model.router",         "model.capacity_factor",
      "model.ssm_init",          "model.discretisation", "objective.balance_weight",
      "model.scan_backend",      "model.route"};
  return kKeys.count(key) || key.rfind("checkpoint.", 0) == 0;
}

bool is_of_state_spaces(const std::string& key) {
  static const std::set<std::string> kKeys = {"model.state_size", "model.conv_kernel", "model.expand",
                                              "model.time_step_rank", "model.image_scan"};
  return kKeys.count(key) > 0;
}

bool has_state_spaces(const runs::RunFolder& run) { return run.dense_backbone() != "transformer"; }

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
  if (dense.data_identity() != mix.data_identity()) {
    warn("the data differ", "manifest " + dense.data_identity(), "manifest " + mix.data_identity());
  }
  if (sets_of(dense) != sets_of(mix)) warn("the held-out sets differ", sets_of(dense), sets_of(mix));
  if (dense.final_step() != mix.final_step()) {
    warn("the runs end at different steps", std::to_string(dense.final_step()),
         std::to_string(mix.final_step()));
  }
  for (const auto* run : {&dense, &mix})
    for (const std::string& change : run->forced_changes())
      warnings.push_back(run->name + " was resumed with --force, " + change);
  const bool both_have_states = has_state_spaces(dense) && has_state_spaces(mix);
  for (const std::string& key : differing_keys({&dense, &mix})) {
    if (is_architecture(key) || (is_of_state_spaces(key) && !both_have_states)) continue;
    warn(key + " differs", dense.recipe_value(key, "unset"), mix.recipe_value(key, "unset"));
  }
  return warnings;
}

double step_flops_ratio(const runs::RunFolder& dense, const runs::RunFolder& mix) {
  const double of_dense = flops_per_step(dense), of_mix = flops_per_step(mix);
  return of_dense > 0 && of_mix > 0 ? of_mix / of_dense : 1;
}

}  // namespace mom::compare
