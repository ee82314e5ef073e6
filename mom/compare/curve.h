// The mathematics of "FLOPs to match": curves of loss against training FLOPs.
//
// Smoothing: the falling fit (isotonic regression, least squares). Held-out curves have few points (15-25), fall in the long
// run, and are disturbed by a few noisy evaluations. The falling fit averages only where a curve rises; a curve that falls is
// left as it is. A moving average would lag behind the steep start and so shift every match, and needs a width to be chosen.
//
// Two definitions (REFERENCE 6):
//   end point  the first FLOPs at which the mix reaches the dense run's final loss, over the dense run's FLOPs
//   slope      for each loss L on the dense curve: x = FLOPs at which dense first reaches L, y = FLOPs at which the mix does;
//              the slope of y against x through the origin, by least squares
// Both on smoothed curves, linear between evaluations. Below 1 the mix needs less.
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
Curve smoothed(const Curve& curve);

// FLOPs at which a smoothed curve first has loss <= level; at its first point when that is already there; nullopt = never.
std::optional<double> first_reach(const Curve& falling, double level);

// End-point and slope definitions on smoothed curves of at least two points; nullopt = never.
std::optional<double> end_point_ratio(const Curve& dense, const Curve& mix);
// nullopt when fewer than three losses lie on both curves.
std::optional<double> slope_ratio(const Curve& dense, const Curve& mix);

// Exponential moving average over steps with the given half-life in steps, started without bias: for training curves, which
// have many noisy points. steps and values have one length; steps rise.
std::vector<double> moving_average(const std::vector<double>& steps, const std::vector<double>& values,
                                   double half_life_steps);

}  // namespace mom::compare
