// Compiled with -fopenmp (see CMakeLists.txt).
#include "mom/ops/shared_cores.h"

#include <dirent.h>
#include <fcntl.h>
#include <omp.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

namespace mom::ops {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kInterval = std::chrono::milliseconds(20);

// The second number of schedstat(5): "time spent on the CPU, time spent waiting on a runqueue, timeslices".
int64_t waited_ns(const std::string& task) {
  const int file = ::open(("/proc/self/task/" + task + "/schedstat").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;  // it ended
  char text[96];
  const ssize_t size = ::read(file, text, sizeof text - 1);
  ::close(file);
  if (size <= 0) return 0;
  text[size] = 0;
  long long ran = 0, waited = 0;
  return std::sscanf(text, "%lld %lld", &ran, &waited) == 2 ? waited : 0;
}

// Threads made here take no signal from those who wait for one.
std::jthread start_thread(auto body) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::jthread thread(body);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

// Whether a stop was asked for within that time.
bool stops_within(const std::stop_token& stop, Clock::duration time) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any asked;
  asked.wait_for(lock, stop, time, [] { return false; });
  return stop.stop_requested();
}

void watch(const std::stop_token& stop) {
  SharedCoresDetector detector;
  std::optional<IdleOpenMpThreads> idle;
  Clock::time_point before = Clock::now();
  int64_t waited_before = waited_for_core_ns();
  while (!stops_within(stop, kInterval)) {
    const Clock::time_point now = Clock::now();
    const int64_t waited = waited_for_core_ns();
    const auto interval = std::chrono::duration_cast<std::chrono::nanoseconds>(now - before).count();
    const bool shared =
        detector.update(static_cast<double>(waited - waited_before) / static_cast<double>(interval));
    if (shared && !idle) idle.emplace();
    if (!shared) idle.reset();
    before = now;
    waited_before = waited;
  }
}

}  // namespace

int64_t waited_for_core_ns() {
  DIR* tasks = ::opendir("/proc/self/task");
  if (tasks == nullptr) return 0;
  const std::string self = std::to_string(::gettid());
  int64_t sum = 0;
  while (const dirent* entry = ::readdir(tasks)) {
    const std::string task = entry->d_name;
    if (task[0] != '.' && task != self) sum += waited_ns(task);
  }
  ::closedir(tasks);
  return sum;
}

bool SharedCoresDetector::update(double waited_share) {
  const bool contrary = shared_ ? waited_share < kOwn : waited_share > kShared;
  num_contrary_ = contrary ? num_contrary_ + 1 : 0;
  if (num_contrary_ == (shared_ ? kUntilOwn : kUntilShared)) {
    shared_ = !shared_;
    num_contrary_ = 0;
  }
  return shared_;
}

IdleOpenMpThreads::IdleOpenMpThreads() {
  opener_ = start_thread([](const std::stop_token& stop) {
    const int number = std::max(1, omp_get_num_procs() - omp_get_max_threads() + 1);
#pragma omp parallel num_threads(number + 1)
    while (!stops_within(stop, std::chrono::hours(1))) {
    }
  });
}

SharedCoresWatch::SharedCoresWatch() {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  thread_ = start_thread(watch);
}

}  // namespace mom::ops
