#include "mom/compare/number_text.h"

#include <cmath>
#include <cstdio>

#include "mom/compare/verdict.h"

namespace mom::compare {

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string loss_text(double loss) { return fixed(loss, std::abs(loss) < 1 ? 4 : 3); }

std::string percent_text(double fraction) {
  const std::string text = fixed(fraction * 100, 1);
  return (text == "-0.0" ? "0.0" : text) + "%";
}

std::string percent_text(const Summary& summary) {
  if (!summary.mean) return kNotMeasured;
  std::string text = percent_text(*summary.mean);
  if (summary.interval)
    text += " [" + percent_text(summary.interval->low) + ", " + percent_text(summary.interval->high) + "]";
  return text;
}

}  // namespace mom::compare
