#include "mom/report/study_sweep.h"

#include <algorithm>
#include <cstdlib>

#include "mom/compare/compare.h"
#include "mom/report/cells.h"
#include "mom/report/html.h"
#include "mom/report/intervals.h"
#include "mom/report/study_sections.h"

namespace mom::report {
namespace {

using study::GroupResult;
using study::RunResult;
using study::StudyResults;

constexpr const char* kRate = "train.learning_rate";

// All of a recipe but its learning rates: what the groups of a sweep have in common.
std::string without_rates(const RunResult& run) {
  std::string text = run.recipe + " " + run.arm;
  for (const auto& [key, value] : run.resolved_recipe)
    if (key != kRate && key != "train.min_learning_rate" && key != "seed") text += "\n" + key + "=" + value;
  return text;
}

// "0.0060000000000000001" -> "0.006"
std::string rate_text(double rate) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", rate);
  return text;
}

Sweep::Rate rate_of(const std::vector<const RunResult*>& runs) {
  const auto found = runs.front()->resolved_recipe.find(kRate);
  const double rate =
      found == runs.front()->resolved_recipe.end() ? 0 : std::strtod(found->second.c_str(), nullptr);
  return {rate_text(rate), rate, runs};
}

std::string recipe_name(const std::string& recipe) { return Path(recipe).stem().string(); }

// Each rate's loss on one set and modality.
std::vector<Summary> losses_by_rate(const Sweep& sweep, const std::string& set, const std::string& modality) {
  std::vector<Summary> losses;
  for (const Sweep::Rate& rate : sweep.rates) losses.push_back(final_losses(rate.runs, set, modality));
  return losses;
}

size_t lowest(const std::vector<Summary>& losses) {
  size_t best = losses.size();
  for (size_t i = 0; i < losses.size(); ++i)
    if (losses[i].mean && (best == losses.size() || *losses[i].mean < *losses[best].mean)) best = i;
  return best;
}

std::vector<std::string> sweep_row(const runs::SetTitles& titles, const Sweep& sweep, const std::string& set,
                                   const std::string& modality) {
  const std::vector<Summary> losses = losses_by_rate(sweep, set, modality);
  std::vector<const Summary*> all;
  for (const Summary& each : losses) all.push_back(&each);
  std::vector<std::string> cells = {row_name(titles, set, modality)};
  const size_t best = lowest(losses);
  for (size_t i = 0; i < losses.size(); ++i)
    cells.push_back(loss_html(losses[i]) + (i == best ? " <small><b>lowest</b></small>" : "") +
                    dot_plot(losses[i], scale_of(all, false), i));
  return cells;
}

std::string sweep_html(const runs::SetTitles& titles, const Sweep& sweep) {
  std::vector<std::string> head = {"Final loss at learning rate"};
  for (const Sweep::Rate& rate : sweep.rates) head.push_back(escape(rate.text));
  Cells rows;
  for (const auto& [set, modalities] : sweep.rates.front().runs.front()->losses)
    for (const auto& [modality, loss] : modalities)
      if (modality != compare::kOverall || modalities.size() > 2)
        rows.push_back(sweep_row(titles, sweep, set, modality));
  return "<h3>" + escape(sweep.name) + "</h3>\n" + table(head, rows, true);
}

}  // namespace

study::Summary final_losses(const std::vector<const RunResult*>& runs, const std::string& set,
                            const std::string& modality) {
  std::vector<std::optional<double>> values;
  for (const RunResult* run : runs) {
    values.emplace_back();
    for (const auto& [name, modalities] : run->losses)
      for (const auto& [of, loss] : modalities)
        if (name == set && of == modality) values.back() = loss;
  }
  return study::summarised(values);
}

std::vector<Sweep> sweeps_of(const StudyResults& results) {
  std::map<std::string, Sweep> by_rest;
  for (const GroupResult& group : results.groups)
    for (const std::string& arm : results.arms_of(group)) {
      const auto runs = results.runs_of(group, arm);
      Sweep& sweep = by_rest[without_rates(*runs.front())];
      sweep.name = recipe_name(group.recipe) + ", " + arm_label(results, group, arm);
      sweep.rates.push_back(rate_of(runs));
    }
  std::vector<Sweep> sweeps;
  for (auto& [rest, sweep] : by_rest) {
    std::stable_sort(sweep.rates.begin(), sweep.rates.end(),
                     [](const auto& a, const auto& b) { return a.rate < b.rate; });
    const bool evaluated = !sweep.rates.front().runs.front()->losses.empty();
    if (evaluated && sweep.rates.front().rate < sweep.rates.back().rate) sweeps.push_back(sweep);
  }
  return sweeps;
}

std::string sweep_sentence(const runs::SetTitles& titles, const Sweep& sweep) {
  const auto& [set, modalities] = sweep.rates.front().runs.front()->losses.front();
  std::string text;
  for (const auto& each : modalities) {
    const size_t best = lowest(losses_by_rate(sweep, set, each.first));
    if (best < sweep.rates.size())
      text += (text.empty() ? "" : ", ") + sweep.rates[best].text + " for " + each.first;
  }
  return sweep.name + ", " + runs::set_text(titles, set) + ": lowest loss at learning rate " + text + ".";
}

std::string sweep_section(const StudySubject& subject) {
  std::string html;
  for (const Sweep& sweep : sweeps_of(subject.results)) html += sweep_html(subject.results.set_titles, sweep);
  if (html.empty()) return "";
  return "<section id=\"rates\"><h2>Learning rates</h2>\n<p>Final held-out losses of runs that differ in "
         "their learning rate only. A lowest loss at the first or last rate means that the best one may "
         "lie beyond it.</p>\n" +
         html + "</section>\n";
}

}  // namespace mom::report
