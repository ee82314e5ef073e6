// The curves of a study: one line per model, as the mean over its seeds with their range.
#include <algorithm>

#include "mom/compare/compare.h"
#include "mom/report/curves.h"
#include "mom/report/study_report.h"
#include "mom/report/study_sweep.h"
#include "mom/study/ablation.h"

namespace mom::report {
namespace {

using study::ArmResult;
using study::CurvePoints;
using study::GroupResult;
using study::RunResult;
using study::StudyResults;

constexpr size_t kMaxPoints = 100;          // of a curve: there may be twenty in a chart
constexpr size_t kMaxPointsTogether = 360;  // of the curves of one chart
constexpr size_t kMaxLines = 8;             // drawn at first: as many as there are colours

struct Line {
  std::string label;
  std::vector<const RunResult*> runs;  // one per seed
  const ArmResult* arm = nullptr;      // what it was compared with; nullptr for baselines and rates
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

// `set` empty: training. Times of runs without CPU time are not comparable with those that have.
Points of_seed(const RunResult& run, const std::string& set, const std::string& modality, bool of_processor) {
  Points seed;
  const CurvePoints* points = points_of(run, set);
  const auto* losses = points ? losses_of(*points, modality) : nullptr;
  if (!losses) return seed;
  const bool timed = !run.timing.step.empty() && run.timing.of_processor == of_processor;
  for (size_t i = 0; i < losses->size(); ++i) {
    if (!(*losses)[i]) continue;
    seed.steps.push_back(points->step[i]), seed.tokens.push_back(points->tokens[i]);
    seed.flops.push_back(points->flops[i]), seed.values.push_back(*(*losses)[i]);
    if (timed) seed.seconds.push_back(seconds_at(run.timing, points->step[i]));
  }
  return seed;
}

class StudyPanel {
 public:
  StudyPanel(const std::string& name, std::vector<Line> lines)
      : lines_(std::move(lines)), panel_(name, labels()) {
    const RunResult& first = *lines_.front().runs.front();
    trained_ = trained_sum_of(first);
    of_processor_ = std::all_of(lines_.begin(), lines_.end(), [](const Line& line) {
      return std::all_of(line.runs.begin(), line.runs.end(),
                         [](const RunResult* run) { return run->timing.of_processor; });
    });
    for (const auto& [set, points] : sets_of(first))
      for (const std::string& modality : modalities_of(points, true)) add_chart(set, modality);
    for (const std::string& modality : modalities_of(first.train, false)) add_chart("", modality);
    panel_.json()["off"] = lines_off();
    panel_.json()["clock"] = of_processor_ ? "processor time" : "time of the steps";
  }
  OrderedJson take() { return std::move(panel_.json()); }

 private:
  std::vector<std::string> labels() const {
    std::vector<std::string> labels;
    for (const Line& line : lines_) labels.push_back(line.label);
    return labels;
  }

  void add_chart(const std::string& set, const std::string& modality) {
    std::vector<std::pair<size_t, Series>> drawn;
    for (size_t i = 0; i < lines_.size(); ++i) {
      std::vector<Points> seeds;
      for (const RunResult* run : lines_[i].runs)
        if (Points seed = of_seed(*run, set, modality, of_processor_); !seed.values.empty())
          seeds.push_back(std::move(seed));
      Series series = series_of(seeds, set.empty() ? Smoothing::kSteps : Smoothing::kEvaluations);
      // Single steps are noise, and rings of twenty lines hide them: only the lines are drawn.
      if (set.empty() || lines_.size() > kMaxLines) series.raw.clear();
      thin(series, std::clamp(kMaxPointsTogether / lines_.size(), size_t{20}, kMaxPoints));
      if (!series.fit.empty()) drawn.emplace_back(i, std::move(series));
    }
    OrderedJson chart = {{"group", set.empty() ? "training" : "held-out"}};
    if (!set.empty()) chart["set"] = set;
    chart["modality"] = modality, chart["unit"] = unit_of(modality, trained_);
    if (!set.empty() && lines_.size() <= kMaxLines) chart["targets"] = targets_of(set, modality, drawn);
    panel_.add_chart(std::move(chart), drawn);
  }

  // The baseline's final loss, and the fraction of its FLOPs at which each model reaches it in the mean; models of
  // which one seed never reaches it have none.
  OrderedJson targets_of(const std::string& set, const std::string& modality,
                         const std::vector<std::pair<size_t, Series>>& drawn) const {
    OrderedJson targets = OrderedJson::array(), matches = OrderedJson::array();
    if (drawn.empty() || drawn.front().first != 0 || lines_[0].arm) return targets;
    const Series& baseline = drawn.front().second;
    bool measured = false;
    for (size_t i = 1; i < lines_.size(); ++i) {
      const study::Row* row = lines_[i].arm ? lines_[i].arm->find(set, modality) : nullptr;
      measured = measured || row;
      if (row && row->flops_to_match.mean)
        matches.push_back({{"line", i},
                           {"flops", *row->flops_to_match.mean * baseline.flops.back()},
                           {"part", *row->flops_to_match.mean}});
    }
    if (measured) targets.push_back({{"line", 0}, {"loss", baseline.fit.back()}, {"matches", matches}});
    return targets;
  }

  // Of many models: the baseline, all projections and each alone; else the first ones.
  std::vector<size_t> lines_off() const {
    std::vector<size_t> off;
    if (lines_.size() <= kMaxLines) return off;
    const bool subsets = std::any_of(lines_.begin(), lines_.end(), [](const Line& line) {
      return line.arm && study::is_partial(line.arm->name);
    });
    for (size_t i = 0; i < lines_.size(); ++i) {
      const std::string name = lines_[i].arm ? lines_[i].arm->name : "";
      const bool several = study::is_partial(name) && name.find('+') != std::string::npos;
      if (subsets ? several : i >= kMaxLines) off.push_back(i);
    }
    return off;
  }

  // Modalities by name, text behind them; the sum last, where it is one of several.
  static std::vector<std::string> modalities_of(const CurvePoints& points, bool with_overall) {
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
  static study::Named<CurvePoints> sets_of(const RunResult& run) {
    auto sets = run.held_out;
    std::stable_sort(sets.begin(), sets.end(), [](const auto& a, const auto& b) {
      return a.second.losses.size() > b.second.losses.size();
    });
    return sets;
  }

  std::vector<Line> lines_;
  Panel panel_;
  modality::TrainedSum trained_;
  bool of_processor_ = false;
};

}  // namespace

OrderedJson study_panels(const StudyResults& results) {
  const std::vector<Sweep> sweeps = sweeps_of(results);
  OrderedJson panels = OrderedJson::array();
  for (const GroupResult& group : results.groups) {
    std::vector<Line> lines;
    for (const std::string& arm : results.arms_of(group))
      lines.push_back({arm_label(results, group, arm), results.runs_of(group, arm), compared(group, arm)});
    if (lines.empty() || (lines.size() == 1 && !sweeps.empty())) continue;
    panels.push_back(StudyPanel(group.name, std::move(lines)).take());
  }
  for (const Sweep& sweep : sweeps) {
    std::vector<Line> lines;
    for (const Sweep::Rate& rate : sweep.rates)
      lines.push_back({"learning rate " + rate.text, rate.runs, nullptr});
    panels.push_back(StudyPanel("learning rates: " + sweep.name, std::move(lines)).take());
  }
  return panels;
}

}  // namespace mom::report
