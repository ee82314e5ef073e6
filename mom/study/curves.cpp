#include <algorithm>
#include <cmath>
#include <set>

#include "mom/compare/amounts.h"
#include "mom/study/results.h"

namespace mom::study {
namespace {

constexpr size_t kMaxPoints = 200;

using Points = std::vector<runs::MetricPoint>;

// The mean of what was measured; steps, tokens and FLOPs of the last.
runs::MetricPoint averaged(const Points& points, size_t begin, size_t end) {
  runs::MetricPoint result = points[end - 1];
  std::map<std::string, std::pair<double, double>> sums;  // "" is `loss`
  for (size_t i = begin; i < end; ++i) {
    if (points[i].loss) sums[""].first += *points[i].loss, ++sums[""].second;
    for (const auto& [name, loss] : points[i].losses) sums[name].first += loss, ++sums[name].second;
  }
  result.loss.reset();
  result.losses.clear();
  for (const auto& [name, sum] : sums) {
    if (name.empty())
      result.loss = sum.first / sum.second;
    else
      result.losses[name] = sum.first / sum.second;
  }
  return result;
}

// The last point of each of at most kMaxPoints equal stretches.
std::vector<size_t> stretch_ends(size_t num_points) {
  std::vector<size_t> ends;
  const size_t count = std::min(num_points, kMaxPoints);
  for (size_t i = 0; i < count; ++i) ends.push_back((i + 1) * num_points / count - 1);
  return ends;
}

Points thinned(const Points& points, bool average) {
  Points out;
  size_t begin = 0;
  for (const size_t last : stretch_ends(points.size())) {
    out.push_back(average ? averaged(points, begin, last + 1) : points[last]);
    begin = last + 1;
  }
  return out;
}

OrderedJson curve_json(const Points& points) {
  std::set<std::string> modalities;
  for (const auto& point : points)
    for (const auto& [name, loss] : point.losses) modalities.insert(name);
  OrderedJson json = {{"step", OrderedJson::array()},
                      {"tokens", OrderedJson::array()},
                      {"flops", OrderedJson::array()},
                      {"loss", OrderedJson::array()}};
  for (const auto& point : points) {
    json["step"].push_back(point.step);
    json["tokens"].push_back(point.tokens);
    json["flops"].push_back(point.flops);
    json["loss"].push_back(point.loss ? OrderedJson(*point.loss) : OrderedJson());
    for (const std::string& name : modalities) {
      const auto found = point.losses.find(name);
      json["loss_" + name].push_back(found == point.losses.end() ? OrderedJson()
                                                                 : OrderedJson(found->second));
    }
  }
  return json;
}

}  // namespace

OrderedJson clock_json(const runs::RunFolder& run) {
  const auto clock = compare::clock_of(run);
  if (!clock) return nullptr;
  OrderedJson json = {{"of", clock->of_processor ? "processor" : "steps"},
                      {"step", OrderedJson::array()},
                      {"seconds", OrderedJson::array()}};
  for (const size_t i : stretch_ends(run.train.size())) {
    json["step"].push_back(run.train[i].step);
    json["seconds"].push_back(std::round(clock->seconds[i] * 1000) / 1000);
  }
  return json;
}

OrderedJson curves_json(const runs::RunFolder& run) {
  OrderedJson json;
  json["train"] = curve_json(thinned(run.train, /*average=*/true));
  json["held_out"] = OrderedJson::object();
  for (const auto& [set, points] : run.evals) json["held_out"][set] = curve_json(thinned(points, false));
  return json;
}

}  // namespace mom::study
