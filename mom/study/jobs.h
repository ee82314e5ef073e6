// Runs commands of the program, several at a time. A failure ends its own job and no other.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mom/base/process.h"

namespace mom::study {

struct Command {
  std::string stage;  // "train", "eval"
  std::vector<std::string> arguments;
  Path out = {};  // of its stdout; empty: the job's log
};

struct Job {
  std::string name;
  std::vector<Command> commands;          // in this order, up to the first that fails
  std::function<void()> prepare = [] {};  // before the first
};

struct JobResult {
  bool done = false;         // all commands ended well
  std::string error;         // of the command that failed; empty: none, or stopped before
  int exit_code = 0;         // its own; 1 where a signal ended it
  std::vector<Ended> ended;  // a command each
};

struct JobOptions {
  Path program;  // gets the arguments
  Path logs;     // folder of NAME.log
  int64_t at_once = 1, threads = 1;
};

class JobPool {
 public:
  using OnEnd = std::function<void(const Job&, const Command&, const Ended&)>;
  using OnTick = std::function<void(const std::vector<size_t>& running)>;  // several times per second

  JobPool(JobOptions options, std::vector<Job> jobs) : options_(std::move(options)), jobs_(std::move(jobs)) {}
  // Until all have ended, or until a signal (StopSignals) came and the running ones have stopped.
  std::vector<JobResult> run(const OnEnd& on_end = {}, const OnTick& on_tick = {});
  bool stopped() const { return stopped_; }

 private:
  struct Running;
  void start_more(std::vector<Running>& running);
  void start_command(Running& job);
  bool go_on(Running& job, const Ended& ended);

  JobOptions options_;
  std::vector<Job> jobs_;
  std::vector<JobResult> results_;
  size_t next_ = 0;
  bool stopped_ = false;
};

// The last "mom: error: ..." of `log` after byte `from`, without that prefix; else how it ended.
std::string error_of(const Path& log, uint64_t from, const Ended& ended);

}  // namespace mom::study
