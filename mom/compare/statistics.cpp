#include "mom/compare/statistics.h"

#include <algorithm>
#include <cmath>

#include "mom/base/random.h"

namespace mom::compare {

Summary summarised(std::vector<std::optional<double>> values) {
  Summary summary{std::move(values), std::nullopt, std::nullopt};
  std::vector<double> known;
  for (const auto& value : summary.values)
    if (value) known.push_back(*value);
  if (known.empty() || known.size() < summary.values.size()) return summary;
  summary.mean = mean(known);
  summary.interval = paired_bootstrap(known);
  return summary;
}

bool sign_is_sure(const Summary& summary) {
  return summary.interval && (summary.interval->low > 0 || summary.interval->high < 0);
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::optional<Interval> paired_bootstrap(const std::vector<double>& values, int resamples, uint64_t seed) {
  if (values.size() < 2) return std::nullopt;
  RandomStream random(stream_key({fnv1a64("bootstrap"), seed}));
  // Draws are sorted before they are added: the same values in another order give the same mean, bit for bit.
  std::vector<double> means, draw(values.size());
  for (int i = 0; i < resamples; ++i) {
    for (double& value : draw) value = values[random.below(values.size())];
    std::sort(draw.begin(), draw.end());
    means.push_back(mean(draw));
  }
  std::sort(means.begin(), means.end());
  const auto cut = static_cast<size_t>(std::floor(0.025 * resamples));
  return Interval{means[cut], means[means.size() - 1 - cut]};
}

}  // namespace mom::compare
