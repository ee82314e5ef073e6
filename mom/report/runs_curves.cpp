// The curves of the page about runs.
#include <algorithm>
#include <functional>
#include <set>

#include "mom/compare/compare.h"
#include "mom/report/curves.h"
#include "mom/report/expert_use.h"
#include "mom/report/runs_page.h"

namespace mom::report {
namespace {

using compare::Comparison;
using runs::MetricPoint;
using runs::RunFolder;
using ValueOf = std::function<std::optional<double>(const MetricPoint&)>;

constexpr size_t kMaxTrainingPoints = 800;   // of a curve: more than a chart has pixels for
constexpr size_t kMaxPointsTogether = 1600;  // of the curves of one chart

ValueOf loss_in(const std::string& modality, const modality::TrainedSum& trained) {
  return [=](const MetricPoint& point) -> std::optional<double> {
    const auto find = [&](const std::string& name) {
      const auto found = point.losses.find(name);
      return found == point.losses.end() ? std::nullopt : std::optional(found->second);
    };
    if (modality != compare::kOverall) return find(modality);
    if (trained.weight == 0) return point.loss;
    const auto tokens = find(trained.tokens), latents = find(trained.latents);
    return tokens && latents ? std::optional(*tokens + trained.weight * *latents) : std::nullopt;
  };
}

Points collect(const std::vector<MetricPoint>& points, const ValueOf& value_of) {
  Points all;
  for (const MetricPoint& point : points) {
    const auto value = value_of(point);
    if (!value) continue;
    all.steps.push_back(static_cast<double>(point.step)), all.tokens.push_back(point.tokens);
    all.flops.push_back(point.flops), all.values.push_back(*value);
  }
  return all;
}

using Lines = std::vector<std::pair<size_t, Series>>;

// Values that every step logs.
Lines step_lines(const Runs& runs, const std::function<ValueOf(const RunFolder&)>& value_of) {
  Lines lines;
  for (size_t i = 0; i < runs.size(); ++i) {
    const Points points = collect(runs[i].train, value_of(runs[i]));
    if (points.values.empty()) continue;
    lines.emplace_back(i, series_of({points}, Smoothing::kSteps));
    lines.back().second.raw.clear();  // single steps are noise: only their average is drawn
    thin(lines.back().second, std::clamp(kMaxPointsTogether / runs.size(), size_t{100}, kMaxTrainingPoints));
  }
  return lines;
}

Lines held_out_lines(const Runs& runs, const std::string& set, const std::string& modality) {
  Lines lines;
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto found = runs[i].evals.find(set);
    if (found == runs[i].evals.end()) continue;
    const Points points = collect(found->second, loss_in(modality, compare::trained_sum_of(runs[i])));
    if (!points.values.empty()) lines.emplace_back(i, series_of({points}, Smoothing::kEvaluations));
  }
  return lines;
}

// The baselines whose final loss others are measured against, each with the runs that reach it.
OrderedJson targets_of(const Subject& subject, const std::string& set, const std::string& modality) {
  std::map<size_t, OrderedJson> targets;
  for (const Comparison& comparison : subject.comparisons) {
    const auto row = std::find_if(comparison.rows.begin(), comparison.rows.end(), [&](const auto& candidate) {
      return candidate.set == set && candidate.modality == modality;
    });
    if (row == comparison.rows.end() || row->match == compare::Match::kUnknown) continue;
    const size_t dense = index_of(subject, comparison.dense_path);
    const auto curve =
        compare::smoothed(compare::held_out_curve(subject.runs[dense], set, modality, comparison.trained));
    OrderedJson& target = targets[dense];
    if (target.is_null())
      target = {{"line", dense}, {"loss", curve.loss.back()}, {"matches", OrderedJson::array()}};
    if (row->flops_to_match)
      target["matches"].push_back({{"line", index_of(subject, comparison.mix_path)},
                                   {"flops", *row->flops_to_match * curve.flops.back()},
                                   {"part", *row->flops_to_match}});
  }
  OrderedJson list = OrderedJson::array();
  for (auto& [run, target] : targets) list.push_back(std::move(target));
  return list;
}

// (set, modality) of all held-out charts: sets with the most modalities first, then those of a source that is trained
// on; "overall" last.
std::vector<std::pair<std::string, std::string>> held_out_charts(const Runs& runs) {
  std::map<std::string, std::vector<std::string>> modalities;
  for (const RunFolder& run : runs)
    for (const auto& [set, points] : run.evals) {
      auto of_run = compare::modalities_of(run, set);
      if (of_run.size() > modalities[set].size()) modalities[set] = std::move(of_run);
    }
  std::vector<std::pair<std::string, std::string>> charts;
  for (const auto& [set, names] : modalities)
    for (const std::string& name : names) charts.emplace_back(set, name);
  const auto rank = [&](const auto& chart) {
    return std::tuple(chart.second != compare::kOverall, modalities.at(chart.first).size(),
                      compare::trains_on(runs.front(), chart.first));
  };
  std::stable_sort(charts.begin(), charts.end(),
                   [&](const auto& a, const auto& b) { return rank(a) > rank(b); });
  return charts;
}

std::set<std::string> training_modalities(const Runs& runs) {
  std::set<std::string> names;
  for (const RunFolder& run : runs)
    for (const MetricPoint& point : run.train)
      for (const auto& [name, loss] : point.losses) names.insert(name);
  return names;
}

}  // namespace

OrderedJson run_panel(const Subject& subject) {
  const modality::TrainedSum trained = compare::trained_sum_of(subject.runs.front());
  Panel panel("", labels_of(subject.runs));
  for (const auto& [set, modality] : held_out_charts(subject.runs))
    panel.add_chart({{"group", "held-out"},
                     {"set", set},
                     {"modality", modality},
                     {"unit", unit_of(modality, trained)},
                     {"targets", targets_of(subject, set, modality)}},
                    held_out_lines(subject.runs, set, modality));
  for (const std::string& modality : training_modalities(subject.runs))
    panel.add_chart({{"group", "training"}, {"modality", modality}, {"unit", unit_of(modality, trained)}},
                    step_lines(subject.runs, [&](const RunFolder& run) {
                      return loss_in(modality, compare::trained_sum_of(run));
                    }));
  return panel.json();
}

OrderedJson expert_panel(const Subject& subject) {
  const bool choose = std::any_of(subject.runs.begin(), subject.runs.end(), experts_choose);
  Panel panel("experts", labels_of(subject.runs));
  const auto add = [&](const char* title, const char* unit, double even, bool percent, ValueOf value_of) {
    panel.add_chart(
        {{"group", "experts"}, {"title", title}, {"unit", unit}, {"even", even}, {"percent", percent}},
        step_lines(subject.runs, [&](const RunFolder&) { return value_of; }));
  };
  add("Without a place", choose ? "of choices; where experts choose, of tokens" : "of choices", 0, true,
      [](const MetricPoint& point) { return point.experts_dropped; });
  add("Balance loss", "1: even", 1, false, [](const MetricPoint& point) { return point.experts_balance; });
  add("Router entropy", "fraction of log experts", 1, true, relative_entropy);
  return panel.json()["charts"].empty() ? OrderedJson(nullptr) : panel.json();
}

}  // namespace mom::report
