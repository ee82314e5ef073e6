#include "mom/report/study_charts.h"

#include <algorithm>

#include "mom/compare/compare.h"
#include "mom/report/study_sweep.h"
#include "mom/study/ablation.h"

namespace mom::report {
namespace {

using study::ArmResult;
using study::CurvePoints;
using study::GroupResult;
using study::RunResult;
using study::StudyResults;

constexpr size_t kMaxCurvePoints = 100;  // of a curve: there may be twenty in a chart
constexpr size_t kMaxLines = 8;          // drawn at first: as many as there are colours

struct Line {
  std::string label;
  std::vector<const RunResult*> runs;  // one per seed
  const ArmResult* arm = nullptr;      // what it was compared with; nullptr for baselines and rates
};

// What the curves of a panel have in common. Times of runs without CPU time are not comparable
// with those that have.
struct Kind {
  modality::TrainedSum trained;
  bool of_processor = false;
};

const CurvePoints* points_of(const RunResult& run, const std::string& set) {
  if (set.empty()) return &run.train;
  for (const auto& [name, points] : run.held_out)
    if (name == set) return &points;
  return nullptr;
}

const std::vector<std::optional<double>>* losses_of(const CurvePoints& points, const std::string& modality) {
  for (const auto& [name, losses] : points.losses)
    if (name == modality) return &losses;
  return nullptr;
}

// Seconds the run had taken by a step, linear between the steps that were recorded.
double seconds_at(const study::RunTiming& timing, double step) {
  double step_before = 0, before = 0;
  for (size_t i = 0; i < timing.step.size(); ++i) {
    if (timing.step[i] >= step)
      return before + (timing.seconds[i] - before) * (step - step_before) / (timing.step[i] - step_before);
    step_before = timing.step[i], before = timing.seconds[i];
  }
  return before;
}

// One seed: the loss where it was measured, and its smoothed line.
Series of_seed(const RunResult& run, const std::string& set, const std::string& modality, const Kind& kind) {
  Series series;
  const CurvePoints* points = points_of(run, set);
  const auto* losses = points ? losses_of(*points, modality) : nullptr;
  if (!losses) return series;
  const bool timed = !run.timing.step.empty() && run.timing.of_processor == kind.of_processor;
  for (size_t i = 0; i < losses->size(); ++i) {
    if (!(*losses)[i]) continue;
    series.flops.push_back(points->flops[i]), series.steps.push_back(points->step[i]);
    series.tokens.push_back(points->tokens[i]), series.raw.push_back(*(*losses)[i]);
    if (timed) series.seconds.push_back(seconds_at(run.timing, points->step[i]));
  }
  series.fit = set.empty() ? compare::moving_average(series.steps, series.raw,
                                                     std::max(1.0, kHalfLifePart * run.steps))
                           : compare::smoothed({series.flops, series.raw}).loss;
  return series;
}

// The steps that all seeds have: the same in a study, unless a run was made by hand.
std::vector<double> common_steps(const std::vector<Series>& seeds) {
  std::vector<double> steps = seeds.front().steps;
  for (const Series& seed : seeds)
    std::erase_if(
        steps, [&](double step) { return !std::binary_search(seed.steps.begin(), seed.steps.end(), step); });
  return steps;
}

// Mean over seeds, and their range where there are two or more.
Series over_seeds(const std::vector<Series>& seeds) {
  Series all;
  const auto mean_at = [&](const std::vector<size_t>& rows, std::vector<double> Series::*values) {
    double sum = 0;
    for (size_t i = 0; i < seeds.size(); ++i) sum += (seeds[i].*values)[rows[i]];
    return sum / static_cast<double>(seeds.size());
  };
  const bool timed =
      std::none_of(seeds.begin(), seeds.end(), [](const Series& seed) { return seed.seconds.empty(); });
  for (const double step : common_steps(seeds)) {
    std::vector<size_t> rows;
    std::vector<double> fits;
    for (const Series& seed : seeds) {
      rows.push_back(static_cast<size_t>(std::lower_bound(seed.steps.begin(), seed.steps.end(), step) -
                                         seed.steps.begin()));
      fits.push_back(seed.fit[rows.back()]);
    }
    all.steps.push_back(step);
    for (auto values : {&Series::flops, &Series::tokens, &Series::raw, &Series::fit})
      (all.*values).push_back(mean_at(rows, values));
    if (timed) all.seconds.push_back(mean_at(rows, &Series::seconds));
    if (seeds.size() < 2) continue;
    all.low.push_back(*std::min_element(fits.begin(), fits.end()));
    all.high.push_back(*std::max_element(fits.begin(), fits.end()));
  }
  return all;
}

Series line_series(const Line& line, const std::string& set, const std::string& modality, const Kind& kind) {
  std::vector<Series> seeds;
  for (const RunResult* run : line.runs) {
    Series seed = of_seed(*run, set, modality, kind);
    if (!seed.raw.empty()) seeds.push_back(std::move(seed));
  }
  Series series = seeds.empty() ? Series{} : over_seeds(seeds);
  if (set.empty()) series.raw.clear();  // single steps are noise: only their average is drawn
  thin(series, kMaxCurvePoints);
  return series;
}

// The baseline's final loss, and the fraction of its FLOPs at which each model reaches it in the mean; models of which
// one seed never reaches it have none.
OrderedJson targets_of(const std::vector<Line>& lines, const CurveChart& chart) {
  OrderedJson targets = OrderedJson::array();
  if (chart.set.empty() || chart.lines.empty() || chart.lines.front().first != 0 || lines[0].arm)
    return targets;
  const Series& baseline = chart.lines.front().second;
  OrderedJson matches = OrderedJson::array();
  bool measured = false;
  for (size_t i = 1; i < lines.size(); ++i) {
    const study::Row* row = lines[i].arm ? lines[i].arm->find(chart.set, chart.modality) : nullptr;
    measured = measured || row;
    if (!row || !row->flops_to_match.mean) continue;
    matches.push_back({{"run", i},
                       {"flops", *row->flops_to_match.mean * baseline.flops.back()},
                       {"part", *row->flops_to_match.mean}});
  }
  if (measured)
    targets.push_back({{"run", 0}, {"loss", baseline.fit.back()}, {"matches", std::move(matches)}});
  return targets;
}

CurveChart chart_of(const std::vector<Line>& lines, const std::string& set, const std::string& modality,
                    const Kind& kind) {
  CurveChart chart{set, modality, unit_of(modality, kind.trained), {}};
  for (size_t i = 0; i < lines.size(); ++i) {
    Series series = line_series(lines[i], set, modality, kind);
    if (!series.fit.empty()) chart.lines.emplace_back(i, std::move(series));
  }
  if (lines.size() <= kMaxLines) chart.targets = targets_of(lines, chart);
  return chart;
}

// Modalities by name, text behind them; the sum last, where it is one of several.
std::vector<std::string> modalities_of(const CurvePoints& points, bool with_overall) {
  std::vector<std::string> names;
  for (const auto& [name, losses] : points.losses)
    if (name != compare::kOverall) names.push_back(name);
  std::stable_sort(names.begin(), names.end(), [](const auto& a, const auto& b) {
    return (a == modality::kTextName) < (b == modality::kTextName);
  });
  if (with_overall && names.size() > 1) names.push_back(compare::kOverall);
  return names;
}

// Sets with the most modalities first.
std::vector<std::pair<std::string, CurvePoints>> sets_of(const RunResult& run) {
  auto sets = run.held_out;
  std::stable_sort(sets.begin(), sets.end(), [](const auto& a, const auto& b) {
    return a.second.losses.size() > b.second.losses.size();
  });
  return sets;
}

// Of many models: the baseline, all projections and each alone; else the first ones.
std::vector<size_t> lines_off(const std::vector<Line>& lines) {
  std::vector<size_t> off;
  if (lines.size() <= kMaxLines) return off;
  const bool subsets = std::any_of(lines.begin(), lines.end(), [](const Line& line) {
    return line.arm && study::is_partial(line.arm->name);
  });
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string name = lines[i].arm ? lines[i].arm->name : "";
    const bool several = study::is_partial(name) && name.find('+') != std::string::npos;
    if (subsets ? several : i >= kMaxLines) off.push_back(i);
  }
  return off;
}

bool all_of_processor(const std::vector<Line>& lines) {
  return std::all_of(lines.begin(), lines.end(), [](const Line& line) {
    return std::all_of(line.runs.begin(), line.runs.end(),
                       [](const RunResult* run) { return run->timing.of_processor; });
  });
}

CurvePanel panel_of(const std::string& name, const std::vector<Line>& lines) {
  CurvePanel panel;
  panel.name = name;
  for (const Line& line : lines) panel.lines.push_back(line.label);
  const RunResult& first = *lines.front().runs.front();
  const Kind kind{trained_sum_of(first), all_of_processor(lines)};
  panel.of_processor = kind.of_processor;
  for (const auto& [set, points] : sets_of(first))
    for (const std::string& modality : modalities_of(points, true))
      panel.charts.push_back(chart_of(lines, set, modality, kind));
  for (const std::string& modality : modalities_of(first.train, false))
    panel.charts.push_back(chart_of(lines, "", modality, kind));
  panel.off = lines_off(lines);
  std::erase_if(panel.charts, [](const CurveChart& chart) { return chart.lines.empty(); });
  return panel;
}

std::vector<Line> lines_of(const StudyResults& results, const GroupResult& group) {
  std::vector<Line> lines;
  for (const std::string& arm : results.arms_of(group)) {
    const ArmResult* result = group.find(arm);
    lines.push_back({arm_label(results, group, arm), results.runs_of(group, arm),
                     result && !result->seeds.empty() ? result : nullptr});
  }
  return lines;
}

std::string chart_title(const runs::SetTitles& titles, const CurveChart& chart) {
  return chart.modality + ": " + (chart.set.empty() ? "training loss" : runs::set_text(titles, chart.set));
}

}  // namespace

