// Models side by side: what they cost, and their final losses on every held-out set; then every
// comparison and every run as tables.
#include <algorithm>

#include "mom/compare/compare.h"
#include "mom/compare/number_text.h"
#include "mom/compare/verdict.h"
#include "mom/report/cells.h"
#include "mom/report/html.h"
#include "mom/report/intervals.h"
#include "mom/report/study_sections.h"
#include "mom/report/study_sweep.h"
#include "mom/study/ablation.h"

namespace mom::report {
namespace {

using study::ArmResult;
using study::GroupResult;
using study::Row;
using study::RunResult;
using study::StudyResults;

// A model of a group with its finished runs, in the order of the markers.
struct Model {
  std::string label;
  std::vector<const RunResult*> runs;
  const ArmResult* arm = nullptr;  // nullptr: the baseline, or nothing to compare
  size_t mark = 0;                 // of its curves
};

// Without partial subsets: these have a table of their own.
std::vector<Model> models_of(const StudyResults& results, const GroupResult& group) {
  std::vector<Model> models;
  const std::vector<std::string> names = results.arms_of(group);
  for (size_t i = 0; i < names.size(); ++i) {
    if (study::is_partial(names[i])) continue;
    const ArmResult* arm = group.find(names[i]);
    models.push_back({arm_label(results, group, names[i]), results.runs_of(group, names[i]),
                      arm && !arm->seeds.empty() ? arm : nullptr, i});
  }
  return models;
}

std::string model_html(const Model& model) {
  return "<span class=\"run\">" + swatch(model.mark) + "</span>" + escape(model.label);
}

// Means over seeds of a value of each run; not measured where one lacks it.
template <class Pick>
Summary over_runs(const Model& model, const Pick& pick) {
  std::vector<std::optional<double>> values;
  for (const RunResult* run : model.runs) values.push_back(pick(*run));
  return study::summarised(values);
}

std::string mean_text(const Summary& summary, std::string (*text)(double)) {
  return summary.mean ? text(*summary.mean) : kAbsent;
}

// Comparable where runs share a machine; absent in logs without CPU time.
std::optional<double> tokens_per_cpu_s(const RunResult& run) {
  const auto& seconds = run.timing.train_cpu_seconds;
  return seconds && *seconds > 0 ? std::optional(run.tokens / *seconds) : std::nullopt;
}

std::string costs_table(const std::vector<Model>& models) {
  Cells rows;
  for (const Model& model : models) {
    const auto parameters = over_runs(model, [](const RunResult& run) -> std::optional<double> {
      const auto total = run.parameters.is_object() ? run.parameters.find("total") : run.parameters.end();
      return total != run.parameters.end() && total->is_number() ? std::optional(total->get<double>())
                                                                 : std::nullopt;
    });
    const auto flops = over_runs(model, [](const RunResult& run) {
      return run.tokens > 0 ? std::optional(run.flops / run.tokens) : std::nullopt;
    });
    rows.push_back(
        {model_html(model), mean_text(parameters, grouped), mean_text(flops, scaled),
         mean_text(over_runs(model, [](const RunResult& run) { return run.timing.tokens_per_s; }), grouped),
         mean_text(over_runs(model, tokens_per_cpu_s), grouped),
         mean_text(over_runs(model, [](const RunResult& run) { return run.timing.peak_rss_bytes; }),
                   bytes_text)});
  }
  return table(
      {"Model", "parameters", "training FLOPs per token", "tokens/s", "tokens per CPU second", "peak memory"},
      rows, true);
}

// All models on one modality of a set, from the lowest loss to the highest.
std::string dots_table(const runs::SetTitles& titles, const std::vector<Model>& models,
                       const std::string& set, const std::string& modality) {
  std::vector<Summary> losses;
  std::vector<const Summary*> measured;
  std::vector<size_t> order;
  for (const Model& model : models) losses.push_back(final_losses(model.runs, set, modality));
  for (size_t i = 0; i < models.size(); ++i)
    if (losses[i].mean) measured.push_back(&losses[i]), order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return *losses[a].mean < *losses[b].mean; });
  const Scale scale = scale_of(measured, false);
  std::string html = "<table class=\"dots\"><caption>" + escape(modality) + ": " +
                     escape(runs::set_text(titles, set)) +
                     "</caption><thead><tr><th scope=\"col\">model</th><th scope=\"col\">loss</th><th "
                     "scope=\"col\">gain</th></tr></thead><tbody>\n";
  for (const size_t i : order) {
    const Row* row = models[i].arm ? models[i].arm->find(set, modality) : nullptr;
    html += "<tr><th scope=\"row\">" + model_html(models[i]) + "</th><td>" + loss_html(losses[i]) +
            dot_plot(losses[i], scale, models[i].mark) + "</td><td>" +
            (row ? gain_html(row->gain) : std::string(models[i].arm ? kAbsent : "baseline")) + "</td></tr>\n";
  }
  return html + "</tbody></table>\n";
}

std::string dots(const runs::SetTitles& titles, const std::vector<Model>& models) {
  std::string html = "<div class=\"dot-tables\">\n";
  for (const auto& [set, modalities] : models.front().runs.front()->losses)
    for (const auto& [modality, loss] : modalities)
      if (modality != compare::kOverall || modalities.size() > 2)
        html += dots_table(titles, models, set, modality);
  return html + "</div>\n";
}

