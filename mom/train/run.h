// `mom train`: the entry the program calls. No torch here.
#pragma once

#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::train {

struct RunOptions {
  Path recipe;
  Path run;
  std::vector<std::string> overrides;  // "table.key=value"
  bool resume = false;                 // go on from the newest checkpoint; start where there is none
  bool dry_run = false;                // print the plan and stop
  int processes = 1;                   // of the plan
  bool json = false;
  bool force = false;   // with resume: also where keys of [train] change the result (train/resume.h)
  int64_t stop_at = 0;  // save and stop after this step (exit 75); 0: train to the end
};

// Trains to the end, alone in its folder (base/lock.h). StoppedError after a good save when a signal or stop_at ended it early.
void run_training(const RunOptions& options);

// The recipe's keys with limits and help, for --help.
std::string recipe_help();

}  // namespace mom::train
