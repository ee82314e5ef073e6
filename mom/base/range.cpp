#include "mom/base/range.h"

#include <cstdio>

#include "mom/base/error.h"

namespace mom {
namespace {

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.12g", value);
  return text;
}

}  // namespace

void require_in_range(const std::string& option, double value, double low, double high) {
  if (value >= low && value <= high) return;
  throw UserError({option, number_text(low) + " to " + number_text(high), number_text(value), ""});
}

}  // namespace mom