// Whether any seed's CPU time to match is known.
bool has_cpu_seconds(const ArmResult& arm) {
  for (const auto& [set, modalities] : arm.sets)
    for (const auto& [modality, row] : modalities)
      for (const auto& value : row.cpu_seconds_to_match.values)
        if (value) return true;
  return false;
}

// A dash where the log does not say how long it took.
std::string time_html(const Row& row, const Summary& seconds) {
  const bool timed = std::any_of(seconds.values.begin(), seconds.values.end(),
                                 [](const auto& value) { return value.has_value(); });
  const bool reached =
      std::find(row.match.begin(), row.match.end(), compare::Match::kReached) != row.match.end();
  return seconds.values.empty() || (reached && !timed) ? kAbsent
                                                       : match_html(row, seconds, compare::kNotReached);
}

// Time to match is CPU time where that is known: runs may have shared a machine.
std::string comparison_table(const runs::SetTitles& titles, const ArmResult& arm) {
  const bool of_processor = has_cpu_seconds(arm);
  Cells rows;
  for (const auto& [set, modalities] : arm.sets)
    for (const auto& [modality, row] : modalities)
      rows.push_back({row_name(titles, set, modality), loss_html(row.dense_loss), loss_html(row.mix_loss),
                      gain_html(row.gain), match_html(row, row.flops_to_match, compare::kNotReached),
                      match_html(row, row.flops_to_match_slope, compare::kNotComputable),
                      match_html(row, row.tokens_to_match, compare::kNotReached),
                      time_html(row, of_processor ? row.cpu_seconds_to_match : row.seconds_to_match)});
  return table({"Held-out data", escape(arm.baseline_model), escape(arm.model), "gain", "FLOPs to match",
                "by slope", "tokens to match", of_processor ? "CPU time to match" : "time to match"},
               rows, true);
}

// Open where the verdict is about it.
std::string arm_html(const runs::SetTitles& titles, const GroupResult& group, const ArmResult& arm) {
  const auto verdicts = verdict_arms(group);
  const bool open = std::find(verdicts.begin(), verdicts.end(), &arm) != verdicts.end();
  return "<details" + std::string(open ? " open" : "") + "><summary>" +
         escape(group.name + ": " + arm.model + " against " + arm.baseline_model) + "</summary>\n" +
         comparison_table(titles, arm) + "</details>\n";
}

std::vector<std::string> run_row(const RunResult& run) {
  const auto& timing = run.timing;
  const auto text = [](const std::optional<double>& value, std::string (*words)(double)) {
    return value ? words(*value) : std::string(kAbsent);
  };
  return {"<code>" + escape(run.name) + "</code>",
          grouped(run.steps),
          scaled(run.tokens),
          scaled(run.flops),
          text(timing.train_seconds, grouped),
          text(timing.train_cpu_seconds, grouped),
          text(timing.process_seconds, grouped),
          text(timing.tokens_per_s, grouped),
          text(timing.peak_rss_bytes, bytes_text)};
}

}  // namespace

std::string backbones_section(const StudySubject& subject) {
  std::string html;
  for (const GroupResult& group : subject.results.groups) {
    const std::vector<Model> models = models_of(subject.results, group);
    if (models.size() < 3) continue;
    html += "<h3>" + escape(group.name) + "</h3>\n" + costs_table(models) +
            dots(subject.results.set_titles, models);
  }
  if (html.empty()) return "";
  return "<section id=\"models\"><h2>All models side by side</h2>\n<p>Held-out losses at the end of "
         "training, the lowest first; gain against the baseline with the same seed. Not all models cost "
         "the same: training FLOPs per token are in the first table, FLOPs to match <a "
         "href=\"#comparisons\">below</a>.</p>\n" +
         html + "</section>\n";
}

std::string comparisons_section(const StudySubject& subject) {
  std::string html;
  for (const GroupResult& group : subject.results.groups)
    for (const ArmResult& arm : group.arms)
      if (!arm.seeds.empty()) html += arm_html(subject.results.set_titles, group, arm);
  if (html.empty()) return "";
  return "<section id=\"comparisons\"><h2>Every comparison</h2>\n<p>All held-out sets. To match: what the "
         "model had spent when it first "
         "reached its baseline&rsquo;s final loss, as a fraction of what the baseline spent in total.</p>\n" +
         html + "</section>\n";
}

std::string runs_section(const StudySubject& subject) {
  Cells rows;
  for (const RunResult& run : subject.results.runs)
    if (run.finished()) rows.push_back(run_row(run));
  if (rows.empty()) return "";
  return "<section id=\"runs\"><h2>Runs</h2>\n<details><summary>All " + std::to_string(rows.size()) +
         " finished runs: steps, tokens, FLOPs, time, memory</summary>\n" +
         table({"run", "steps", "tokens", "training FLOPs", "training, s", "CPU time, s", "total, s",
                "tokens/s", "peak memory"},
               rows, true) +
         "<p class=\"remark\">Training: the steps alone; total: with evaluations, saves and the final "
         "evaluation. Runs side by side share a machine: "
         "their CPU times can be compared, wall-clock times only with care.</p>\n</details></section>\n";
}

}  // namespace mom::report
