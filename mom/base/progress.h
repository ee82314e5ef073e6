// Progress of a long operation on stderr: a bar with rate and ETA on a terminal, one line every 10 s elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace mom {

class Progress {
 public:
  // `unit` is what is counted ("documents", "steps"). total = 0: unknown, no bar and no ETA.
  // `done_before`: units done by an earlier run that this one resumes; not counted in the rate.
  Progress(std::string label, std::string unit, uint64_t total, uint64_t done_before = 0);
  ~Progress();  // ends the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // Cheap to call often: draws at most 10 times per second.
  void update(uint64_t done, std::string_view detail = {});
  void set_left(double seconds) { left_s_ = seconds; }  // the caller's own estimate, instead of ours
  void finish(std::string_view detail = {});

 private:
  using Clock = std::chrono::steady_clock;
  void draw(bool last);
  std::string label_, unit_, detail_;
  uint64_t total_, done_before_, done_;
  double left_s_ = -1;  // below 0: from the rate
  Clock::time_point start_, last_draw_;
  bool terminal_, finished_ = false;
};

std::string format_duration(double seconds);  // "8.3 s", "2 min 05 s", "1 h 20 min"
std::string format_count(double count);       // "950", "12.4 k", "3.1 M"
std::string format_bytes(double bytes);       // "12.4 MiB"

}  // namespace mom
