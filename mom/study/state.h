// The state of a study's runs. Everything is read from files, so that a study can be killed at
// any moment.
//
//   study.json        what each run is: recipe, overrides; checked before a run is continued
//   runs/NAME/        run folders, as mom train and mom eval leave them
//   logs/NAME.log     the output of the run's processes
//   processes.jsonl   one line per process that ended: run, stage, seconds, peak_rss_bytes, exit_code
//   lock              held while a study is at work
#pragma once

#include <map>

#include "mom/base/json.h"
#include "mom/study/grid.h"

namespace mom::study {

struct RunState {
  int64_t saved_step = 0;  // of the newest checkpoint; 0: none
  int64_t steps = 0;       // as the run's recipe has it; 0: not started
  bool evaluated = false;  // evaluation.json is of the last step
  bool trained() const { return steps > 0 && saved_step >= steps; }
  bool finished() const { return trained() && evaluated; }
};

RunState read_state(const Path& run);

// Tokens by the last whole line of the run's metrics.jsonl, of which only the end is read; 0 without one.
double tokens_so_far(const Path& run);

// train.steps x data.batch_tokens as recipe and overrides say; 0 where one of them is left to its default.
double planned_tokens(const Run& run);

// Removes a run that has no checkpoint: nothing of it is worth keeping, and a log without one would be continued
// although its steps come again.
void clear_unsaved(const Path& run);

// Writes study.json, after the check that no run that is there was made from something else (UserError). A
// run evaluated on another number of tokens loses its evaluation.
void publish_manifest(const Path& folder, const StudyConfig& study, const Grid& grid);

// Seconds in processes that ended, by run; and the largest peak memory.
struct ProcessSums {
  double seconds = 0;
  int64_t peak_rss_bytes = 0;
};
std::map<std::string, ProcessSums> read_processes(const Path& folder);

}  // namespace mom::study
