#include "mom/study/words.h"

#include <algorithm>

#include "mom/compare/words.h"

namespace mom::study {

std::string percent_cell(const Summary& summary) {
  if (!summary.mean) return kNotMeasured;
  std::string text = compare::percent_text(*summary.mean);
  if (summary.interval)
    text += " [" + compare::percent_text(summary.interval->low) + ", " +
            compare::percent_text(summary.interval->high) + "]";
  return text;
}

std::string match_cell(const Row& row, const Summary& amount, const char* never) {
  const bool measured =
      std::any_of(row.match.begin(), row.match.end(), [](const auto& word) { return word != "unknown"; });
  if (!measured) return kNotMeasured;
  if (amount.mean) return percent_cell(amount);
  std::string text;
  bool any = false;
  for (const auto& value : amount.values) {
    any = any || value.has_value();
    text += (text.empty() ? "" : ", ") + (value ? compare::percent_text(*value) : never);
  }
  return any ? text : never;
}

std::string outcome(const Row& row) {
  size_t better = 0, worse = 0;
  for (const auto& value : row.gain.values) {
    if (value && *value > 0) ++better;
    if (value && *value < 0) ++worse;
  }
  const size_t count = row.gain.values.size();
  const std::string all = std::to_string(count), seeds = count == 1 ? " seed" : " seeds";
  if (better == count) return "better with " + all + " of " + all + seeds;
  if (worse == count) return "worse with " + all + " of " + all + seeds;
  if (better + worse == 0) return "the same with " + all + " of " + all + seeds;
  return "undecided, better with " + std::to_string(better) + " of " + all + seeds;
}

std::string reach_text(const ArmResult& arm, const Row& row) {
  const auto reached = std::count(row.match.begin(), row.match.end(), "reached");
  return "reaches the final loss of " + arm.baseline_model + " with " + std::to_string(reached) + " of " +
         std::to_string(row.match.size());
}

bool sign_is_sure(const Summary& summary) {
  return summary.interval && (summary.interval->low > 0) == (summary.interval->high > 0);
}

}  // namespace mom::study
