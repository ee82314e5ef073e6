#include "mom/data/inspect_tables.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/data/document.h"
#include "mom/data/shard.h"

namespace mom::data {
namespace {

Counts sum(const std::vector<SummaryRow>& rows, Counts SummaryRow::*counts) {
  Counts total;
  for (const SummaryRow& row : rows)
    for (const auto& [modality, count] : row.*counts) total[modality] += count;
  return total;
}

FolderSummary summarise_documents(const Path& folder) {
  DocumentReader reader(folder);
  FolderSummary summary{.skipped = reader.skipped(), .rows = {}};
  for (const Collection& collection : reader.collections())
    summary.rows.push_back({.source = collection.source,
                            .split = collection.split,
                            .num_documents = collection.num_documents,
                            .speech_seconds = collection.speech_seconds,
                            .num_segments = collection.num_segments,
                            .num_tokens = {}});
  return summary;
}

Counts read_counts(const Json& shard, const char* key, const std::string& where) {
  Counts counts;
  if (!shard.contains(key) || !shard[key].is_object())
    throw InputError({where, "\"" + std::string(key) + "\" as an object", "none", "encode the data anew"});
  for (const auto& [modality, ignored] : shard[key].items())
    counts[modality] = json_count(shard[key], modality.c_str(), where);
  return counts;
}

// Shards of one source and split are one row.
FolderSummary summarise_encoded(const Path& folder) {
  const Json manifest = open_encoded(folder).manifest;  // after every check of every shard
  const std::string where = (folder / "dataset.json").string();
  FolderSummary summary{.encoded = true, .skipped = json_count(manifest, "skipped", where), .rows = {}};
  for (const Json& shard : manifest["shards"]) {
    std::string source = json_string(shard, "source", where), split = json_string(shard, "split", where);
    auto row = std::find_if(summary.rows.begin(), summary.rows.end(),
                            [&](const SummaryRow& r) { return r.source == source && r.split == split; });
    if (row == summary.rows.end())
      row = summary.rows.insert(
          row, SummaryRow{.source = source, .split = split, .num_segments = {}, .num_tokens = {}});
    row->num_documents += json_count(shard, "documents", where);
    for (const auto& [modality, count] : read_counts(shard, "segments", where))
      row->num_segments[modality] += count;
    for (const auto& [modality, count] : read_counts(shard, "tokens", where))
      row->num_tokens[modality] += count;
  }
  return summary;
}

using Table = std::vector<std::vector<std::string>>;

// The first two columns to the left, numbers to the right.
std::string align(const Table& table) {
  std::vector<size_t> widths(table.front().size());
  for (const auto& row : table)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : table) {
    for (size_t i = 0; i < row.size(); ++i) {
      std::string padding(widths[i] - row[i].size(), ' ');
      text += (i == 0 ? "" : "  ") + (i < 2 ? row[i] + padding : padding + row[i]);
    }
    text += "\n";
  }
  return text;
}

std::vector<std::string> cells(const SummaryRow& of, const FolderSummary& summary) {
  auto count = [](const Counts& counts, const std::string& modality) {
    auto found = counts.find(modality);
    return std::to_string(found == counts.end() ? 0 : found->second);
  };
  std::vector<std::string> row = {of.source, of.split, std::to_string(of.num_documents)};
  for (const auto& [modality, ignored] : summary.num_segments())
    row.push_back(count(of.num_segments, modality));
  if (summary.speech_seconds() > 0) row.push_back(std::to_string(std::llround(of.speech_seconds)));
  for (const auto& [modality, ignored] : summary.num_tokens()) row.push_back(count(of.num_tokens, modality));
  return row;
}

}  // namespace

uint64_t FolderSummary::num_documents() const {
  uint64_t total = 0;
  for (const SummaryRow& row : rows) total += row.num_documents;
  return total;
}

double FolderSummary::speech_seconds() const {
  double total = 0;
  for (const SummaryRow& row : rows) total += row.speech_seconds;
  return total;
}

Counts FolderSummary::num_segments() const { return sum(rows, &SummaryRow::num_segments); }

Counts FolderSummary::num_tokens() const { return sum(rows, &SummaryRow::num_tokens); }

FolderSummary summarise_folder(const Path& folder) {
  Path manifest = folder / "dataset.json";
  if (std::filesystem::is_regular_file(manifest)) {
    Json json = read_json(manifest);
    if (json.is_object() && json.contains("format") && json["format"] == "mom-encoded")
      return summarise_encoded(folder);
  }
  return summarise_documents(folder);
}

std::string format_table(const FolderSummary& summary) {
  Table table = {{"source", "split", "documents"}};
  for (const auto& [modality, ignored] : summary.num_segments()) table[0].push_back(modality + " segments");
  if (summary.speech_seconds() > 0) table[0].push_back("speech s");
  for (const auto& [modality, ignored] : summary.num_tokens()) table[0].push_back(modality + " tokens");
  for (const SummaryRow& row : summary.rows) table.push_back(cells(row, summary));
  table.push_back(cells({.source = "all",
                         .split = "",
                         .num_documents = summary.num_documents(),
                         .speech_seconds = summary.speech_seconds(),
                         .num_segments = summary.num_segments(),
                         .num_tokens = summary.num_tokens()},
                        summary));
  return align(table);
}

}  // namespace mom::data
