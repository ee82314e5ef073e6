#include "mom/study/ablation.h"

#include <algorithm>

#include "mom/compare/number_text.h"
#include "mom/compare/verdict.h"
#include "mom/study/config.h"

namespace mom::study {
namespace {

const std::string kPartial = std::string(kMixture) + "-";

// Unmeasured subsets sort below all measured gains.
double gain_of(const Subset& subset, const std::string& modality) {
  if (!subset.result) return 0;
  const Row* row = subset.result->find(subset.result->set, modality);
  return row && row->gain.mean ? *row->gain.mean : -1e300;
}

Subset subset_of(const ArmResult& arm) {
  Subset subset{is_partial(arm.name) ? arm.name.substr(kPartial.size()) : "all four", {}, &arm};
  for (const char* projection : kProjections) {
    const bool decoupled =
        !is_partial(arm.name) ||
        ("+" + subset.name + "+").find("+" + std::string(projection) + "+") != std::string::npos;
    if (decoupled) subset.projections.push_back(projection);
  }
  return subset;
}

std::string subset_table(const GroupResult& group, const std::string& baseline,
                         const Named<Row>& modalities) {
  std::string text = "| decoupled |", rule = "|---|";
  for (const auto& [modality, row] : modalities) text += " gain, " + modality + " |", rule += "---|";
  text += "\n" + rule + "\n";
  for (const Subset& subset : subsets_by_gain(group, modalities.back().first)) {
    text += "| " + (subset.result ? subset.name : "none (" + baseline + ")") + " |";
    for (const auto& each : modalities) {
      const Row* row = subset.result ? subset.result->find(subset.result->set, each.first) : nullptr;
      text += " " +
              (row             ? compare::percent_text(row->gain)
               : subset.result ? compare::kNotMeasured
                               : "0.0%") +
              " |";
    }
    text += "\n";
  }
  return text;
}

std::string interaction_lines(const GroupResult& group, const ArmResult& joint) {
  std::string text;
  for (const auto& [set, modalities] : *group.interaction) {
    if (set != joint.set) continue;
    for (const auto& [modality, summary] : modalities) {
      const std::string words = interaction_text(summary, joint.find(set, modality)->gain);
      if (!words.empty()) text += "- " + modality + ": " + words + "\n";
    }
  }
  return text;
}

}  // namespace

bool is_partial(const std::string& arm_name) { return arm_name.rfind(kPartial, 0) == 0; }

std::vector<Subset> subsets_by_gain(const GroupResult& group, const std::string& modality) {
  std::vector<Subset> subsets = {{"none", {}, nullptr}};
  bool partial = false;
  for (const ArmResult& arm : group.arms) {
    if (arm.seeds.empty() || (arm.name != kMixture && !is_partial(arm.name))) continue;
    subsets.push_back(subset_of(arm));
    partial = partial || is_partial(arm.name);
  }
  if (!partial) return {};
  std::stable_sort(subsets.begin(), subsets.end(), [&](const Subset& a, const Subset& b) {
    return gain_of(a, modality) > gain_of(b, modality);
  });
  return subsets;
}

std::string interaction_text(const Summary& interaction, const Summary& joint_gain) {
  if (!interaction.mean) return "";
  return "all four together gain " + compare::percent_text(joint_gain) + ", the four alone add up to " +
         (*interaction.mean > 0 ? "less" : "more") + ": interaction " + compare::percent_text(interaction) +
         (compare::sign_is_sure(interaction) ? ""
          : interaction.values.size() == 1   ? "; with one seed its sign may be chance"
                                             : "; the seeds do not agree on its sign");
}

std::string ablation_text(const StudyResults& results) {
  std::string text;
  for (const GroupResult& group : results.groups) {
    const ArmResult* joint = group.find(kMixture);
    if (!group.interaction || !joint) continue;
    text += "\n## Which projections: " + group.name + "\n\nHeld-out set " + joint->set +
            ", ordered by the gain in the last column; below 0 " + results.baseline +
            " is better. Interaction: the joint gain minus the sum of the four single gains; above 0 they "
            "do more together than each alone.\n\n" +
            subset_table(group, results.baseline, joint->verdict_rows()) + "\n" +
            interaction_lines(group, *joint);
  }
  return text;
}

}  // namespace mom::study
