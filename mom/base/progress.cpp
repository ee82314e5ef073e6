#include "mom/base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "mom/base/log.h"

namespace mom {
namespace {

template <class... Args>
std::string print(const char* format, Args... args) {
  char text[64];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

std::string bar(double share) {
  constexpr int kWidth = 24;
  const int full = std::clamp(static_cast<int>(share * kWidth), 0, kWidth);
  return "[" + std::string(full, '#') + std::string(kWidth - full, '.') + "]";
}

}  // namespace

Progress::Progress(std::string label, std::string unit, uint64_t total, uint64_t done_before)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      done_before_(done_before),
      done_(done_before),
      start_(Clock::now()),
      last_draw_(start_),
      terminal_(::isatty(2) == 1) {}

Progress::~Progress() { finish(); }

void Progress::update(uint64_t done, std::string_view detail) {
  done_ = done;
  const auto now = Clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  if (now - last_draw_ < pause) return;
  detail_ = detail;
  last_draw_ = now;
  draw(false);
}

void Progress::finish(std::string_view detail) {
  if (finished_) return;
  finished_ = true;
  if (!detail.empty()) detail_ = detail;
  draw(true);
}

void Progress::draw(bool last) {
  if (is_quiet()) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double done_now = done_ > done_before_ ? static_cast<double>(done_ - done_before_) : 0;
  const double rate = seconds > 0 ? done_now / seconds : 0;
  std::string line = label_ + " ";
  if (total_ > 0 && terminal_) line += bar(static_cast<double>(done_) / static_cast<double>(total_)) + " ";
  line += std::to_string(done_);
  if (total_ > 0) line += "/" + std::to_string(total_);
  line += " " + unit_;
  if (rate > 0) line += ", " + format_count(rate) + "/s";
  if (last)
    line += ", took " + format_duration(seconds);
  else if (left_s_ >= 0)
    line += ", " + format_duration(left_s_) + " left";
  else if (total_ > done_ && rate > 0)
    line += ", " + format_duration(static_cast<double>(total_ - done_) / rate) + " left";
  if (!detail_.empty()) line += ", " + detail_;
  if (terminal_)
    std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), last ? "\n" : "");
  else
    std::fprintf(stderr, "mom: %s\n", line.c_str());
  std::fflush(stderr);
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  if (seconds < 59.95) return print("%.1f s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return print("%d min %02d s", static_cast<int>(whole / 60), static_cast<int>(whole % 60));
  const int64_t minutes = std::llround(seconds / 60);
  return print("%d h %02d min", static_cast<int>(minutes / 60), static_cast<int>(minutes % 60));
}

std::string format_count(double count) {
  if (std::abs(count) < 10 && count != std::floor(count)) return print("%.2g", count);
  if (std::abs(count) < 999.5) return print("%.0f", count);
  if (std::abs(count) < 999.95e3) return print("%.1f k", count / 1e3);
  if (std::abs(count) < 999.95e6) return print("%.1f M", count / 1e6);
  if (std::abs(count) < 999.95e9) return print("%.1f G", count / 1e9);
  return print("%.1f T", count / 1e12);
}

std::string format_bytes(double bytes) {
  if (std::abs(bytes) < 1024) return print("%.0f B", bytes);
  for (const char* unit : {"KiB", "MiB", "GiB"}) {
    bytes /= 1024;
    if (std::abs(bytes) < 1023.95) return print("%.1f %s", bytes, unit);
  }
  return print("%.1f TiB", bytes / 1024);
}

}  // namespace mom
