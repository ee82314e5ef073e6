#include "mom/report/report.h"

#include <algorithm>
#include <set>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/compare/words.h"
#include "mom/report/charts.h"
#include "mom/report/html.h"
#include "mom/report/sections.h"

namespace mom::report {
namespace {

using runs::RunFolder;

const RunFolder* partner(const std::vector<RunFolder>& runs, const RunFolder& mix) {
  const RunFolder* found = nullptr;
  for (const RunFolder& run : runs) {
    if (run.is_mixture() || run.setting() != mix.setting()) continue;
    const bool same_seed = run.recipe_value("seed") == mix.recipe_value("seed");
    if (!found || (same_seed && found->recipe_value("seed") != mix.recipe_value("seed"))) found = &run;
  }
  return found;
}

std::vector<Path> runs_in(const std::vector<Path>& inputs) {
  std::vector<Path> paths;
  std::set<std::string> seen;
  for (const Path& input : inputs) {
    for (const Path& path : runs::find_runs(input)) {
      if (seen.insert(path.lexically_normal().string()).second) paths.push_back(path);
    }
  }
  return paths;
}

// Vendored files end with the name of a source map, which would only make debuggers look for it.
std::string script(std::string_view name) {
  std::string text(embedded_file(name));
  const size_t map = text.rfind("//# sourceMappingURL");
  return map == std::string::npos ? text : text.substr(0, map);
}

std::string all_scripts() {
  std::string out;
  for (const char* name : {"vendor/uplot/uPlot.iife.min.js", "vendor/preact/preact.umd.js",
                           "vendor/preact/hooks.umd.js", "vendor/htm/htm.umd.js", "report.js"}) {
    out += "<script>" + script(name) + "</script>\n";
  }
  return out;
}

std::string title_of(const Subject& subject) {
  if (subject.comparisons.empty()) return "Run " + subject.runs.front().name;
  const auto& first = subject.comparisons.front();
  return first.mix_name + " and " + first.dense_name;
}

}  // namespace

Subject read_subject(const std::vector<Path>& inputs) {
  Subject subject;
  for (const Path& path : runs_in(inputs)) subject.runs.push_back(runs::read_run_folder(path));
  std::stable_partition(subject.runs.begin(), subject.runs.end(),
                        [](const RunFolder& run) { return !run.is_mixture(); });
  for (const RunFolder& run : subject.runs) {
    for (const std::string& missing : run.missing) subject.notes.push_back(run.name + " lacks " + missing);
    if (!run.is_mixture()) continue;
    const RunFolder* dense = partner(subject.runs, run);
    if (!dense) {
      subject.notes.push_back(run.name + " is not compared: no dense run of the setting " + run.setting() +
                              " was given");
      continue;
    }
    try {
      subject.comparisons.push_back(compare::compare_runs(*dense, run));
    } catch (const UserError& error) {  // nothing measured on both: the rest of the page still says something
      subject.notes.push_back(run.name + " is not compared: " + error.what());
    }
  }
  for (const Path& input : inputs) subject.command.push_back(input.string());
  return subject;
}

std::string render_page(const Subject& subject) {
  return fill_template(embedded_file("report.html"),
                       {{"title", escape(title_of(subject))},
                        {"style", std::string(embedded_file("vendor/uplot/uPlot.min.css")) +
                                      std::string(embedded_file("report.css"))},
                        {"verdict", verdict_section(subject)},
                        {"results", results_section(subject)},
                        {"notes", notes_section(subject)},
                        {"pictures", pictures_section(subject)},
                        {"predictions", predictions_section(subject)},
                        {"codecs", codecs_section(subject)},
                        {"models", models_section(subject)},
                        {"recipe", recipe_section(subject)},
                        {"machine", machine_section(subject)},
                        {"reproduce", reproduce_section(subject)},
                        {"definitions", definitions_section(subject)},
                        {"data", script_json(chart_data(subject))},
                        {"scripts", all_scripts()}});
}

std::vector<std::string> write_report(const std::vector<Path>& inputs, const Path& out) {
  Subject subject = read_subject(inputs);
  subject.command.insert(subject.command.end(), {"--out", out.string()});
  publish_file(out, render_page(subject));
  std::vector<std::string> verdicts;
  for (const auto& comparison : subject.comparisons) {
    verdicts.push_back(compare::verdict(comparison));
    for (const std::string& warning : comparison.warnings) log_warning(warning);
  }
  return verdicts;
}

}  // namespace mom::report
