#include "mom/quality/accuracy.h"

#include <algorithm>
#include <cmath>

namespace mom::quality {

std::pair<double, double> Accuracy::interval() const {
  if (of == 0) return {0, 1};
  constexpr double kZ = 1.959963984540054;  // of the normal distribution, 95% within
  const double n = static_cast<double>(of), z2 = kZ * kZ, p = share();
  const double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kZ / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

void Accuracy::add(const std::vector<double>& scores) {
  ++of;
  correct += std::all_of(scores.begin() + 1, scores.end(), [&](double other) { return scores[0] > other; });
}

OrderedJson Accuracy::to_json() const {
  const auto [low, high] = interval();
  return {{"accuracy", share()}, {"interval", {low, high}}, {"correct", correct}, {"of", of}};
}

}  // namespace mom::quality
