// Cells that several tables share: numbers formatted for people, heads with a run's colour.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "mom/report/report.h"

namespace mom::report {

using Flat = std::map<std::string, std::string>;
using Cells = std::vector<std::vector<std::string>>;

inline constexpr const char* kAbsent = "&ndash;";

std::string grouped(double value);                                          // 1234567 -> "1,234,567"
std::string scaled(double value);                                           // 3.2e9 -> "3.20 G"
std::string bytes_text(double value);                                       // 233472 -> "228 KiB"
std::string with_small(const std::string& html, const std::string& small);  // and a remark in small print

// The marker of a run: a shape in its colour. The first eight runs of a page differ in both.
// Shapes and lines shift by three each time the colours repeat, so that the ninth run differs from the first.
std::string colour_class(size_t run);  // "c0"
std::string swatch(size_t run);
// A run's label after its marker.
std::string run_name(const Subject& subject, size_t run);
// A head line: `first`, then all runs.
std::vector<std::string> run_head(const Subject& subject, const std::string& first);

// What a row of losses is of: the modality, and the held-out set in words.
std::string row_name(const runs::SetTitles& titles, const std::string& set, const std::string& modality);

// An image in a gallery's strip with a label below; an empty URI: a placeholder.
std::string image_cell(const std::string& uri, const std::string& label, const std::string& alt);

// Each run's JSON as "parameters.active.text" -> value, for every number, string and list inside.
std::vector<Flat> flatten_all(const std::vector<runs::RunFolder>& runs,
                              std::optional<Json> runs::RunFolder::*part);
std::string value_or_absent(const Flat& values, const std::string& key);

}  // namespace mom::report
