// What was run, on what, and how to run it again.
#include <algorithm>
#include <set>

#include "mom/report/cells.h"
#include "mom/report/html.h"
#include "mom/report/sections.h"
#include "mom/report/study_sections.h"

namespace mom::report {
namespace {

using study::GroupResult;
using study::RunResult;
using study::StudyResults;

// By recipe file, in the order of the study: the first finished run of each model of each of its groups.
// Runs of other seeds differ in the seed alone.
study::Named<std::vector<const RunResult*>> runs_by_recipe(const StudyResults& results) {
  study::Named<std::vector<const RunResult*>> by_recipe;
  for (const GroupResult& group : results.groups)
    for (const std::string& arm : results.arms_of(group)) {
      if (by_recipe.empty() || by_recipe.back().first != group.recipe)
        by_recipe.push_back({group.recipe, {}});
      by_recipe.back().second.push_back(results.runs_of(group, arm).front());
    }
  return by_recipe;
}

std::string value_of(const RunResult& run, const std::string& key) {
  const auto found = run.resolved_recipe.find(key);
  return found == run.resolved_recipe.end() ? "unset" : found->second;
}

std::vector<std::string> differing_keys(const std::vector<const RunResult*>& runs) {
  std::set<std::string> keys, differing;
  for (const RunResult* run : runs)
    for (const auto& [key, value] : run->resolved_recipe) keys.insert(key);
  for (const std::string& key : keys)
    for (const RunResult* run : runs)
      if (value_of(*run, key) != value_of(*runs.front(), key)) differing.insert(key);
  return {differing.begin(), differing.end()};
}

std::string differences(const std::vector<const RunResult*>& runs) {
  const std::vector<std::string> keys = differing_keys(runs);
  if (keys.empty()) return "";
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> values;
  for (const RunResult* run : runs) {
    names.push_back("<code>" + escape(run->name) + "</code>");
    values.emplace_back();
    for (const std::string& key : keys) values.back().push_back(value_of(*run, key));
  }
  return "<p>Its runs differ only in these keys and the seed:</p>\n" + settings_table(keys, names, values);
}

std::string recipe_text(const RunResult& run) {
  std::string text;
  for (const auto& [key, value] : run.resolved_recipe) text += key + " = " + value + "\n";
  return text;
}

Cells environment_rows(const study::Environment& environment) {
  Cells rows;
  for (const auto& [key, value] : environment.values)
    rows.push_back({"<code>" + escape(key) + "</code>", escape(value)});
  return rows;
}

std::string command_text(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + shell_word(word);
  return text;
}

}  // namespace

std::string study_recipes_section(const StudySubject& subject) {
  std::string html;
  for (const auto& [recipe, runs] : runs_by_recipe(subject.results))
    html += "<h3><code>" + escape(recipe) + "</code></h3>\n" + differences(runs) +
            "<details><summary>All of <code>" + escape(runs.front()->name) + "</code></summary>" +
            pre(recipe_text(*runs.front())) + "</details>\n";
  return html.empty() ? "" : "<section id=\"recipe\"><h2>Recipes</h2>\n" + html + "</section>\n";
}

std::string study_machine_section(const StudySubject& subject) {
  const auto& environments = subject.results.environments;
  if (environments.empty())
    return subject.shown.runs.empty() ? "" : machine_section(subject.shown);  // older studies
  std::string html = "<section id=\"machine\"><h2>Data, machine and versions</h2>\n";
  for (const study::Environment& environment : environments) {
    if (environments.size() > 1) {
      html += "<h3>" + std::to_string(environment.runs.size()) + " runs</h3>\n<p class=\"remark\">";
      for (const std::string& run : environment.runs)
        html += escape(run) + (&run == &environment.runs.back() ? "" : ", ");
      html += "</p>\n";
    }
    html += table({"", "value"}, environment_rows(environment), false);
  }
  return html + "</section>\n";
}

std::string study_reproduce_section(const StudySubject& subject) {
  std::string html = "<section id=\"reproduce\"><h2>Run it again</h2>\n";
  if (!subject.results.command.empty())
    html += "<p>The study; after a kill or a stop, the same command continues it:</p>\n" +
            pre(command_text(subject.results.command) + " --out DIR\n");
  return html + "<p>This page:</p>\n" + pre("mom report " + command_text(subject.command) + "\n") +
         "</section>\n";
}

std::string study_definitions_section(const StudySubject& subject) {
  modality::TrainedSum heaviest;
  for (const RunResult& run : subject.results.runs)
    if (const modality::TrainedSum trained = trained_sum_of(run); trained.weight > heaviest.weight)
      heaviest = trained;
  return definitions_html(heaviest);
}

std::string study_notes_section(const StudySubject& subject) { return notes_html(subject.notes); }

}  // namespace mom::report
