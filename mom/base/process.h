// Child processes that are ours alone.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom {

struct Ended {
  int code = 0;    // exit code; 0 where a signal ended it
  int signal = 0;  // 0: it exited
  double seconds = 0;
  int64_t peak_rss_bytes = 0;
  bool well() const { return code == 0 && signal == 0; }
};

// A process group of its own: the terminal's Ctrl-C reaches only us, and we ask it to stop once. The system
// ends it with SIGKILL when we die, however that happens.
class Child {
 public:
  struct Options {
    std::vector<std::string> variables;  // "NAME=value": set beside our own environment, or in its place
    Path log;                            // stderr is appended to it; empty: it is ours
    Path out;            // stdout replaces it; empty: goes where stderr goes, or where ours does
    int inherited = -1;  // an open file that the child keeps under its number
  };
  // stdin is empty. ResourceError where the system starts no process.
  Child(const Path& program, const std::vector<std::string>& arguments, const Options& options);
  ~Child();  // kills it when it runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  std::optional<Ended> poll();  // the end, once
  void send(int signal);        // nothing where it has ended
  void ask_to_stop();           // SIGTERM
  pid_t id() const { return pid_; }

 private:
  pid_t pid_ = -1;
  std::chrono::steady_clock::time_point start_;
};

// "exit code 3" or "signal 9 (Killed)".
std::string describe_end(const Ended& ended);

}  // namespace mom
