// Means over seeds and how sure they are.
//
// A value belongs to one seed: the gain of the mix's run over the baseline's run of the same seed, so that
// what the seed does to both (data order, noise) is already subtracted. The bootstrap draws seeds with
// replacement. With 2 or 3 seeds its 95% interval is exactly the range from the least to the greatest value:
// the mean of n times the least has probability n^-n, 25% and 3.7%, above the 2.5% that are cut off.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace mom::compare {

struct Interval {
  double low = 0, high = 0;
};

// One value per seed. Mean and interval are absent when a seed has none; the interval also with one seed.
struct Summary {
  std::vector<std::optional<double>> values;
  std::optional<double> mean;
  std::optional<Interval> interval;
};
Summary summarised(std::vector<std::optional<double>> values);
// Whether the interval has one sign: false with one seed.
bool sign_is_sure(const Summary& summary);

// values not empty.
double mean(const std::vector<double>& values);

// The central 95% of the means of `resamples` draws of as many values with replacement; nullopt with fewer
// than two values. Same values and seed: same bits.
std::optional<Interval> paired_bootstrap(const std::vector<double>& values, int resamples = 10000,
                                         uint64_t seed = 1);

}  // namespace mom::compare
