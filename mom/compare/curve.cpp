#include "mom/compare/curve.h"

#include <algorithm>
#include <cmath>

namespace mom::compare {

std::vector<double> falling_fit(const std::vector<double>& values) {
  struct Pool {
    double sum;
    size_t count;
    double mean() const { return sum / static_cast<double>(count); }
  };
  std::vector<Pool> pools;
  for (double value : values) {
    pools.push_back({value, 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean() < pools.back().mean()) {
      pools[pools.size() - 2].sum += pools.back().sum;
      pools[pools.size() - 2].count += pools.back().count;
      pools.pop_back();
    }
  }
  std::vector<double> fit;
  for (const Pool& pool : pools) fit.insert(fit.end(), pool.count, pool.mean());
  return fit;
}

std::vector<double> local_lines(const std::vector<double>& x, const std::vector<double>& values,
                                size_t reach) {
  const size_t count = x.size();
  if (count < 2 || reach == 0) return values;
  std::vector<double> log_x, fit;
  for (double each : x) log_x.push_back(std::log(each + (x[1] - x[0])));
  for (size_t i = 0; i < count; ++i) {
    const size_t begin = i < reach ? 0 : i - reach, end = std::min(count, i + reach + 1);
    double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
    for (size_t j = begin; j < end; ++j) mean_x += log_x[j], mean_y += values[j];
    mean_x /= static_cast<double>(end - begin), mean_y /= static_cast<double>(end - begin);
    for (size_t j = begin; j < end; ++j) {
      xx += (log_x[j] - mean_x) * (log_x[j] - mean_x);
      xy += (log_x[j] - mean_x) * (values[j] - mean_y);
    }
    fit.push_back(mean_y + xy / xx * (log_x[i] - mean_x));
  }
  return fit;
}

Curve smoothed(const Curve& curve) {
  const ptrdiff_t untrained = curve.size() > 0 && curve.flops[0] == 0;
  const std::vector<double> flops(curve.flops.begin() + untrained, curve.flops.end());
  std::vector<double> lines = local_lines(flops, {curve.loss.begin() + untrained, curve.loss.end()},
                                          std::min<size_t>(2, flops.size() / 6));
  lines.insert(lines.begin(), curve.loss.begin(), curve.loss.begin() + untrained);
  return {curve.flops, falling_fit(lines)};
}

std::optional<double> first_reach(const Curve& falling, double level) {
  for (size_t i = 0; i < falling.size(); ++i) {
    if (falling.loss[i] > level) continue;
    if (i == 0) return falling.flops[0];
    const double above = falling.loss[i - 1] - level, drop = falling.loss[i - 1] - falling.loss[i];
    return falling.flops[i - 1] + (falling.flops[i] - falling.flops[i - 1]) * (above / drop);
  }
  return std::nullopt;
}

std::optional<double> end_point_ratio(const Curve& dense, const Curve& mix) {
  if (dense.size() < 2 || mix.size() < 2) return std::nullopt;
  const auto reached = first_reach(mix, dense.loss.back());
  if (!reached) return std::nullopt;
  return *reached / dense.flops.back();
}

std::optional<double> slope_ratio(const Curve& dense, const Curve& mix) {
  double sum_xy = 0, sum_xx = 0;
  int matched = 0;
  for (size_t i = 0; i < dense.size(); ++i) {
    const double level = dense.loss[i];
    if (i > 0 && level == dense.loss[i - 1]) continue;     // the same loss again: within one pool of the fit
    if (mix.size() == 0 || level > mix.loss[0]) continue;  // the mix was below it at its first evaluation
    const auto x = first_reach(dense, level), y = first_reach(mix, level);
    if (!x || !y || *x <= 0) continue;
    sum_xy += *x * *y;
    sum_xx += *x * *x;
    ++matched;
  }
  if (matched < 3) return std::nullopt;
  return sum_xy / sum_xx;
}

std::vector<double> moving_average(const std::vector<double>& steps, const std::vector<double>& values,
                                   double half_life_steps) {
  std::vector<double> out;
  double sum = 0, weight = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double keep = i == 0 ? 0 : std::exp2(-(steps[i] - steps[i - 1]) / half_life_steps);
    sum = sum * keep + values[i];
    weight = weight * keep + 1;
    out.push_back(sum / weight);
  }
  return out;
}

}  // namespace mom::compare
