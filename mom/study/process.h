// Child processes that are ours alone.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::study {

struct Ended {
  int code = 0;    // exit code; 0 where a signal ended it
  int signal = 0;  // 0: it exited
  double seconds = 0;
  int64_t peak_rss_bytes = 0;
};

// A process group of its own: the terminal's Ctrl-C reaches only us, and we ask it to stop once. The system
// ends it with SIGKILL when we die, however that happens.
class Child {
 public:
  // stdin is empty, stderr is appended to `log`, stdout replaces `out` (empty: goes to `log`). `threads`:
  // OMP_NUM_THREADS. ResourceError where the system starts no process.
  Child(const Path& program, const std::vector<std::string>& arguments, int64_t threads, const Path& log,
        const Path& out);
  ~Child();  // kills it when it runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  std::optional<Ended> poll();  // the end, once
  void ask_to_stop();           // SIGTERM

 private:
  pid_t pid_ = -1;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace mom::study
