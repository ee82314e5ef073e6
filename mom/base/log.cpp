#include "mom/base/log.h"

#include <cstdio>
#include <mutex>
#include <set>
#include <string>

namespace mom {
namespace {

bool quiet_ = false;
std::mutex log_mutex_;

void print(std::string_view prefix, std::string_view message) {
  std::lock_guard lock(log_mutex_);
  std::fprintf(stderr, "mom: %.*s%.*s\n", static_cast<int>(prefix.size()), prefix.data(),
               static_cast<int>(message.size()), message.data());
}

}  // namespace

void set_quiet(bool quiet) { quiet_ = quiet; }

bool is_quiet() { return quiet_; }

void log_info(std::string_view message) {
  if (!quiet_) print("", message);
}

void log_warning(std::string_view message) { print("warning: ", message); }

void log_once(std::string_view key, std::string_view message) {
  static std::set<std::string, std::less<>> seen;
  {
    std::lock_guard lock(log_mutex_);
    if (!seen.emplace(key).second) return;
  }
  log_info(message);
}

}  // namespace mom
