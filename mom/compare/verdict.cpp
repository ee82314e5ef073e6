#include "mom/compare/verdict.h"

#include <algorithm>
#include <cmath>

#include "mom/compare/number_text.h"

namespace mom::compare {
namespace {

constexpr double kEqualTo = 0.0005;  // gains within it print as 0.0%

std::string subject(const std::string& model, const std::string& baseline) {
  return model + " against " + baseline + " on held-out data";
}

std::string counted(size_t count, size_t all) {
  return std::to_string(count) + " of " + std::to_string(all) + (all == 1 ? " seed" : " seeds");
}

}  // namespace

Outcome outcome_of(double gain) {
  if (std::abs(gain) < kEqualTo) return Outcome::kEqual;
  return gain > 0 ? Outcome::kBetter : Outcome::kWorse;
}

Outcome outcome_of(const Summary& gain) {
  if (!gain.interval || sign_is_sure(gain)) return outcome_of(*gain.mean);
  const bool equal =
      outcome_of(gain.interval->low) == Outcome::kEqual && outcome_of(gain.interval->high) == Outcome::kEqual;
  return equal ? Outcome::kEqual : Outcome::kUndecided;
}

const char* outcome_name(Outcome outcome) {
  static constexpr const char* kNames[] = {"better", "worse", "equal", "undecided"};
  return kNames[static_cast<size_t>(outcome)];
}

std::string outcome_text(const Summary& gain) {
  if (!gain.mean) return kNotMeasured;
  const Outcome outcome = outcome_of(gain);
  const std::string name = outcome_name(outcome);
  if (gain.values.size() == 1 || outcome == Outcome::kEqual) return name;
  const bool worse = outcome == Outcome::kWorse;
  const auto agreeing =
      static_cast<size_t>(std::count_if(gain.values.begin(), gain.values.end(),
                                        [&](const auto& value) { return worse ? *value < 0 : *value > 0; }));
  return name + (outcome == Outcome::kUndecided ? ", better with " : " with ") +
         counted(agreeing, gain.values.size());
}

bool is_flat(const Row& row) { return row.dense_self_match && *row.dense_self_match < 0.95; }

std::string match_text(const Row& row) {
  if (row.match == Match::kUnknown) return kNotMeasured;
  return row.flops_to_match ? percent_text(*row.flops_to_match) : kNotReached;
}

std::string slope_text(const Row& row) {
  return row.flops_to_match_slope ? percent_text(*row.flops_to_match_slope) : kNotComputable;
}

std::string match_text(const std::vector<Match>& matches, const Summary& amount, const char* never) {
  const bool measured =
      std::any_of(matches.begin(), matches.end(), [](Match match) { return match != Match::kUnknown; });
  if (!measured) return kNotMeasured;
  if (amount.mean) return percent_text(amount);
  std::string text;
  bool any = false;
  for (const auto& value : amount.values) {
    any = any || value.has_value();
    text += (text.empty() ? "" : ", ") + (value ? percent_text(*value) : never);
  }
  return any ? text : never;
}

std::string reach_text(const Row& row) {
  if (row.match == Match::kUnknown) return std::string("FLOPs to match ") + kNotMeasured;
  if (!row.flops_to_match) return "does not reach the baseline's final loss";
  const std::string reaches = "reaches the baseline's final loss with " + match_text(row) + " of its FLOPs";
  return is_flat(row) ? reaches + ", the baseline itself with " + percent_text(*row.dense_self_match)
                      : reaches;
}

std::string reach_text(const std::vector<Match>& matches) {
  const auto reached = static_cast<size_t>(std::count(matches.begin(), matches.end(), Match::kReached));
  return "reaches the baseline's final loss with " + counted(reached, matches.size());
}

std::string flops_text(const Comparison& comparison) {
  if (std::abs(comparison.step_flops_ratio - 1) <= 0.01) return "";
  return "Per step " + comparison.mix_name + " takes " + fixed(comparison.step_flops_ratio, 2) +
         " x the FLOPs of " + comparison.dense_name + ".";
}

std::string verdict(const Row& row) {
  return std::string(outcome_name(outcome_of(row.gain))) + " (loss " + loss_text(row.mix_loss) + " against " +
         loss_text(row.dense_loss) + ", gain " + percent_text(row.gain) + ", " + reach_text(row) + ")";
}

namespace {

// "better on 2 of 6 sets, worse on 4 (gain -1.0% to 1.4%)"
std::string verdict_over_sets(const std::vector<const Row*>& rows) {
  std::string text;
  for (const Outcome outcome : {Outcome::kBetter, Outcome::kWorse, Outcome::kEqual}) {
    const auto count = std::count_if(rows.begin(), rows.end(),
                                     [&](const Row* row) { return outcome_of(row->gain) == outcome; });
    if (count == 0) continue;
    const std::string all = text.empty() ? " of " + std::to_string(rows.size()) + " sets" : "";
    text += (text.empty() ? "" : ", ") + std::string(outcome_name(outcome)) + " on " + std::to_string(count) +
            all;
  }
  const auto [least, most] = std::minmax_element(
      rows.begin(), rows.end(), [](const Row* a, const Row* b) { return a->gain < b->gain; });
  return text + " (gain " + percent_text((*least)->gain) + " to " + percent_text((*most)->gain) + ")";
}

}  // namespace

std::string verdict(const Comparison& comparison) {
  std::string text;
  for (const Row& row : comparison.rows) {
    if (row.set != comparison.set || row.modality == kOverall) continue;
    std::vector<const Row*> rows{&row};
    for (const Row& other : comparison.rows)
      if (other.modality == row.modality &&
          std::count(comparison.like_set.begin(), comparison.like_set.end(), other.set) > 0)
        rows.push_back(&other);
    text += (text.empty() ? "" : "; ") + row.modality + " " +
            (rows.size() == 1 ? verdict(row) : verdict_over_sets(rows));
  }
  const std::string flops = flops_text(comparison);
  return subject(comparison.mix_name, comparison.dense_name) + ": " + text + "." +
         (flops.empty() ? "" : " " + flops);
}

std::string verdict(const std::string& model, const std::string& baseline,
                    const std::vector<std::pair<std::string, const Summary*>>& gains) {
  std::string text;
  for (const auto& [modality, gain] : gains)
    text += (text.empty() ? "" : "; ") + modality + " " + outcome_text(*gain) + " (gain " +
            (gain->mean ? percent_text(*gain->mean) : kNotMeasured) + ")";
  const bool one = !gains.empty() && gains.front().second->values.size() == 1;
  return subject(model, baseline) + (one ? ", one seed: " : ": ") + text + ".";
}

}  // namespace mom::compare
