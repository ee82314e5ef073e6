// "FLOPs to match" in other units: the tokens a run has seen, or the seconds its steps have taken, when it
// has spent the given training FLOPs. CPU seconds count what the run's own threads computed: the measure
// for runs beside other work.
#pragma once

#include <optional>

#include "mom/compare/compare.h"

namespace mom::compare {

enum class Amount { kTokens, kSeconds, kCpuSeconds };

// Linear between the train lines of the log, from 0. Seconds are those of the steps, without evaluations and saves.
// nullopt when the log has no train lines, or no tokens/s where seconds are asked for.
std::optional<double> amount_at(const runs::RunFolder& run, Amount amount, double flops);

// What the mix had spent when it reached the dense run's final loss (the end point of `row`), as a fraction of
// what the dense run spent in total; nullopt = never, or not measured.
std::optional<double> amount_to_match(const runs::RunFolder& dense, const runs::RunFolder& mix,
                                      const Row& row, const modality::TrainedSum& trained, Amount amount);

// Seconds a run has taken by each of its train lines: CPU seconds where every line has them, which are
// comparable between runs that share a machine; else those of its steps.
struct Clock {
  bool of_processor = false;
  std::vector<double> seconds;  // cumulative
};
// nullopt when the log has no train lines, or neither kind of time on one of them.
std::optional<Clock> clock_of(const runs::RunFolder& run);

}  // namespace mom::compare
