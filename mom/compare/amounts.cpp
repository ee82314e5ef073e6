#include "mom/compare/amounts.h"

#include <utility>

namespace mom::compare {
namespace {

// `amount` per token at this line; nullopt: not logged.
std::optional<double> per_token(const runs::MetricPoint& point, Amount amount) {
  if (amount == Amount::kTokens) return 1;
  const auto& rate = amount == Amount::kSeconds ? point.tokens_per_s : point.tokens_per_cpu_s;
  if (!(rate.value_or(0) > 0)) return std::nullopt;
  return 1 / *rate;
}

// By each train line, up to the first without it.
std::vector<double> cumulative(const runs::RunFolder& run, Amount amount) {
  std::vector<double> sums;
  double tokens_before = 0, sum = 0;
  for (const runs::MetricPoint& point : run.train) {
    const auto amount_per_token = per_token(point, amount);
    if (!amount_per_token) break;
    sum += (point.tokens - tokens_before) * *amount_per_token;
    tokens_before = point.tokens;
    sums.push_back(sum);
  }
  return sums;
}

}  // namespace

std::optional<double> amount_at(const runs::RunFolder& run, Amount amount, double flops) {
  const std::vector<double> sums = cumulative(run, amount);
  double flops_before = 0, before = 0;
  for (size_t i = 0; i < sums.size(); ++i) {
    const double flops_here = run.train[i].flops;
    if (flops_here >= flops)
      return before + (sums[i] - before) * (flops - flops_before) / (flops_here - flops_before);
    flops_before = flops_here, before = sums[i];
  }
  // The last evaluation is at the FLOPs of the last step.
  if (sums.empty() || sums.size() < run.train.size()) return std::nullopt;
  return before;
}

std::optional<Clock> clock_of(const runs::RunFolder& run) {
  if (run.train.empty()) return std::nullopt;
  for (const Amount amount : {Amount::kCpuSeconds, Amount::kSeconds}) {
    std::vector<double> seconds = cumulative(run, amount);
    if (seconds.size() == run.train.size()) return Clock{amount == Amount::kCpuSeconds, std::move(seconds)};
  }
  return std::nullopt;
}

std::optional<double> amount_to_match(const runs::RunFolder& dense, const runs::RunFolder& mix,
                                      const Row& row, const modality::TrainedSum& trained, Amount amount) {
  if (!row.flops_to_match) return std::nullopt;
  const double dense_flops = held_out_curve(dense, row.set, row.modality, trained).flops.back();
  const auto of_mix = amount_at(mix, amount, *row.flops_to_match * dense_flops),
             of_dense = amount_at(dense, amount, dense_flops);
  if (!of_mix || !of_dense || *of_dense <= 0) return std::nullopt;
  return *of_mix / *of_dense;
}

}  // namespace mom::compare
