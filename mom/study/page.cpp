#include "mom/study/page.h"

#include <algorithm>

#include "mom/compare/words.h"
#include "mom/study/ablation.h"

namespace mom::study {
namespace {

std::string joined(const OrderedJson& list) {
  std::string text;
  for (const auto& item : list) text += (text.empty() ? "" : ", ") + item.dump();
  return text;
}

std::string mean_loss(const OrderedJson& summary) {
  return summary["mean"].is_null() ? "not measured" : compare::loss_text(summary["mean"].get<double>());
}

// FLOPs to match of all seeds: their mean, or each when some never get there.
std::string match_cell(const OrderedJson& summary, const char* never) {
  if (!summary["mean"].is_null()) return percent_cell(summary);
  std::string text;
  bool any = false;
  for (const auto& value : summary["values"]) {
    any = any || value.is_number();
    text +=
        (text.empty() ? "" : ", ") + (value.is_number() ? compare::percent_text(value.get<double>()) : never);
  }
  return any ? text : never;
}

std::string row_text(const std::string& name, const std::string& set, const std::string& modality,
                     const OrderedJson& arm, const OrderedJson& row) {
  const bool measured = std::any_of(row["match"].begin(), row["match"].end(),
                                    [](const auto& word) { return word != "unknown"; });
  return "| " + name + " | " + arm["model"].get<std::string>() + " | " + set + " | " + modality + " | " +
         mean_loss(row["dense_loss"]) + " | " + mean_loss(row["mix_loss"]) + " | " +
         percent_cell(row["gain"]) + " | " +
         (measured ? match_cell(row["flops_to_match"], "not reached") : "not measured") + " | " +
         (measured ? match_cell(row["flops_to_match_slope"], "not computable") : "not measured") + " |\n";
}

// Visits the rows of all compared models that have any; subsets that have a table of their own are left to
// it.
template <class Visit>
void for_each_row(const OrderedJson& results, const Visit& visit) {
  for (const auto& [name, group] : results["groups"].items())
    for (const auto& [arm_name, arm] : group["arms"].items()) {
      if (!arm.contains("sets") || (!group["interaction"].is_null() && is_partial(arm_name))) continue;
      for (const auto& [set, modalities] : arm["sets"].items())
        for (const auto& [modality, row] : modalities.items()) visit(name, arm, set, modality, row);
    }
}

std::string table(const OrderedJson& results, bool of_verdict) {
  std::string text;
  for_each_row(results, [&](const std::string& name, const OrderedJson& arm, const std::string& set,
                            const std::string& modality, const OrderedJson& row) {
    if ((set == arm["set"]) == of_verdict) text += row_text(name, set, modality, arm, row);
  });
  if (text.empty()) return text;
  return "| runs | model | held-out set | modality | " + results["baseline"].get<std::string>() +
         " | model's loss | gain | FLOPs to match | by slope |\n|---|---|---|---|---|---|---|---|---|\n" +
         text;
}

// Who won with how many seeds, said the same way whoever it was.
std::string outcome(const OrderedJson& row) {
  size_t better = 0, worse = 0;
  const OrderedJson& values = row["gain"]["values"];
  for (const auto& value : values) {
    if (value.is_number() && value.get<double>() > 0) ++better;
    if (value.is_number() && value.get<double>() < 0) ++worse;
  }
  const std::string all = std::to_string(values.size()), seeds = values.size() == 1 ? " seed" : " seeds";
  if (better == values.size()) return "better with " + all + " of " + all + seeds;
  if (worse == values.size()) return "worse with " + all + " of " + all + seeds;
  if (better + worse == 0) return "the same with " + all + " of " + all + seeds;
  return "undecided, better with " + std::to_string(better) + " of " + all + seeds;
}

std::string sentences(const OrderedJson& results) {
  std::string text;
  for_each_row(results, [&](const std::string& name, const OrderedJson& arm, const std::string& set,
                            const std::string& modality, const OrderedJson& row) {
    if (set != arm["set"]) return;
    const auto reached = std::count(row["match"].begin(), row["match"].end(), "reached");
    text += "- " + name + ", " + modality + ": " + arm["model"].get<std::string>() + " against " +
            arm["baseline_model"].get<std::string>() + ": " + outcome(row) + " (gain " +
            percent_cell(row["gain"]) + "); reaches the final loss of " +
            arm["baseline_model"].get<std::string>() + " with " + std::to_string(reached) + " of " +
            std::to_string(row["match"].size()) + "\n";
  });
  return text;
}

std::string troubles(const OrderedJson& results) {
  std::string text, warnings;
  for (const auto& [name, run] : results["runs"].items()) {
    if (run["state"] == "failed") text += "- " + name + " failed: " + run["error"].get<std::string>() + "\n";
    if (run["state"] == "unfinished") text += "- " + name + " is not finished\n";
  }
  if (!text.empty()) text = "\n## Runs that are missing\n\n" + text;
  for (const auto& [name, group] : results["groups"].items())
    for (const auto& [arm_name, arm] : group["arms"].items())
      for (const auto& warning : arm["warnings"]) warnings += "- " + warning.get<std::string>() + "\n";
  if (!warnings.empty()) text += "\n## What is not equal\n\n" + warnings;
  return text;
}

}  // namespace

std::string percent_cell(const OrderedJson& summary) {
  if (summary["mean"].is_null()) return "not measured";
  std::string text = compare::percent_text(summary["mean"].get<double>());
  if (!summary["interval"].is_null())
    text += " [" + compare::percent_text(summary["interval"][0].get<double>()) + ", " +
            compare::percent_text(summary["interval"][1].get<double>()) + "]";
  return text;
}

std::string page_text(const OrderedJson& results) {
  const std::string baseline = results["baseline"].get<std::string>();
  std::string text =
      "# " + results["title"].get<std::string>() + "\n\nSeeds " + joined(results["seeds"]) +
      ". Losses on held-out data at the end of training, mean over seeds. Gain: (" + baseline +
      " - model) / " + baseline +
      " of the same seed. FLOPs to match: training FLOPs after which the model has " + baseline +
      "'s final loss, as a part of its; by slope: over the whole curve.\nIn brackets: 95% of 10,000 "
      "bootstrap means over seeds. With 2 or 3 seeds that is the range of the seeds and no more: it "
      "covers the true mean in about 50% and 75% of cases.\n\n";
  const std::string verdict = table(results, true), others = table(results, false);
  text += verdict.empty() ? "No two runs to compare yet.\n" : verdict + "\n" + sentences(results);
  text += ablation_text(results);
  if (!others.empty()) text += "\n## Other held-out sets\n\n" + others;
  return text + troubles(results);
}

}  // namespace mom::study
