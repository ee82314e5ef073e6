#include "mom/compare/words.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace mom::compare {
namespace {

// Gains that print as 0.0% are no difference.
enum class Outcome { kWins, kLoses, kTies };
Outcome outcome(const Row& row) {
  if (std::abs(row.gain) < 0.0005) return Outcome::kTies;
  return row.gain > 0 ? Outcome::kWins : Outcome::kLoses;
}

std::string difference_text(const Row& row) {
  switch (outcome(row)) {
    case Outcome::kWins:
      return percent_text(row.gain) + " lower";
    case Outcome::kLoses:
      return percent_text(-row.gain) + " higher";
    default:
      return "the same to 0.05%";
  }
}

std::string reach_text(const Row& row, const std::string& dense) {
  switch (row.match) {
    case Match::kReached:
      return "it reaches the final loss of " + dense + " with " + match_text(row) + " of its training FLOPs";
    case Match::kNever:
      return "it does not reach the final loss of " + dense + " in this training";
    default:
      return "FLOPs to match were not measured: each run needs two evaluations or more in training";
  }
}

// In the verdict, where the dense run was just named; the first clause spells out what the next ones only
// hint at.
std::string short_reach_text(const Row& row, bool first) {
  switch (row.match) {
    case Match::kReached:
      return first ? "matching its final loss after " + match_text(row) + " of its training FLOPs"
                   : "matching after " + match_text(row);
    case Match::kNever:
      return first ? "its final loss not reached in this training" : "not reached";
    default:
      return "FLOPs to match not measured";
  }
}

std::string losses_text(const Row& row) {
  return "loss " + loss_text(row.mix_loss) + " against " + loss_text(row.dense_loss) + ", " +
         difference_text(row);
}

std::string capitalised(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

using Line = std::array<std::string, 7>;

Line table_line(const Row& row) {
  return {row.modality,
          row.set,
          loss_text(row.dense_loss),
          loss_text(row.mix_loss),
          percent_text(row.gain),
          match_text(row),
          slope_text(row)};
}

std::string aligned(const std::vector<Line>& lines) {
  std::array<size_t, 7> width{};
  for (const Line& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
  }
  std::string out;
  for (const Line& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string padding(width[i] - line[i].size(), ' ');
      out += i < 2 ? line[i] + padding : padding + line[i];
      out += i + 1 < line.size() ? "  " : "\n";
    }
  }
  return out;
}

}  // namespace

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string loss_text(double loss) { return fixed(loss, std::abs(loss) < 1 ? 4 : 3); }

std::string percent_text(double part) {
  const std::string text = fixed(part * 100, 1);
  return (text == "-0.0" ? "0.0" : text) + "%";
}

std::string match_text(const Row& row) {
  if (row.match == Match::kUnknown) return "not measured";
  return row.flops_to_match ? percent_text(*row.flops_to_match) : "not reached";
}

std::string slope_text(const Row& row) {
  return row.flops_to_match_slope ? percent_text(*row.flops_to_match_slope) : "not computable";
}

// The names of the quickstart's sets in words; other sets keep their names.
std::string set_text(const std::string& set, const std::string& modality) {
  if (set == "noto")
    return modality == "text" ? "captions of held-out concepts (noto)" : "held-out concepts (noto)";
  if (set == "twemoji")
    return modality == "text" ? "captions of held-out concepts (twemoji)" : "held-out concepts (twemoji)";
  if (set == "fluent") return "held-out concepts, unseen style (fluent)";
  if (set == "spoken") return "held-out concepts, spoken (voices of the training)";
  if (set == "spoken_kal16") return "held-out concepts, unseen voice (kal16)";
  if (set == "gcide") return "validation 1, dictionary (gcide)";
  if (set == "anarchism") return "validation 1, prose (anarchism)";
  if (set == "foldoc") return "validation 2, another domain (foldoc)";
  return set;
}

std::string row_verdict(const Comparison& comparison, const Row& row) {
  static constexpr const char* kVerbs[] = {"wins", "loses", "draws level"};
  return row.modality + ", " + set_text(row.set, row.modality) + ": " + comparison.mix_name + " " +
         kVerbs[static_cast<int>(outcome(row))] + ": " + losses_text(row) + "; " +
         reach_text(row, comparison.dense_name) + ".";
}

std::string flops_text(const Comparison& comparison) {
  if (std::abs(comparison.step_flops_ratio - 1) <= 0.01) return "";
  return "Per step " + comparison.mix_name + " takes " + fixed(comparison.step_flops_ratio, 2) +
         " x the FLOPs of " + comparison.dense_name + ".";
}

std::string verdict(const Comparison& comparison) {
  static constexpr const char* kVerbs[] = {" beats ", " loses to ", " draws level with "};
  std::string out;
  for (const Row& row : comparison.rows) {
    if (row.set != comparison.set || row.modality == kOverall) continue;
    const bool first = out.empty();
    const std::string verb = kVerbs[static_cast<int>(outcome(row))];
    out += first ? capitalised(comparison.mix_name) + verb + comparison.dense_name : "; it" + verb + "it";
    out += " on " + row.modality + ": loss " + loss_text(row.mix_loss) + " against " +
           loss_text(row.dense_loss) + " (" + difference_text(row) + "), " + short_reach_text(row, first);
  }
  const std::string flops = flops_text(comparison);
  return out + "." + (flops.empty() ? "" : " " + flops);
}

std::string table_text(const Comparison& comparison) {
  std::vector<Line> lines = {{"modality", "set", "baseline", "run", "gain", "FLOPs to match", "by slope"}};
  for (const Row& row : comparison.rows) lines.push_back(table_line(row));
  std::string out = "baseline: " + comparison.dense_path.string() + " (" + comparison.dense_name +
                    ")\nrun:      " + comparison.mix_path.string() + " (" + comparison.mix_name + ")\n\n" +
                    aligned(lines) + "\n";
  for (const Row& row : comparison.rows) {
    out += row_verdict(comparison, row) + "\n";
    if (row.dense_self_match && *row.dense_self_match < 0.95) {
      out += "  (" + comparison.dense_name + " itself has that loss after " +
             percent_text(*row.dense_self_match) + ": its curve is flat at the end)\n";
    }
  }
  if (const std::string flops = flops_text(comparison); !flops.empty())
    out += flops + " Gain compares equal steps, FLOPs to match counts the FLOPs.\n";
  for (const std::string& warning : comparison.warnings) out += "warning: " + warning + "\n";
  return out;
}

}  // namespace mom::compare
