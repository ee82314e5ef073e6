#include "mom/study/page.h"

#include "mom/compare/number_text.h"
#include "mom/compare/verdict.h"
#include "mom/study/ablation.h"

namespace mom::study {
namespace {

std::string joined(const std::vector<int64_t>& list) {
  std::string text;
  for (const int64_t item : list) text += (text.empty() ? "" : ", ") + std::to_string(item);
  return text;
}

std::string mean_loss(const Summary& summary) {
  return summary.mean ? compare::loss_text(*summary.mean) : compare::kNotMeasured;
}

std::string row_text(const std::string& group, const std::string& set, const std::string& modality,
                     const ArmResult& arm, const Row& row) {
  return "| " + group + " | " + arm.model + " | " + set + " | " + modality + " | " +
         mean_loss(row.dense_loss) + " | " + mean_loss(row.mix_loss) + " | " +
         compare::percent_text(row.gain) + " | " +
         compare::match_text(row.match, row.flops_to_match, compare::kNotReached) + " | " +
         compare::match_text(row.match, row.flops_to_match_slope, compare::kNotComputable) + " |\n";
}

// Visits the rows of all compared models that have any; subsets that have a table of their own are left to it.
template <class Visit>
void for_each_row(const StudyResults& results, const Visit& visit) {
  for (const GroupResult& group : results.groups)
    for (const ArmResult& arm : group.arms) {
      if (arm.seeds.empty() || (group.interaction && is_partial(arm.name))) continue;
      for (const auto& [set, modalities] : arm.sets)
        for (const auto& [modality, row] : modalities) visit(group.name, arm, set, modality, row);
    }
}

std::string table(const StudyResults& results, bool of_verdict) {
  std::string text;
  for_each_row(results, [&](const std::string& group, const ArmResult& arm, const std::string& set,
                            const std::string& modality, const Row& row) {
    if ((set == arm.set) == of_verdict) text += row_text(group, set, modality, arm, row);
  });
  if (text.empty()) return text;
  return "| runs | model | held-out set | modality | " + results.baseline +
         " | model's loss | gain | FLOPs to match | by slope |\n|---|---|---|---|---|---|---|---|---|\n" +
         text;
}

std::string sentences(const StudyResults& results) {
  std::string text;
  for_each_row(results, [&](const std::string& group, const ArmResult& arm, const std::string& set,
                            const std::string& modality, const Row& row) {
    if (set != arm.set) return;
    text += "- " + group + ", " + modality + ": " + arm.model + " against " + arm.baseline_model + ": " +
            compare::outcome_text(row.gain) + " (gain " + compare::percent_text(row.gain) + "); " +
            compare::reach_text(row.match) + "\n";
  });
  return text;
}

std::string troubles(const StudyResults& results) {
  std::string text, warnings;
  for (const RunResult& run : results.runs) {
    if (run.state == "failed") text += "- " + run.name + " failed: " + run.error + "\n";
    if (run.state == "unfinished") text += "- " + run.name + " is not finished\n";
  }
  if (!text.empty()) text = "\n## Missing runs\n\n" + text;
  for (const GroupResult& group : results.groups)
    for (const ArmResult& arm : group.arms)
      for (const std::string& warning : arm.warnings) warnings += "- " + warning + "\n";
  if (!warnings.empty()) text += "\n## What differs\n\n" + warnings;
  return text;
}

}  // namespace

std::string page_text(const StudyResults& results) {
  std::string text = "# " + results.title + "\n\nSeeds " + joined(results.seeds) +
                     ". Losses on held-out data at the end of training, mean over seeds. Gain: (" +
                     results.baseline + " - model) / " + results.baseline +
                     " of the same seed. FLOPs to match: training FLOPs after which the model has " +
                     results.baseline +
                     "'s final loss, as a fraction of that model's own; by slope: over the whole curve.\nIn "
                     "brackets: 95% of 10,000 "
                     "bootstrap means over seeds. With 2 or 3 seeds that is only the range of the seeds: it "
                     "covers the true mean in about 50% and 75% of cases.\n\n";
  const std::string verdict = table(results, true), others = table(results, false);
  text += verdict.empty() ? "No two runs to compare yet.\n" : verdict + "\n" + sentences(results);
  text += ablation_text(results);
  if (!others.empty()) text += "\n## Other held-out sets\n\n" + others;
  return text + troubles(results);
}

}  // namespace mom::study
