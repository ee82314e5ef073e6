// Run folders, or a study (study_report.h) -> one self-contained HTML page: data (docs/formats/page.md), which the
// components of web/ draw (page.h).
#pragma once

#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/compare/compare.h"
#include "mom/runs/run_folder.h"

namespace mom::report {

// What the page is about: runs in the order of their colours, dense runs first, and each run against its baseline.
struct Subject {
  std::vector<runs::RunFolder> runs;
  std::vector<compare::Comparison> comparisons;
  runs::SetTitles set_titles;        // of all runs
  std::vector<std::string> notes;    // what is not on the page, and why
  std::vector<std::string> command;  // the arguments that make this page again: inputs, then the output
};

// Reads runs and folders of runs. A run's baseline, of its setting and, best, of its seed: for a mixture the
// backbone it is a mixture of, where that was given; else the backbone of the first run, dense ones before
// mixtures. Runs of that backbone have none.
Subject read_subject(const std::vector<Path>& inputs);

// The place of a run among the subject's.
size_t index_of(const Subject& subject, const Path& path);

// Writes the page (atomic) and returns the verdicts, one a comparison: of a study when that is the one input.
// InputError for damaged runs.
std::vector<std::string> write_report(const std::vector<Path>& inputs, const Path& out);

}  // namespace mom::report
