#include "mom/ssm/plot_axis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace mom::ssm {
namespace {

constexpr double kHuge = 1e300, kTiny = 1e-300;
constexpr int kTicks = 5;  // about

double nice_step(double span) {
  const double raw = span / kTicks, power = std::pow(10, std::floor(std::log10(raw))), part = raw / power;
  return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

}  // namespace

Axis make_axis(double low, double high) {
  Axis axis{std::clamp(low, -kHuge, kHuge), std::clamp(high, -kHuge, kHuge), {}, 0};
  if (axis.high - axis.low < kTiny) axis = {-1, 1, {}, 0};
  const double step = nice_step(axis.high - axis.low);
  const double slack = 1e-9;  // a tick on the border belongs to the range
  for (double i = std::ceil(axis.low / step - slack); i <= std::floor(axis.high / step + slack); ++i)
    axis.ticks.push_back(i * step + 0.0);  // + 0: no -0
  const double largest = std::max(std::abs(axis.low), std::abs(axis.high));
  const int exponent = static_cast<int>(std::floor(std::log10(largest)));
  if (exponent >= 5 || exponent <= -4) axis.exponent = exponent;
  return axis;
}

std::string tick_label(const Axis& axis, double tick) {
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", tick / std::pow(10, axis.exponent));
  if (text[0] != '-') return text;
  return std::string("−") + (text + 1);
}

std::string exponent_label(const Axis& axis) {
  static constexpr const char* kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  if (axis.exponent == 0) return "";
  std::string text = axis.exponent < 0 ? "×10⁻" : "×10";
  for (const char c : std::to_string(std::abs(axis.exponent))) text += kDigits[c - '0'];
  return text;
}

}  // namespace mom::ssm
