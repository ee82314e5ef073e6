#include "mom/base/nearest.h"

#include <algorithm>
#include <numeric>

namespace mom {
namespace {

// Levenshtein: insertions, deletions and replacements, one each, that turn `a` into the beginnings of `b` (0, 1, ... letters), or
// into what ends there.
std::vector<size_t> edit_distances(std::string_view a, std::string_view b, bool ends_there) {
  std::vector<size_t> row(b.size() + 1, 0);
  if (!ends_there) std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = word.size() / 2 + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distances(word, candidate, /*ends_there=*/false).back();
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::vector<std::string> nearest_inside(std::string_view word, const std::vector<std::string>& candidates,
                                        size_t count) {
  std::vector<std::pair<size_t, std::string>> found;
  for (const std::string& candidate : candidates) {
    const std::vector<size_t> distances = edit_distances(word, candidate, /*ends_there=*/true);
    found.emplace_back(*std::min_element(distances.begin(), distances.end()), candidate);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(count, found.size()); ++i) names.push_back(found[i].second);
  return names;
}

}  // namespace mom
