// Ranges, ticks and their labels.
#pragma once

#include <string>
#include <vector>

namespace mom::ssm {

struct Axis {
  double low = 0, high = 1;
  std::vector<double> ticks;  // multiples of 1, 2 or 5 times a power of ten, within the range
  int exponent = 0;           // labels are in units of 10^exponent; 0 where they are short anyway
  double part(double value) const { return (value - low) / (high - low); }  // 0 at low, 1 at high
};

// Covers low .. high; a range too small or too large for f64 becomes -1 .. 1 or is cut at 1e300.
Axis make_axis(double low, double high);
std::string tick_label(const Axis& axis, double tick);
std::string exponent_label(const Axis& axis);  // "×10⁻⁶", or nothing

}  // namespace mom::ssm
