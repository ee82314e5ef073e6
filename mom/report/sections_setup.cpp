// What was run: recipe, data and machine, commands.
#include <set>

#include "mom/compare/comparable.h"
#include "mom/report/cells.h"
#include "mom/report/html.h"
#include "mom/report/sections.h"

namespace mom::report {
namespace {

using runs::RunFolder;

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += " " + shell_word(word);
  return out;
}

}  // namespace

std::string pre(const std::string& text) { return "<pre tabindex=\"0\">" + escape(text) + "</pre>\n"; }

std::string settings_table(const std::vector<std::string>& keys, const std::vector<std::string>& names,
                           const std::vector<std::vector<std::string>>& values_of_runs) {
  const bool run_a_line = names.size() > keys.size();
  std::vector<std::string> head = {run_a_line ? "run" : "key"};
  Cells rows;
  const auto code = [](const std::string& text) { return "<code>" + escape(text) + "</code>"; };
  if (run_a_line) {
    for (const std::string& key : keys) head.push_back(code(key));
    for (size_t run = 0; run < names.size(); ++run) {
      rows.push_back({names[run]});
      for (const std::string& value : values_of_runs[run]) rows.back().push_back(code(value));
    }
  } else {
    head.insert(head.end(), names.begin(), names.end());
    for (size_t key = 0; key < keys.size(); ++key) {
      rows.push_back({code(keys[key])});
      for (const auto& values : values_of_runs) rows.back().push_back(code(values[key]));
    }
  }
  return table(head, rows, true);
}

std::string recipe_section(const Subject& subject) {
  std::vector<const RunFolder*> runs;
  for (const RunFolder& run : subject.runs) runs.push_back(&run);
  std::string out = "<section id=\"recipe\"><h2>Recipe</h2>\n";
  if (runs.size() > 1) {
    const std::vector<std::string> keys = compare::differing_keys(runs);
    std::vector<std::string> names = run_head(subject, "");
    names.erase(names.begin());
    std::vector<std::vector<std::string>> values;
    for (const RunFolder* run : runs) {
      values.emplace_back();
      for (const std::string& key : keys) values.back().push_back(run->recipe_value(key, "unset"));
    }
    out += keys.empty()
               ? "<p>The recipes are equal.</p>\n"
               : "<p>The runs differ only in these keys:</p>\n" + settings_table(keys, names, values);
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
  for (size_t i = 0; i < all.size(); ++i) {  // a manifest lists every shard: its hash stands for it
    std::erase_if(all[i], [](const auto& item) {
      return item.first.rfind("data.manifest", 0) == 0 || item.first == "machine.host";  // pages are shared
    });
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
