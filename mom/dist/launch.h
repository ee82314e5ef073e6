// `mom train --processes N`: starts the ranks of one machine, watches them, and starts them again. No torch here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::dist {

struct LaunchOptions {
  Path program;
  std::vector<std::string> arguments;  // of every rank
  Path logs;                           // a folder: rank-R.log has what ranks other than 0 print
  int64_t processes = 1;
  int64_t restarts = 0;  // times that all ranks are started again, with --resume, after a crash
  // After a rank has failed: until the others are asked to end, and from then until they are killed. Ranks that lost another
  // take a few seconds to find out which.
  std::chrono::milliseconds patience = std::chrono::seconds(10);
};

// Runs all ranks to their end. Rank 0's stdout and stderr are ours; SIGTERM and SIGINT are passed on to all; when this process
// dies, they are killed. OMP_NUM_THREADS, where it is not set, shares the cores among them.
// Returns where all exit with 0. Throws Error otherwise: exit code 75 where the ranks stopped after a save, else that of the
// rank that failed first (1 where a signal ended it) with its number and the last line of its log. The message is empty
// where rank 0 has said it all. Not a crash, and never started again: exit codes 2, 3 and 5, and ranks that were asked to stop.
void launch(const LaunchOptions& options);

// The words of a command line without these options and their values ("--name value" or "--name=value").
std::vector<std::string> without_options(const std::vector<std::string>& words,
                                         const std::vector<std::string>& names);
// The words after the program's name that this process was started with.
std::vector<std::string> own_arguments();

}  // namespace mom::dist
