// What was run: models, recipe, data and machine, commands.
#include <algorithm>
#include <set>

#include "mom/compare/comparable.h"
#include "mom/compare/words.h"
#include "mom/report/charts.h"
#include "mom/report/html.h"
#include "mom/report/sections.h"

namespace mom::report {
namespace {

using runs::RunFolder;
using Flat = std::map<std::string, std::string>;
using Cells = std::vector<std::vector<std::string>>;

constexpr const char* kAbsent = "&ndash;";

std::string grouped(double value) {  // 1234567 -> "1,234,567"
  const std::string digits = compare::fixed(value, 0);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string scaled(double value) {  // 3.2e9 -> "3.20 G"
  static constexpr const char* kUnits[] = {"", " k", " M", " G", " T", " P", " E", " Z"};
  size_t unit = 0;
  while (value >= 1000 && unit < 7) value /= 1000, ++unit;
  return compare::fixed(value, unit == 0 ? 0 : 2) + kUnits[unit];
}

// "parameters.active.text" -> value, for every number, string and list inside.
void flatten(const Json& value, const std::string& name, Flat& out) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) flatten(inner, name.empty() ? key : name + "." + key, out);
  } else if (value.is_string()) {
    out[name] = value.get<std::string>();
  } else if (!value.is_null()) {
    out[name] = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

std::vector<Flat> flatten_all(const std::vector<RunFolder>& runs, std::optional<Json> RunFolder::*part) {
  std::vector<Flat> all;
  for (const RunFolder& run : runs) {
    all.emplace_back();
    if (run.*part) flatten(*(run.*part), "", all.back());
  }
  return all;
}

std::vector<std::string> run_head(const Subject& subject, const std::string& first) {
  std::vector<std::string> head = {first};
  const auto labels = run_labels(subject.runs);
  for (size_t i = 0; i < labels.size(); ++i) {
    head.push_back("<i class=\"swatch c" + std::to_string(i % 6) + "\"></i>" + escape(labels[i]));
  }
  return head;
}

std::string value_or_absent(const Flat& values, const std::string& key) {
  const auto found = values.find(key);
  return found == values.end() ? kAbsent : escape(found->second);
}

// Counts in words; other values as they are.
std::string quantity(const std::string& key, const std::string& text) {
  if (text == kAbsent || text.find_first_not_of("0123456789.e+") != std::string::npos) return text;
  const double value = std::stod(text);
  if (key.rfind("flops_per_token", 0) == 0) return scaled(value);
  return grouped(value);
}

std::string label_of(const std::string& key) {
  static const std::vector<std::pair<std::string, std::string>> kStarts = {
      {"parameters.total", "parameters, total"},
      {"parameters.embedding", "parameters, embedding"},
      {"parameters.active.", "parameters active for "},
      {"flops_per_token.", "forward FLOPs a token, "},
      {"state_bytes", "state of one sequence, bytes"}};
  for (const auto& [start, words] : kStarts) {
    if (key.rfind(start, 0) == 0) return words + key.substr(start.size());
  }
  return key;
}

Cells parameter_rows(const Subject& subject) {
  static const std::vector<std::string> kOrder = {"parameters.total", "parameters.embedding",
                                                  "parameters.active.", "flops_per_token.", "state_bytes"};
  const auto all = flatten_all(subject.runs, &RunFolder::parameters);
  std::set<std::string> keys;
  for (const Flat& flat : all) {
    for (const auto& [key, value] : flat) keys.insert(key);
  }
  Cells rows;
  for (const std::string& start : kOrder) {
    for (const std::string& key : keys) {
      if (key.rfind(start, 0) != 0) continue;
      rows.push_back({escape(label_of(key))});
      for (const Flat& flat : all) rows.back().push_back(quantity(key, value_or_absent(flat, key)));
    }
  }
  return rows;
}

double median_rate(const RunFolder& run) {
  std::vector<double> rates;
  for (const auto& point : run.train) {
    if (point.tokens_per_s) rates.push_back(*point.tokens_per_s);
  }
  if (rates.empty()) return 0;
  std::nth_element(rates.begin(), rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2), rates.end());
  return rates[rates.size() / 2];
}

Cells training_rows(const Subject& subject) {
  Cells rows = {{"steps"}, {"tokens trained on"}, {"training FLOPs"}, {"tokens a second, median"}};
  for (const RunFolder& run : subject.runs) {
    const bool trained = !run.train.empty();
    rows[0].push_back(grouped(static_cast<double>(run.final_step())));
    rows[1].push_back(trained ? scaled(run.train.back().tokens) : kAbsent);
    rows[2].push_back(trained ? scaled(run.train.back().flops) : kAbsent);
    const double rate = median_rate(run);
    rows[3].push_back(rate > 0 ? grouped(rate) : kAbsent);
  }
  return rows;
}

std::string pre(const std::string& text) { return "<pre tabindex=\"0\">" + escape(text) + "</pre>\n"; }

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += " " + shell_word(word);
  return out;
}

}  // namespace

