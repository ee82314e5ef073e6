#include "mom/compare/amounts.h"

#include <algorithm>

namespace mom::compare {

std::optional<double> amount_at(const runs::RunFolder& run, Amount amount, double flops) {
  double flops_before = 0, tokens_before = 0, before = 0;
  for (const runs::MetricPoint& point : run.train) {
    if (amount == Amount::kSeconds && !(point.tokens_per_s.value_or(0) > 0)) return std::nullopt;
    const double tokens = point.tokens - tokens_before;
    const double here = before + (amount == Amount::kTokens ? tokens : tokens / *point.tokens_per_s);
    if (point.flops >= flops)
      return before + (here - before) * (flops - flops_before) / (point.flops - flops_before);
    flops_before = point.flops, tokens_before = point.tokens, before = here;
  }
  // A last evaluation stands at the FLOPs of the last step.
  if (run.train.empty()) return std::nullopt;
  return before;
}

std::optional<Clock> clock_of(const runs::RunFolder& run) {
  if (run.train.empty()) return std::nullopt;
  Clock clock;
  clock.of_processor = std::all_of(run.train.begin(), run.train.end(), [](const runs::MetricPoint& point) {
    return point.cpu_seconds.has_value();
  });
  double tokens = 0, seconds = 0;
  for (const runs::MetricPoint& point : run.train) {
    if (!clock.of_processor && !(point.tokens_per_s.value_or(0) > 0)) return std::nullopt;
    seconds =
        clock.of_processor ? *point.cpu_seconds : seconds + (point.tokens - tokens) / *point.tokens_per_s;
    tokens = point.tokens;
    clock.seconds.push_back(seconds);
  }
  return clock;
}

std::optional<double> amount_to_match(const runs::RunFolder& dense, const runs::RunFolder& mix,
                                      const Row& row, double image_weight, Amount amount) {
  if (!row.flops_to_match) return std::nullopt;
  const double dense_flops = held_out_curve(dense, row.set, row.modality, image_weight).flops.back();
  const auto of_mix = amount_at(mix, amount, *row.flops_to_match * dense_flops),
             of_dense = amount_at(dense, amount, dense_flops);
  if (!of_mix || !of_dense || *of_dense <= 0) return std::nullopt;
  return *of_mix / *of_dense;
}

}  // namespace mom::compare
