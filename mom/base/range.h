// Ranges of what users give on the command line; keys of recipes have theirs in mom/config.
#pragma once

#include <cstdint>
#include <string>

namespace mom {

// UserError unless low <= value <= high; NaN is in no range. `option` as it is typed: "--top-p".
void require_in_range(const std::string& option, double value, double low, double high);
inline void require_in_range(const std::string& option, int64_t value, double low, double high) {
  require_in_range(option, static_cast<double>(value), low, high);
}

}  // namespace mom
