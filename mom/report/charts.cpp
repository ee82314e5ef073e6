#include "mom/report/charts.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>

#include "mom/compare/number_text.h"
#include "mom/report/expert_use.h"

namespace mom::report {
namespace {

using runs::MetricPoint;
using runs::RunFolder;

constexpr size_t kMaxTrainingPoints = 800;  // of a training curve; more than a chart has pixels for

// Six digits are more than a chart or its readout shows, and take half the bytes.
double shortened(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return std::strtod(text, nullptr);
}

std::optional<double> loss_of(const MetricPoint& point, const std::string& modality,
                              const modality::TrainedSum& trained) {
  if (modality == compare::kOverall && trained.weight == 0) return point.loss;
  const auto find = [&](const std::string& name) -> std::optional<double> {
    const auto found = point.losses.find(name);
    return found == point.losses.end() ? std::nullopt : std::optional(found->second);
  };
  if (modality != compare::kOverall) return find(modality);
  const auto tokens = find(trained.tokens), latents = find(trained.latents);
  return tokens && latents ? std::optional(*tokens + trained.weight * *latents) : std::nullopt;
}

using ValueOf = std::function<std::optional<double>(const MetricPoint&)>;

ValueOf loss_in(const std::string& modality, const modality::TrainedSum& trained) {
  return [=](const MetricPoint& point) { return loss_of(point, modality, trained); };
}

Series collect(const std::vector<MetricPoint>& points, const ValueOf& value_of) {
  Series series;
  for (const MetricPoint& point : points) {
    const auto value = value_of(point);
    if (!value) continue;
    series.flops.push_back(point.flops);
    series.steps.push_back(static_cast<double>(point.step));
    series.tokens.push_back(point.tokens);
    series.raw.push_back(*value);
  }
  return series;
}

// The baselines whose final loss others are measured against, each with the runs that reach it.
OrderedJson targets_of(const Subject& subject, const std::string& set, const std::string& modality) {
  std::map<size_t, OrderedJson> targets;
  for (const auto& comparison : subject.comparisons) {
    const auto row =
        std::find_if(comparison.rows.begin(), comparison.rows.end(), [&](const compare::Row& candidate) {
          return candidate.set == set && candidate.modality == modality;
        });
    if (row == comparison.rows.end() || row->match == compare::Match::kUnknown) continue;
    const size_t dense = index_of(subject, comparison.dense_path);
    const auto curve =
        compare::smoothed(compare::held_out_curve(subject.runs[dense], set, modality, comparison.trained));
    OrderedJson& target = targets[dense];
    if (target.is_null())
      target = {{"run", dense}, {"loss", curve.loss.back()}, {"matches", OrderedJson::array()}};
    if (!row->flops_to_match) continue;
    target["matches"].push_back({{"run", index_of(subject, comparison.mix_path)},
                                 {"flops", *row->flops_to_match * curve.flops.back()},
                                 {"part", *row->flops_to_match}});
  }
  OrderedJson list = OrderedJson::array();
  for (const auto& [run, target] : targets) list.push_back(target);
  return list;
}

OrderedJson held_out_chart(const Subject& subject, const std::string& set, const std::string& modality) {
  OrderedJson chart;
  chart["group"] = "held-out";
  const modality::TrainedSum trained = compare::trained_sum_of(subject.runs.front());
  chart["title"] = modality + ": " + runs::set_text(subject.set_titles, set);
  chart["unit"] = unit_of(modality, trained);
  chart["series"] = OrderedJson::array();
  for (size_t i = 0; i < subject.runs.size(); ++i) {
    const auto found = subject.runs[i].evals.find(set);
    if (found == subject.runs[i].evals.end()) continue;
    Series series = collect(found->second, loss_in(modality, compare::trained_sum_of(subject.runs[i])));
    if (series.raw.empty()) continue;
    series.fit = compare::smoothed({series.flops, series.raw}).loss;
    chart["series"].push_back(series_json(i, series));
  }
  chart["targets"] = targets_of(subject, set, modality);
  return chart;
}

// Values that every step logs, averaged over neighbouring steps.
OrderedJson averaged_series(const Subject& subject,
                            const std::function<ValueOf(const RunFolder&)>& value_of) {
  OrderedJson all = OrderedJson::array();
  for (size_t i = 0; i < subject.runs.size(); ++i) {
    const RunFolder& run = subject.runs[i];
    Series series = collect(run.train, value_of(run));
    if (series.raw.empty()) continue;
    const double half_life = std::max(1.0, kHalfLifePart * static_cast<double>(run.final_step()));
    series.fit = compare::moving_average(series.steps, series.raw, half_life);
    thin(series, kMaxTrainingPoints);
    all.push_back(series_json(i, series));
  }
  return all;
}

OrderedJson training_chart(const Subject& subject, const std::string& modality) {
  return {{"group", "training"},
          {"title", modality + ": training loss"},
          {"unit", unit_of(modality, compare::trained_sum_of(subject.runs.front()))},
          {"series", averaged_series(subject, [&](const RunFolder& run) {
             return loss_in(modality, compare::trained_sum_of(run));
           })}};
}

// `even`: the value of a router that spreads tokens evenly.
std::vector<OrderedJson> expert_charts(const Subject& subject) {
  struct Measure {
    const char *title, *unit;
    double even;
    bool percent;
    ValueOf value_of;
  };
  const bool experts_choose = std::any_of(subject.runs.begin(), subject.runs.end(), [](const RunFolder& run) {
    return run.has_experts() && run.recipe_value("model.router") == "expert_choice";
  });
  const std::vector<Measure> measures = {
      {"Without a place", experts_choose ? "of choices; where experts choose, of tokens" : "of choices", 0,
       true, [](const MetricPoint& point) { return point.experts_dropped; }},
      {"Balance loss", "1: even", 1, false, [](const MetricPoint& point) { return point.experts_balance; }},
      {"Router entropy", "fraction of log experts", 1, true, relative_entropy}};
  std::vector<OrderedJson> charts;
  for (const Measure& measure : measures) {
    charts.push_back(
        {{"group", "experts"},
         {"title", measure.title},
         {"unit", measure.unit},
         {"even", measure.even},
         {"percent", measure.percent},
         {"series", averaged_series(subject, [&](const RunFolder&) { return measure.value_of; })}});
  }
  return charts;
}

// (set, modality) of all held-out charts: sets with the most modalities first, then those of a source that is trained
// on; "overall" last.
std::vector<std::pair<std::string, std::string>> held_out_charts(const Subject& subject) {
  std::map<std::string, std::vector<std::string>> modalities;
  for (const RunFolder& run : subject.runs) {
    for (const auto& [set, points] : run.evals) {
      auto of_run = compare::modalities_of(run, set);
      if (of_run.size() > modalities[set].size()) modalities[set] = std::move(of_run);
    }
  }
  std::vector<std::pair<std::string, std::string>> charts;
  for (const auto& [set, names] : modalities) {
    for (const std::string& name : names) charts.emplace_back(set, name);
  }
  const auto rank = [&](const std::string& set) {
    return std::pair(modalities.at(set).size(), compare::trains_on(subject.runs.front(), set));
  };
  std::stable_sort(charts.begin(), charts.end(), [&](const auto& a, const auto& b) {
    const bool a_overall = a.second == compare::kOverall, b_overall = b.second == compare::kOverall;
    if (a_overall != b_overall) return b_overall;
    return rank(a.first) > rank(b.first);
  });
  return charts;
}

std::vector<std::string> training_modalities(const Subject& subject) {
  std::set<std::string> names;
  for (const RunFolder& run : subject.runs) {
    for (const MetricPoint& point : run.train) {
      for (const auto& [name, loss] : point.losses) names.insert(name);
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace

std::vector<std::string> run_labels(const std::vector<RunFolder>& runs) {
  std::map<std::string, int> count;
  for (const RunFolder& run : runs) ++count[run.model_name()];
  std::vector<std::string> labels;
  for (const RunFolder& run : runs) {
    const std::string name = run.model_name();
    labels.push_back(count[name] > 1 ? name + " (" + run.name + ")" : name);
  }
  return labels;
}

void thin(Series& series, size_t max_points) {
  const size_t count = series.steps.size();
  if (count <= max_points) return;
  for (auto* values : {&series.flops, &series.steps, &series.tokens, &series.seconds, &series.raw,
                       &series.fit, &series.low, &series.high}) {
    std::vector<double> kept;
    for (size_t i = 0; i < max_points && !values->empty(); ++i)
      kept.push_back((*values)[i * (count - 1) / (max_points - 1)]);
    *values = std::move(kept);
  }
}

OrderedJson series_json(size_t run, const Series& series) {
  OrderedJson json = {{"run", run}};
  const auto add = [&](const char* name, const std::vector<double>& values) {
    for (const double value : values) json[name].push_back(shortened(value));
  };
  add("flops", series.flops), add("steps", series.steps), add("tokens", series.tokens);
  add("seconds", series.seconds), add("raw", series.raw), add("fit", series.fit);
  add("low", series.low), add("high", series.high);
  return json;
}

std::string unit_of(const std::string& modality, const modality::TrainedSum& trained) {
  if (trained.weight > 0 && modality == trained.latents) return "noise MSE";
  if (trained.weight > 0 && modality == compare::kOverall)
    return trained.tokens + " + " + compare::fixed(trained.weight, trained.weight == 5 ? 0 : 2) + " x " +
           trained.latents;
  return "nats per token";
}

OrderedJson expert_panel(const Subject& subject) {
  OrderedJson panel = {{"name", ""}, {"runs", run_labels(subject.runs)}, {"charts", OrderedJson::array()}};
  for (OrderedJson& chart : expert_charts(subject)) {
    if (!chart["series"].empty()) panel["charts"].push_back(std::move(chart));
  }
  return panel;
}

OrderedJson chart_data(const Subject& subject) {
  OrderedJson panel = {{"name", ""}, {"runs", run_labels(subject.runs)}, {"charts", OrderedJson::array()}};
  for (const auto& [set, modality] : held_out_charts(subject)) {
    panel["charts"].push_back(held_out_chart(subject, set, modality));
  }
  for (const std::string& modality : training_modalities(subject)) {
    panel["charts"].push_back(training_chart(subject, modality));
  }
  OrderedJson data = {{"panels", OrderedJson::array()}, {"experts", expert_panel(subject)}};
  data["panels"].push_back(std::move(panel));
  return data;
}

}  // namespace mom::report
