// The mathematics of "FLOPs to match": curves of loss against training FLOPs.
//
// Smoothing, for held-out curves: 15-25 points that fall steeply first and slowly later, with noisy evaluations among
// them.
//   1. a local line: least squares over up to 2 evaluations on either side, against the logarithm of the FLOPs; the
//      evaluation before training, at 0 FLOPs, stays as it is and is in no line
//   2. the falling fit: the nearest non-increasing curve (isotonic regression), so that "first reaches" has one answer
// With fewer than 6 points there is only step 2.
//
// Why: tried on 19 points of a + b x^-0.5, 600 draws, three pairs of curves, end-point ratio 0.63-0.88. With 0.5% noise
// the ratio is off by less than 0.01 in the mean, and scatters by
//   0.027-0.058  both steps             0.034-0.062  falling fit alone
//   0.035-0.070  as measured            0.035-0.066  median of three
// A noisy curve reaches its own final loss at 99.4-99.9% of its FLOPs (as measured 96-99%, falling fit alone 98-99%).
// Without noise the ratio is 0.002-0.004 too high: local lines cut the bend. Three evaluations on either side scatter
// less and are off by up to 0.007; a moving average lags, by up to 0.03.
//
// Two definitions (docs/reference.md, section 6):
//   end point  the first FLOPs at which the mix reaches the dense run's final loss, over the dense run's FLOPs
//   slope      for each loss L on the dense curve: x = FLOPs at which dense first reaches L, y = FLOPs at which the mix
//              does; the slope of y against x through the origin, by least squares
// Both on smoothed curves, linear between evaluations. Below 1 the mix needs fewer FLOPs.
#pragma once

#include <optional>
#include <vector>

namespace mom::compare {

struct Curve {
  std::vector<double> flops;  // rising strictly
  std::vector<double> loss;   // as many
  size_t size() const { return flops.size(); }
};

// The non-increasing sequence nearest to `values` in least squares (pool adjacent violators).
std::vector<double> falling_fit(const std::vector<double>& values);
// Least squares lines over `reach` points on either side, in log(x + the first spacing); x rising, from 0 or above.
std::vector<double> local_lines(const std::vector<double>& x, const std::vector<double>& values,
                                size_t reach);
Curve smoothed(const Curve& curve);

// FLOPs at which a smoothed curve first has loss <= level; at its first point when that is already there;
// nullopt = never.
std::optional<double> first_reach(const Curve& falling, double level);

// End-point and slope definitions on smoothed curves of at least two points; nullopt = never.
std::optional<double> end_point_ratio(const Curve& dense, const Curve& mix);
// nullopt when fewer than three losses lie on both curves.
std::optional<double> slope_ratio(const Curve& dense, const Curve& mix);

// Exponential moving average over steps with the given half-life in steps, started without bias: for training
// curves, which have many noisy points. steps and values have one length; steps rise.
std::vector<double> moving_average(const std::vector<double>& steps, const std::vector<double>& values,
                                   double half_life_steps);

}  // namespace mom::compare
