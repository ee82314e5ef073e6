#include "mom/compare/table.h"

#include <algorithm>
#include <array>

#include "mom/compare/number_text.h"
#include "mom/compare/verdict.h"

namespace mom::compare {
namespace {

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

// "image, emoji of held-out concepts (noto): better (loss ...)"
std::string row_verdict(const Comparison& comparison, const Row& row) {
  return row.modality + ", " + runs::set_text(comparison.set_titles, row.set) + ": " + verdict(row);
}

}  // namespace

std::string table_text(const Comparison& comparison) {
  std::vector<Line> lines = {{"modality", "set", "baseline", "run", "gain", "FLOPs to match", "by slope"}};
  for (const Row& row : comparison.rows) lines.push_back(table_line(row));
  std::string out = "baseline: " + comparison.dense_path.string() + " (" + comparison.dense_name +
                    ")\nrun:      " + comparison.mix_path.string() + " (" + comparison.mix_name + ")\n\n" +
                    aligned(lines) + "\n";
  for (const Row& row : comparison.rows) {
    out += row_verdict(comparison, row) + "\n";
    if (is_flat(row))
      out += "  (the curve of " + comparison.dense_name + " is flat or rises at the end: compare with " +
             percent_text(*row.dense_self_match) + ", not with 100%)\n";
  }
  if (const std::string flops = flops_text(comparison); !flops.empty())
    out += flops + " Gain compares equal steps, FLOPs to match counts the FLOPs.\n";
  for (const std::string& warning : comparison.warnings) out += "warning: " + warning + "\n";
  return out;
}

}  // namespace mom::compare
