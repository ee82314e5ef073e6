// Splits that anyone can recompute from a name alone.
#pragma once

#include <string>
#include <string_view>

#include "mom/base/hash.h"

namespace mom::data {

// Documents that recombine what training documents have: a trained concept in a style that they show of other concepts.
inline constexpr const char* kRecombined = "recombined";

// h = splitmix64_finalise(fnv1a64(name)): h % 20 is 0 test, 1 validation, else train.
inline std::string split_by_hash(std::string_view name) {
  switch (splitmix64_finalise(fnv1a64(name)) % 20) {
    case 0:
      return "test";
    case 1:
      return "validation";
    default:
      return "train";
  }
}

// True for about this share of all names, whatever split_by_hash says of them; a larger share keeps those of a smaller.
inline bool in_share(std::string_view name, double share) {
  return static_cast<double>(splitmix64_finalise(fnv1a64(name)) >> 11) * 0x1p-53 < share;
}

}  // namespace mom::data