std::string models_section(const Subject& subject) {
  Cells rows = parameter_rows(subject);
  const Cells training = training_rows(subject);
  rows.insert(rows.end(), training.begin(), training.end());
  return "<section id=\"models\"><h2>Models and cost</h2>\n" + table(run_head(subject, ""), rows, true) +
         "<p class=\"remark\">Active: what one token of that modality passes through.</p></section>\n";
}

std::string recipe_section(const Subject& subject) {
  std::vector<const RunFolder*> runs;
  for (const RunFolder& run : subject.runs) runs.push_back(&run);
  std::string out = "<section id=\"recipe\"><h2>Recipe</h2>\n";
  if (runs.size() > 1) {
    Cells rows;
    for (const std::string& key : compare::differing_keys(runs)) {
      rows.push_back({"<code>" + escape(key) + "</code>"});
      for (const RunFolder* run : runs)
        rows.back().push_back("<code>" + escape(run->recipe_value(key, "unset")) + "</code>");
    }
    out += rows.empty() ? "<p>The recipes are equal.</p>\n"
                        : "<p>The runs differ in these keys, and in nothing else:</p>\n" +
                              table(run_head(subject, "key"), rows, false);
  }
  std::set<std::string> shown;
  for (const RunFolder* run : runs) {
    if (!shown.insert(run->recipe_text).second) continue;
    out += "<details><summary>recipe.toml of " + escape(run->name) + "</summary>" + pre(run->recipe_text) +
           "</details>\n";
  }
  return out + "</section>\n";
}

std::string machine_section(const Subject& subject) {
  auto all = flatten_all(subject.runs, &RunFolder::environment);
  for (size_t i = 0; i < all.size(); ++i) {  // a manifest lists every shard: its hash says as much in a line
    std::erase_if(all[i], [](const auto& item) { return item.first.rfind("data.manifest", 0) == 0; });
    if (!subject.runs[i].data_identity().empty()) {
      all[i]["data.manifest, SHA-256"] = subject.runs[i].data_identity() + "\u2026";
    }
  }
  std::set<std::string> keys;
  for (const Flat& flat : all) {
    for (const auto& [key, value] : flat) keys.insert(key);
  }
  if (keys.empty()) return "";
  Cells same, different;
  for (const std::string& key : keys) {
    std::vector<std::string> row = {"<code>" + escape(key) + "</code>"};
    std::set<std::string> values;
    for (const Flat& flat : all) {
      row.push_back(value_or_absent(flat, key));
      values.insert(row.back());
    }
    if (values.size() == 1) row.resize(2);
    (values.size() == 1 ? same : different).push_back(row);
  }
  std::string out = "<section id=\"machine\"><h2>Data and machine</h2>\n";
  if (!same.empty()) out += table({"", all.size() > 1 ? "same in all runs" : "value"}, same, false);
  if (!different.empty()) out += table(run_head(subject, "differs"), different, false);
  return out + "</section>\n";
}

std::string reproduce_section(const Subject& subject) {
  std::string commands;
  for (const RunFolder& run : subject.runs) {
    const std::string path = run.path.string();
    commands += "mom train " + shell_word((run.path / "recipe.toml").string()) + " --run " +
                shell_word(path + "-again") + "\n";
    commands += "mom eval " + shell_word(path + "-again") + "\n";
  }
  for (const auto& comparison : subject.comparisons) {
    commands += "mom compare" +
                join({comparison.dense_path.string() + "-again", comparison.mix_path.string() + "-again"}) +
                "\n";
  }
  std::string out =
      "<section id=\"reproduce\"><h2>Run it again</h2>\n<p>The recipes hold every setting and the seed; the "
      "same build on the same machine "
      "gives the same numbers.</p>\n" +
      pre(commands);
  if (!subject.command.empty())
    out += "<p>This page:</p>\n" + pre("mom report" + join(subject.command) + "\n");
  return out + "</section>\n";
}

}  // namespace mom::report
