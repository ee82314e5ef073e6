// Progress of a whole study: tokens of all runs, and the time left from the measured tokens/s of each kind of run.
#pragma once

#include <chrono>
#include <vector>

#include "mom/base/progress.h"
#include "mom/study/grid.h"

namespace mom::study {

class StudyWatch {
 public:
  // `to_do`: indices of grid.runs that are not finished. `folder` holds the runs.
  StudyWatch(const Grid& grid, std::vector<size_t> to_do, Path folder, int64_t at_once,
             const std::string& name);
  // Which of `to_do` are at work; reads their logs once per second.
  void tick(const std::vector<size_t>& running);
  // A process of `index` of to_do ended; `last`: it has no other.
  void ended(size_t index, const std::string& stage, double seconds, bool failed, bool last);
  void finish();  // the last line
  // Seconds until all is done; below 0: nothing measured yet.
  double seconds_left() const;

 private:
  struct Work {
    double total = 0, done_before = 0, done = 0;  // tokens
    double seconds = 0;                           // of training
    double evaluating = 0, evaluation = 0;        // seconds so far, and once it is over
    bool trained = false, over = false;
  };
  double seconds_per_token(size_t index) const;
  double evaluation_seconds() const;  // the mean of those that are over; 0: none is
  std::string detail(const std::vector<size_t>& running) const;

  const Grid& grid_;
  std::vector<size_t> to_do_;
  Path folder_;
  double slots_;
  std::vector<Work> work_;
  std::vector<std::chrono::steady_clock::time_point> last_;
  std::chrono::steady_clock::time_point last_read_;
  size_t num_done_ = 0, num_failed_ = 0;
  Progress progress_;
};

}  // namespace mom::study
