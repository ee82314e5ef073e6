#include "mom/report/study_sweep.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "mom/report/study_report.h"

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

// The text of the rate with the lowest loss; "" where none was measured.
std::string best_rate(const Sweep& sweep, const std::string& set, const std::string& modality) {
  std::optional<double> lowest;
  std::string text;
  for (const Sweep::Rate& rate : sweep.rates) {
    const auto mean = final_losses(rate.runs, set, modality).mean;
    if (mean && (!lowest || *mean < *lowest)) lowest = mean, text = rate.text;
  }
  return text;
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
      sweep.name = Path(group.recipe).stem().string() + ", " + arm_label(results, group, arm);
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
  for (const auto& [modality, loss] : modalities)
    if (const std::string best = best_rate(sweep, set, modality); !best.empty())
      text += (text.empty() ? "" : ", ") + best + " for " + modality;
  return sweep.name + ", " + runs::set_text(titles, set) + ": lowest loss at learning rate " + text + ".";
}

}  // namespace mom::report
