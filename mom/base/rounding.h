// Whole numbers, rounded up.
#pragma once

#include <concepts>
#include <type_traits>

namespace mom {

// The least whole number that is at least value / by: how many groups of `by` hold `value` items. 0 <= value, 0 < by.
template <std::integral Number>
constexpr Number ceil_div(Number value, std::type_identity_t<Number> by) {
  return (value + by - 1) / by;
}

// The least multiple of `by` that is at least `value`.
template <std::integral Number>
constexpr Number round_up(Number value, std::type_identity_t<Number> by) {
  return ceil_div(value, by) * by;
}

}  // namespace mom
