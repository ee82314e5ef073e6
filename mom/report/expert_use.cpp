#include "mom/report/expert_use.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mom::report {
namespace {

using runs::MetricPoint;

constexpr double kLastPart = 0.2;  // of the steps
constexpr double kIdlePart = 0.1;  // of the even share

// Sums by modality, then block; "all tokens" among them.
using Counts = std::map<std::string, std::map<int64_t, std::vector<double>>>;

void add(std::vector<double>& sum, const std::vector<double>& counts) {
  sum.resize(std::max(sum.size(), counts.size()), 0);
  for (size_t i = 0; i < counts.size(); ++i) sum[i] += counts[i];
}

Counts sum_choices(const std::vector<const MetricPoint*>& points) {
  Counts counts;
  for (const MetricPoint* point : points) {
    for (const auto& [block, modalities] : point->experts_chosen) {
      for (const auto& [modality, chosen] : modalities) {
        add(counts[modality][block], chosen);
        add(counts[kAllTokens][block], chosen);
      }
    }
  }
  return counts;
}

ExpertShares shares_of(const std::string& modality, const std::map<int64_t, std::vector<double>>& counts) {
  ExpertShares shares{modality, counts};
  for (auto& [block, row] : shares.by_block) {
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    if (sum > 0)
      for (double& share : row) share /= sum;
  }
  return shares;
}

std::vector<const MetricPoint*> last_points(const runs::RunFolder& run) {
  std::vector<const MetricPoint*> points;
  const double last = run.train.empty() ? 0 : static_cast<double>(run.train.back().step);
  for (const MetricPoint& point : run.train) {
    if (static_cast<double>(point.step) > (1 - kLastPart) * last && !point.experts_chosen.empty())
      points.push_back(&point);
  }
  return points;
}

template <typename Value>
std::optional<double> mean(const std::vector<const MetricPoint*>& points, const Value& value_of) {
  double sum = 0;
  int64_t count = 0;
  for (const MetricPoint* point : points) {
    if (const std::optional<double> value = value_of(*point)) sum += *value, ++count;
  }
  return count > 0 ? std::optional(sum / static_cast<double>(count)) : std::nullopt;
}

void count_idle(ExpertUse& use) {
  for (const auto& [block, row] : use.shares.front().by_block) {
    const double idle = kIdlePart / static_cast<double>(row.size());
    use.num_idle += std::count_if(row.begin(), row.end(), [&](double share) { return share < idle; });
    use.num_in_all_blocks += static_cast<int64_t>(row.size());
  }
}

}  // namespace

std::optional<double> relative_entropy(const MetricPoint& point) {
  if (!point.router_entropy || point.experts_chosen.empty()) return std::nullopt;
  const auto num_experts = static_cast<double>(point.experts_chosen.begin()->second.begin()->second.size());
  if (num_experts < 2) return std::nullopt;
  return *point.router_entropy / std::log(num_experts);
}

std::optional<ExpertUse> expert_use(const runs::RunFolder& run) {
  const std::vector<const MetricPoint*> points = last_points(run);
  if (points.empty()) return std::nullopt;
  ExpertUse use;
  use.first_step = points.front()->step, use.last_step = points.back()->step;
  const Counts counts = sum_choices(points);
  use.shares.push_back(shares_of(kAllTokens, counts.at(kAllTokens)));
  for (const auto& [modality, by_block] : counts) {
    if (modality != kAllTokens) use.shares.push_back(shares_of(modality, by_block));
  }
  use.num_experts = static_cast<int64_t>(use.shares.front().by_block.begin()->second.size());
  use.dropped = mean(points, [](const MetricPoint& point) { return point.experts_dropped; });
  use.balance = mean(points, [](const MetricPoint& point) { return point.experts_balance; });
  use.entropy = mean(points, relative_entropy);
  count_idle(use);
  return use;
}

}  // namespace mom::report
