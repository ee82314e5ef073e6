#include <algorithm>
#include <set>

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

Points thinned(const Points& points, bool average) {
  Points out;
  const size_t count = std::min(points.size(), kMaxPoints);
  for (size_t i = 0; i < count; ++i) {
    const size_t begin = i * points.size() / count, end = (i + 1) * points.size() / count;
    out.push_back(average ? averaged(points, begin, end) : points[end - 1]);
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

OrderedJson curves_json(const runs::RunFolder& run) {
  OrderedJson json;
  json["train"] = curve_json(thinned(run.train, /*average=*/true));
  json["held_out"] = OrderedJson::object();
  for (const auto& [set, points] : run.evals) json["held_out"][set] = curve_json(thinned(points, false));
  return json;
}

}  // namespace mom::study
