#include "mom/report/curves.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "mom/compare/compare.h"
#include "mom/compare/number_text.h"

namespace mom::report {
namespace {

constexpr double kHalfLifePart = 0.02;  // of the training average, as a fraction of all steps

// Of lines and what they stand over, more than is shown; of rings and ranges.
constexpr int kLineDigits = 6, kDrawnDigits = 5;

OrderedJson list_json(const std::vector<double>& values, int digits) {
  OrderedJson list = OrderedJson::array();
  for (const double value : values) list.push_back(number_json(value, digits));
  return list;
}

std::vector<double> smoothed(const Points& points, Smoothing smoothing) {
  if (smoothing == Smoothing::kEvaluations) return compare::smoothed({points.flops, points.values}).loss;
  const double last = points.steps.empty() ? 0 : points.steps.back();
  return compare::moving_average(points.steps, points.values, std::max(1.0, kHalfLifePart * last));
}

// The steps that all seeds have: the same in a study, unless a run was made by hand.
std::vector<double> common_steps(const std::vector<Points>& seeds) {
  std::vector<double> steps = seeds.front().steps;
  for (const Points& seed : seeds)
    std::erase_if(
        steps, [&](double step) { return !std::binary_search(seed.steps.begin(), seed.steps.end(), step); });
  return steps;
}

}  // namespace

OrderedJson number_json(double value, int digits) {
  if (value == std::floor(value) && std::abs(value) < 1e9) return static_cast<int64_t>(value);
  char text[32];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return std::strtod(text, nullptr);
}

Series series_of(const std::vector<Points>& seeds, Smoothing smoothing) {
  Series all;
  if (seeds.empty()) return all;
  std::vector<std::vector<double>> fits;
  for (const Points& seed : seeds) fits.push_back(smoothed(seed, smoothing));
  const bool timed =
      std::none_of(seeds.begin(), seeds.end(), [](const Points& seed) { return seed.seconds.empty(); });
  for (const double step : common_steps(seeds)) {
    std::vector<size_t> rows;
    for (const Points& seed : seeds)
      rows.push_back(static_cast<size_t>(std::lower_bound(seed.steps.begin(), seed.steps.end(), step) -
                                         seed.steps.begin()));
    const auto mean_of = [&](const auto& value_of) {
      double sum = 0;
      for (size_t i = 0; i < seeds.size(); ++i) sum += value_of(i)[rows[i]];
      return sum / static_cast<double>(seeds.size());
    };
    all.steps.push_back(step);
    all.flops.push_back(mean_of([&](size_t i) -> auto& { return seeds[i].flops; }));
    all.tokens.push_back(mean_of([&](size_t i) -> auto& { return seeds[i].tokens; }));
    all.raw.push_back(mean_of([&](size_t i) -> auto& { return seeds[i].values; }));
    all.fit.push_back(mean_of([&](size_t i) -> auto& { return fits[i]; }));
    if (timed) all.seconds.push_back(mean_of([&](size_t i) -> auto& { return seeds[i].seconds; }));
    if (seeds.size() < 2) continue;
    std::vector<double> here;
    for (size_t i = 0; i < seeds.size(); ++i) here.push_back(fits[i][rows[i]]);
    all.low.push_back(*std::min_element(here.begin(), here.end()));
    all.high.push_back(*std::max_element(here.begin(), here.end()));
  }
  return all;
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

std::string unit_of(const std::string& modality, const modality::TrainedSum& trained) {
  if (!trained.known) return "loss";  // of a study of custom data
  if (trained.continuous.contains(modality)) return "noise MSE";
  if (trained.weight > 0 && modality == compare::kOverall)
    return trained.tokens + " + " + compare::fixed(trained.weight, trained.weight == 5 ? 0 : 2) + " x " +
           trained.latents;
  if (!trained.continuous.empty() && modality == compare::kOverall) return "the weighted sum that is trained";
  return "nats per token";
}

Panel::Panel(const std::string& name, const std::vector<std::string>& labels) {
  json_ = {{"name", name},
           {"labels", labels},
           {"lists", OrderedJson::array()},
           {"axes", OrderedJson::array()},
           {"charts", OrderedJson::array()}};
}

size_t Panel::axis_of(const Series& series) {
  OrderedJson axis;
  const auto add = [&](const char* name, const std::vector<double>& values) {
    if (!values.empty()) axis[name] = place_of(list_json(values, kLineDigits), "lists");
  };
  add("steps", series.steps), add("tokens", series.tokens);
  add("flops", series.flops), add("seconds", series.seconds);
  return place_of(std::move(axis), "axes");
}

size_t Panel::place_of(OrderedJson value, const char* where) {
  const auto [found, is_new] = places_.try_emplace(where + value.dump(), json_[where].size());
  if (is_new) json_[where].push_back(std::move(value));
  return found->second;
}

void Panel::add_chart(OrderedJson chart, const std::vector<std::pair<size_t, Series>>& lines) {
  if (lines.empty()) return;
  chart["series"] = OrderedJson::array();
  for (const auto& [line, series] : lines) {
    OrderedJson json = {{"line", line}, {"axis", axis_of(series)}};
    const auto add = [&](const char* name, const std::vector<double>& values, int digits) {
      if (!values.empty()) json[name] = list_json(values, digits);
    };
    add("raw", series.raw, kDrawnDigits), add("fit", series.fit, kLineDigits);
    add("low", series.low, kDrawnDigits), add("high", series.high, kDrawnDigits);
    chart["series"].push_back(std::move(json));
  }
  json_["charts"].push_back(std::move(chart));
}

}  // namespace mom::report
