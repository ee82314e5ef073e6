// The page about a study as data (docs/formats/page.md).
#include <algorithm>
#include <set>

#include "mom/compare/verdict.h"
#include "mom/report/curves.h"
#include "mom/report/published.h"
#include "mom/report/runs_page.h"
#include "mom/report/study_report.h"
#include "mom/report/study_sweep.h"
#include "mom/study/ablation.h"
#include "mom/study/config.h"

namespace mom::report {
namespace {

using compare::Summary;
using study::ArmResult;
using study::GroupResult;
using study::Named;
using study::Row;
using study::RunResult;
using study::StudyResults;

OrderedJson gain_json(const Summary& gain) {
  OrderedJson json = amount_json(gain, compare::kNotMeasured);
  if (gain.mean) json["outcome"] = compare::outcome_name(compare::outcome_of(gain));
  return json;
}

OrderedJson match_json(const Row& row, const Summary& amount, const char* never) {
  return amount_json(amount, compare::match_text(row.match, amount, never));
}

// Nothing where the log does not say how long it took.
void add_time(OrderedJson& json, const char* name, const Row& row, const Summary& seconds) {
  const bool timed = std::any_of(seconds.values.begin(), seconds.values.end(),
                                 [](const auto& value) { return value.has_value(); });
  const bool reached =
      std::find(row.match.begin(), row.match.end(), compare::Match::kReached) != row.match.end();
  if (!seconds.values.empty() && (timed || !reached))
    json[name] = match_json(row, seconds, compare::kNotReached);
}

OrderedJson row_json(const std::string& set, const std::string& modality, const Row& row) {
  OrderedJson json = {{"set", set},
                      {"modality", modality},
                      {"baseline", amount_json(row.dense_loss, compare::kNotMeasured)},
                      {"model", amount_json(row.mix_loss, compare::kNotMeasured)},
                      {"gain", gain_json(row.gain)},
                      {"flops_to_match", match_json(row, row.flops_to_match, compare::kNotReached)},
                      {"slope", match_json(row, row.flops_to_match_slope, compare::kNotComputable)},
                      {"tokens_to_match", match_json(row, row.tokens_to_match, compare::kNotReached)}};
  add_time(json, "seconds_to_match", row, row.seconds_to_match);
  add_time(json, "cpu_seconds_to_match", row, row.cpu_seconds_to_match);
  return json;
}

// What the paper says of the same comparison: Mixture-of-Mamba with dense Mamba, and nothing else.
OrderedJson paper_json(const Published& paper) {
  OrderedJson json = {{"modality", paper.modality}, {"parameters", paper.parameters}};
  if (paper.loss) json["loss"] = *paper.loss;
  if (paper.gain) json["gain"] = *paper.gain;
  if (paper.flops_to_match) json["flops_to_match"] = *paper.flops_to_match;
  if (!paper.remark.empty()) json["remark"] = paper.remark;
  return json;
}

OrderedJson comparison_json(const StudyResults& results, const GroupResult& group, const ArmResult& arm) {
  const auto verdicts = verdict_arms(group);
  OrderedJson json = {{"group", group.name},
                      {"arm", arm.name},
                      {"baseline", arm.baseline_model},
                      {"model", arm.model},
                      {"verdict", std::find(verdicts.begin(), verdicts.end(), &arm) != verdicts.end()},
                      {"set", arm.set},
                      {"source", arm.loss_source},
                      {"seeds", arm.seeds},
                      {"warnings", arm.warnings},
                      {"rows", OrderedJson::array()}};
  for (const auto& [set, modalities] : arm.sets)
    for (const auto& [modality, row] : modalities) json["rows"].push_back(row_json(set, modality, row));
  if (arm.name == study::kMixture && results.baseline == study::kDense)
    for (const Published& paper : published())
      if (paper.setting == setting_of(results, group)) json["paper"].push_back(paper_json(paper));
  return json;
}

OrderedJson losses_json(const std::vector<const RunResult*>& runs) {
  OrderedJson losses = OrderedJson::array();
  for (const auto& [set, modalities] : runs.front()->losses)
    for (const auto& [modality, loss] : modalities)
      losses.push_back({{"set", set},
                        {"modality", modality},
                        {"loss", amount_json(final_losses(runs, set, modality), compare::kNotMeasured)}});
  return losses;
}

template <class Pick>
void add_mean(OrderedJson& json, const char* name, const std::vector<const RunResult*>& runs,
              const Pick& pick) {
  std::vector<std::optional<double>> values;
  for (const RunResult* run : runs) values.push_back(pick(*run));
  if (const Summary summary = study::summarised(values); summary.mean)
    json[name] = number_json(*summary.mean, kTableDigits);
}

std::optional<double> parameters_of(const RunResult& run) {
  if (!run.parameters.is_object()) return std::nullopt;
  const auto total = run.parameters.find("total");
  return total != run.parameters.end() && total->is_number() ? std::optional(total->get<double>())
                                                             : std::nullopt;
}

// CPU time is comparable where runs share a machine.
OrderedJson costs_json(const std::vector<const RunResult*>& runs) {
  OrderedJson json = OrderedJson::object();
  add_mean(json, "parameters", runs, parameters_of);
  add_mean(json, "flops_per_token", runs, [](const RunResult& run) {
    return run.tokens > 0 ? std::optional(run.flops / run.tokens) : std::nullopt;
  });
  add_mean(json, "tokens_per_s", runs, [](const RunResult& run) { return run.timing.tokens_per_s; });
  add_mean(json, "tokens_per_cpu_s", runs, [](const RunResult& run) {
    const auto& seconds = run.timing.train_cpu_seconds;
    return seconds && *seconds > 0 ? std::optional(run.tokens / *seconds) : std::nullopt;
  });
  add_mean(json, "peak_rss_bytes", runs, [](const RunResult& run) { return run.timing.peak_rss_bytes; });
  return json;
}

OrderedJson models_json(const StudyResults& results, const GroupResult& group) {
  OrderedJson models = OrderedJson::array();
  for (const std::string& arm : results.arms_of(group)) {
    const auto runs = results.runs_of(group, arm);
    models.push_back({{"arm", arm},
                      {"label", arm_label(results, group, arm)},
                      {"partial", study::is_partial(arm)},
                      {"losses", losses_json(runs)},
                      {"costs", costs_json(runs)}});
  }
  return models;
}

// Subsets in the order of their gain on the modality that the verdict names last: the sum, where there are several.
void add_subsets(OrderedJson& json, const GroupResult& group) {
  const std::vector<study::Subset> any = study::subsets_by_gain(group, "");
  if (any.empty()) return;
  const ArmResult* leading = compared(group, study::kMixture);
  for (const study::Subset& subset : any)
    if (!leading) leading = subset.result;
  const std::string order = leading->verdict_rows().back().first;
  json["subsets"] = {{"arm", leading->name}, {"order", order}, {"rows", OrderedJson::array()}};
  for (const study::Subset& subset : study::subsets_by_gain(group, order)) {
    OrderedJson row = {{"name", subset.name}, {"projections", subset.projections}};
    if (subset.result) row["arm"] = subset.result->name;
    json["subsets"]["rows"].push_back(std::move(row));
  }
  json["subsets"]["projections"] = study::kProjections;
  if (!group.interaction) return;
  for (const auto& [set, modalities] : *group.interaction)
    for (const auto& [modality, interaction] : modalities) {
      const Row* joint = leading->find(set, modality);
      const std::string words = joint ? study::interaction_text(interaction, joint->gain) : "";
      json["interaction"].push_back({{"set", set},
                                     {"modality", modality},
                                     {"amount", amount_json(interaction, compare::kNotMeasured)},
                                     {"words", words.empty() ? compare::kNotMeasured : words}});
    }
}

OrderedJson groups_json(const StudyResults& results) {
  OrderedJson groups = OrderedJson::array();
  for (const GroupResult& group : results.groups) {
    groups.push_back(
        {{"name", group.name}, {"recipe", group.recipe}, {"models", models_json(results, group)}});
    add_subsets(groups.back(), group);
  }
  return groups;
}

OrderedJson run_json(const RunResult& run) {
  OrderedJson json = {{"name", run.name}, {"state", run.state}};
  if (!run.error.empty()) json["error"] = run.error;
  if (!run.finished()) return json;
  json["arm"] = run.arm, json["seed"] = run.seed;
  const auto add = [&](const char* name, const std::optional<double>& value) {
    if (value) json[name] = number_json(*value, kTableDigits);
  };
  add("steps", run.steps), add("tokens", run.tokens), add("flops", run.flops);
  add("parameters", parameters_of(run));
  add("train_seconds", run.timing.train_seconds), add("train_cpu_seconds", run.timing.train_cpu_seconds);
  add("process_seconds", run.timing.process_seconds), add("tokens_per_s", run.timing.tokens_per_s);
  add("peak_rss_bytes", run.timing.peak_rss_bytes);
  return json;
}

OrderedJson sweeps_json(const StudyResults& results) {
  OrderedJson sweeps = OrderedJson::array();
  for (const Sweep& sweep : sweeps_of(results)) {
    OrderedJson rates = OrderedJson::array();
    for (const Sweep::Rate& rate : sweep.rates)
      rates.push_back({{"text", rate.text}, {"losses", losses_json(rate.runs)}});
    sweeps.push_back({{"name", sweep.name}, {"rates", std::move(rates)}});
  }
  return sweeps;
}

std::string recipe_text(const RunResult& run) {
  std::string text;
  for (const auto& [key, value] : run.resolved_recipe) text += key + " = " + value + "\n";
  return text;
}

// By recipe file, in the order of the study: the first finished run of each model of each of its groups. Runs of other
// seeds differ in the seed alone.
OrderedJson recipes_of(const StudyResults& results) {
  Named<std::vector<RecipeOf>> by_recipe;
  for (const GroupResult& group : results.groups)
    for (const std::string& arm : results.arms_of(group)) {
      if (by_recipe.empty() || by_recipe.back().first != group.recipe)
        by_recipe.push_back({group.recipe, {}});
      const RunResult& run = *results.runs_of(group, arm).front();
      by_recipe.back().second.push_back({run.name, recipe_text(run), &run.resolved_recipe});
    }
  OrderedJson recipes = OrderedJson::array();
  for (const auto& [file, of_file] : by_recipe) recipes.push_back(recipes_json(file, of_file, 1));
  return recipes;
}

OrderedJson environments_of(const StudySubject& subject) {
  if (subject.results.environments.empty()) return environments_json(subject.shown.runs);  // older studies
  OrderedJson all = OrderedJson::array();
  for (const study::Environment& environment : subject.results.environments)
    all.push_back({{"runs", environment.runs}, {"values", environment.values}});
  return all;
}

// The seeds of the model that has the most.
OrderedJson seeds_of(const StudyResults& results) {
  std::vector<int64_t> most;
  for (const GroupResult& group : results.groups)
    for (const std::string& arm : results.arms_of(group)) {
      std::vector<int64_t> seeds;
      for (const RunResult* run : results.runs_of(group, arm)) seeds.push_back(run->seed);
      if (seeds.size() > most.size()) most = std::move(seeds);
    }
  return most;
}

modality::TrainedSum heaviest_sum(const StudyResults& results) {
  modality::TrainedSum heaviest;
  for (const RunResult& run : results.runs)
    if (const modality::TrainedSum trained = trained_sum_of(run); trained.weight > heaviest.weight)
      heaviest = trained;
  return heaviest;
}

OrderedJson comparisons_json(const StudyResults& results) {
  OrderedJson comparisons = OrderedJson::array();
  for (const GroupResult& group : results.groups)
    for (const ArmResult& arm : group.arms)
      if (!arm.seeds.empty() || !arm.warnings.empty())
        comparisons.push_back(comparison_json(results, group, arm));
  return comparisons;
}

}  // namespace

OrderedJson study_page(const StudySubject& subject) {
  const StudyResults& results = subject.results;
  std::vector<std::string> command = {"mom", "report"};
  command.insert(command.end(), subject.command.begin(), subject.command.end());
  OrderedJson page = {{"format", "mom page"},
                      {"version", 1},
                      {"kind", "study"},
                      {"title", results.title},
                      {"verdicts", study_verdicts(results)},
                      {"seeds", seeds_of(results)},
                      {"sets", results.set_titles},
                      {"trained", trained_json(heaviest_sum(results))},
                      {"runs", runs_json(subject.shown)},
                      {"comparisons", comparisons_json(results)},
                      {"panels", study_panels(results)},
                      {"experts", subject.shown.runs.empty() ? nullptr : expert_panel(subject.shown)},
                      {"recipes", recipes_of(results)},
                      {"environments", environments_of(subject)},
                      {"commands", {{"page", shell_words(command)}}},
                      {"notes", subject.notes},
                      {"baseline", results.baseline},
                      {"groups", groups_json(results)},
                      {"sweeps", sweeps_json(results)},
                      {"study_runs", OrderedJson::array()}};
  if (!results.command.empty()) page["commands"]["study"] = shell_words(results.command) + " --out DIR";
  for (const RunResult& run : results.runs) page["study_runs"].push_back(run_json(run));
  add_samples(page, subject.shown.runs);
  return page;
}

}  // namespace mom::report
