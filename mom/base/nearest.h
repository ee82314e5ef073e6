// "Did you mean": the known word closest to a mistyped one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mom {

// The candidate with the smallest edit distance, empty when none is near (distance > half the length).
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);
// The `count` candidates with a part that is closest to `word`, the closest first, else in their order.
std::vector<std::string> nearest_inside(std::string_view word, const std::vector<std::string>& candidates,
                                        size_t count);

}  // namespace mom