std::vector<CurvePanel> curve_panels(const StudySubject& subject) {
  const StudyResults& results = subject.results;
  const std::vector<Sweep> sweeps = sweeps_of(results);
  std::vector<CurvePanel> panels;
  for (const GroupResult& group : results.groups) {
    const std::vector<Line> lines = lines_of(results, group);
    if (lines.empty() || (lines.size() == 1 && !sweeps.empty())) continue;
    panels.push_back(panel_of(group.name, lines));
  }
  for (const Sweep& sweep : sweeps) {
    std::vector<Line> lines;
    for (const Sweep::Rate& rate : sweep.rates)
      lines.push_back({"learning rate " + rate.text, rate.runs, nullptr});
    panels.push_back(panel_of("learning rates: " + sweep.name, lines));
  }
  return panels;
}

OrderedJson study_chart_data(const StudySubject& subject) {
  OrderedJson data = {{"panels", OrderedJson::array()}, {"experts", expert_panel(subject.shown)}};
  for (const CurvePanel& panel : curve_panels(subject)) {
    OrderedJson json = {{"name", panel.name},
                        {"runs", panel.lines},
                        {"off", panel.off},
                        {"clock", panel.of_processor ? "processor time" : "time of the steps"},
                        {"charts", OrderedJson::array()}};
    for (const CurveChart& chart : panel.charts) {
      OrderedJson series = OrderedJson::array();
      for (const auto& [line, values] : chart.lines) series.push_back(series_json(line, values));
      json["charts"].push_back({{"group", chart.set.empty() ? "training" : "held-out"},
                                {"title", chart_title(subject.results.set_titles, chart)},
                                {"unit", chart.unit},
                                {"series", std::move(series)},
                                {"targets", chart.targets}});
    }
    data["panels"].push_back(std::move(json));
  }
  return data;
}

}  // namespace mom::report
