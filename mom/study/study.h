// `mom study`: a grid of runs, one after another or several at a time, and the tables they make. Every run is
// a process of the same program, so that a crash affects no other run. No torch here.
#pragma once

#include <optional>

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/study/config.h"

namespace mom::study {

struct StudyOptions {
  Path study, out;
  std::vector<std::string> overrides;  // "key=value"
  Known known;
  Path program = "/proc/self/exe";  // runs `train`, `eval` and `bench`
  int64_t probe_steps = 8;          // of --plan
};

struct StudyResult {
  OrderedJson results;           // results.json
  std::string page;              // README.md
  std::optional<Error> failure;  // of the runs that failed
};

// Continues an existing study. Writes OUT/{results.json, timing.json, README.md}. StoppedError after a signal,
// when the runs at work have saved.
StudyResult run_study(const StudyOptions& options);

// What run_study would do now: time and memory, from short measured probes. See plan.cpp for the keys.
OrderedJson plan_study(const StudyOptions& options);
std::string plan_text(const OrderedJson& plan);

}  // namespace mom::study
