#include "mom/report/report.h"

#include <algorithm>
#include <set>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/compare/verdict.h"
#include "mom/report/page.h"
#include "mom/report/runs_page.h"
#include "mom/report/study_report.h"

namespace mom::report {
namespace {

using runs::RunFolder;

std::vector<const RunFolder*> of_setting(const std::vector<RunFolder>& runs, const std::string& setting) {
  std::vector<const RunFolder*> found;
  for (const RunFolder& run : runs) {
    if (run.setting() == setting) found.push_back(&run);
  }
  return found;
}

// The backbone that a mixture is a mixture of, where it was given; else that of the first run.
std::string baseline_backbone(const std::vector<const RunFolder*>& others, const RunFolder& run) {
  const bool has_dense = std::any_of(others.begin(), others.end(), [&](const RunFolder* other) {
    return run.is_mixture() && other->backbone() == run.dense_backbone();
  });
  return has_dense ? run.dense_backbone() : others.front()->backbone();
}

// nullptr for a run that is of the baseline's backbone itself.
const RunFolder* baseline(const std::vector<RunFolder>& runs, const RunFolder& run) {
  const std::vector<const RunFolder*> others = of_setting(runs, run.setting());
  const std::string backbone = baseline_backbone(others, run);
  if (backbone == run.backbone()) return nullptr;
  const RunFolder* found = nullptr;
  for (const RunFolder* base : others) {
    if (base->backbone() != backbone) continue;
    if (!found || (base->recipe_value("seed") == run.recipe_value("seed") &&
                   found->recipe_value("seed") != run.recipe_value("seed")))
      found = base;
  }
  return found;
}

bool has_company(const std::vector<RunFolder>& runs, const RunFolder& run) {
  const auto others = of_setting(runs, run.setting());
  return std::any_of(others.begin(), others.end(),
                     [&](const RunFolder* other) { return other->backbone() != run.backbone(); });
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

// Adds the comparison of a run with its baseline, or a note on why there is none.
void compare_run(Subject& subject, const RunFolder& run) {
  const RunFolder* base = baseline(subject.runs, run);
  if (!base) {
    if (run.is_mixture() && !has_company(subject.runs, run))
      subject.notes.push_back(run.name + " is not compared: no run of another backbone in the setting " +
                              run.setting() + " was given");
    return;
  }
  try {
    subject.comparisons.push_back(compare::compare_runs(*base, run));
  } catch (const UserError& error) {  // nothing measured in both: the rest of the page is still useful
    subject.notes.push_back(run.name + " is not compared: " + error.what());
  }
}

}  // namespace

size_t index_of(const Subject& subject, const Path& path) {
  const auto found = std::find_if(subject.runs.begin(), subject.runs.end(),
                                  [&](const RunFolder& run) { return run.path == path; });
  return static_cast<size_t>(found - subject.runs.begin());
}

Subject read_subject(const std::vector<Path>& inputs) {
  Subject subject;
  for (const Path& path : runs_in(inputs)) subject.runs.push_back(runs::read_run_folder(path));
  std::stable_partition(subject.runs.begin(), subject.runs.end(),
                        [](const RunFolder& run) { return !run.is_mixture(); });
  for (const RunFolder& run : subject.runs) {
    for (const std::string& missing : run.missing) subject.notes.push_back(run.name + " lacks " + missing);
    subject.set_titles.insert(run.set_titles.begin(), run.set_titles.end());
    compare_run(subject, run);
  }
  for (const Path& input : inputs) subject.command.push_back(input.string());
  return subject;
}

std::vector<std::string> write_report(const std::vector<Path>& inputs, const Path& out) {
  if (inputs.size() == 1 && study::is_study(inputs.front())) {
    StudySubject subject = read_study_subject(inputs.front());
    subject.command.insert(subject.command.end(), {"--out", out.string()});
    publish_file(out, render(study_page(subject)));
    return study_verdicts(subject.results);
  }
  Subject subject = read_subject(inputs);
  subject.command.insert(subject.command.end(), {"--out", out.string()});
  publish_file(out, render(runs_page(subject)));
  std::vector<std::string> verdicts;
  for (const auto& comparison : subject.comparisons) {
    verdicts.push_back(compare::verdict(comparison));
    for (const std::string& warning : comparison.warnings) log_warning(warning);
  }
  return verdicts;
}

}  // namespace mom::report
