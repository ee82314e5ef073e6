#include "mom/report/cells.h"

#include <algorithm>

#include "mom/compare/number_text.h"
#include "mom/report/charts.h"
#include "mom/report/html.h"

namespace mom::report {
namespace {

constexpr size_t kColours = 8;  // of web/report.css and web/report.js

void flatten(const Json& value, const std::string& name, Flat& out) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) flatten(inner, name.empty() ? key : name + "." + key, out);
  } else if (value.is_string()) {
    out[name] = value.get<std::string>();
  } else if (!value.is_null()) {
    out[name] = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

}  // namespace

std::string grouped(double value) {
  const std::string digits = compare::fixed(value, 0);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string scaled(double value) {
  static constexpr const char* kUnits[] = {"", " k", " M", " G", " T", " P", " E", " Z"};
  size_t unit = 0;
  while (value >= 1000 && unit < 7) value /= 1000, ++unit;
  return compare::fixed(value, unit == 0 ? 0 : 2) + kUnits[unit];
}

std::string bytes_text(double value) {
  static constexpr const char* kUnits[] = {" bytes", " KiB", " MiB", " GiB", " TiB"};
  size_t unit = 0;
  while (value >= 1024 && unit < 4) value /= 1024, ++unit;
  return compare::fixed(value, unit == 0 || value >= 100 ? 0 : 1) + kUnits[unit];
}

// One element, because on a phone the parts of a cell are spread over its line.
std::string with_small(const std::string& html, const std::string& small) {
  return "<span>" + html + " <small>" + small + "</small></span>";
}

std::string colour_class(size_t run) { return "c" + std::to_string(run % kColours); }

std::string swatch(size_t run) {
  const size_t shape = (run + 3 * (run / kColours)) % kColours;
  return "<i class=\"swatch " + colour_class(run) + " s" + std::to_string(shape) + "\"></i>";
}

// The marker stays on the line of the first word.
std::string run_name(const Subject& subject, size_t run) {
  const std::string label = run_labels(subject.runs)[run];
  const size_t word = std::min(label.find(' '), label.size());
  return "<span class=\"run\">" + swatch(run) + escape(label.substr(0, word)) + "</span>" +
         escape(label.substr(word));
}

std::vector<std::string> run_head(const Subject& subject, const std::string& first) {
  std::vector<std::string> head = {first};
  for (size_t i = 0; i < subject.runs.size(); ++i) head.push_back(run_name(subject, i));
  return head;
}

std::vector<Flat> flatten_all(const std::vector<runs::RunFolder>& runs,
                              std::optional<Json> runs::RunFolder::*part) {
  std::vector<Flat> all;
  for (const runs::RunFolder& run : runs) {
    all.emplace_back();
    if (run.*part) flatten(*(run.*part), "", all.back());
  }
  return all;
}

std::string value_or_absent(const Flat& values, const std::string& key) {
  const auto found = values.find(key);
  return found == values.end() ? kAbsent : escape(found->second);
}

std::string row_name(const runs::SetTitles& titles, const std::string& set, const std::string& modality) {
  return "<b>" + escape(modality) + "</b> <span class=\"set\">" + escape(runs::set_text(titles, set)) +
         "</span>";
}

std::string image_cell(const std::string& uri, const std::string& label, const std::string& alt) {
  const std::string image = uri.empty() ? "<span class=\"none\">none</span>"
                                        : "<img src=\"" + uri + "\" alt=\"" + escape(alt) + "\">";
  return "<div>" + image + "<span>" + escape(label) + "</span></div>";
}

}  // namespace mom::report
