// Compiled with -fopenmp (see CMakeLists.txt).
#include "mom/ops/shared_cores.h"

#include <dirent.h>
#include <fcntl.h>
#include <omp.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

namespace mom::ops {
namespace {

std::atomic<int> cores_of_others{0};
std::atomic<int> cores_left{0};  // to others, since the last look

using Clock = std::chrono::steady_clock;
constexpr auto kInterval = std::chrono::milliseconds(40);

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

// Seconds for which the processors that this process may use were idle, since the system started. Empty: there is no account, or
// one of zeros.
std::optional<double> idle_s() {
  cpu_set_t ours;
  CPU_ZERO(&ours);
  std::ifstream account("/proc/stat");  // proc(5): "cpu0 user nice system idle iowait ..."
  if (::sched_getaffinity(0, sizeof ours, &ours) != 0 || !account) return {};
  long long ticks = 0, all = 0;
  for (std::string line; std::getline(account, line) && line.starts_with("cpu");) {
    int cpu = 0;
    long long user = 0, nice = 0, system = 0, idle = 0, io = 0;
    if (std::sscanf(line.c_str(), "cpu%d %lld %lld %lld %lld %lld", &cpu, &user, &nice, &system, &idle,
                    &io) != 6)
      continue;  // the sum of all
    if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &ours)) ticks += idle + io, all += user + nice + system;
  }
  if (all == 0) return {};
  return static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

// A thread, or the calling one (0), which keeps the cores that it may use.
void move(pid_t thread, int cpu) {
  cpu_set_t all, one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  if (::sched_getaffinity(thread, sizeof all, &all) != 0) return;
  ::sched_setaffinity(thread, sizeof one, &one);
  ::sched_setaffinity(thread, sizeof all, &all);
}

void watch(const std::stop_token& stop) {
  SharedCoresDetector detector;
  std::optional<IdleOpenMpThreads> idle_threads;
  Clock::time_point before = Clock::now();
  int64_t waited_before = waited_for_core_ns();
  std::optional<double> idle_before;  // while cores are left to others
  while (!stops_within(stop, kInterval)) {
    const Clock::time_point now = Clock::now();
    const double interval_s = std::chrono::duration<double>(now - before).count();
    const int64_t waited = waited_for_core_ns();
    CoresSeen seen{.waited = static_cast<double>(waited - waited_before) / (1e9 * interval_s),
                   .left = cores_left.exchange(0)};
    const std::optional<double> idle = seen.left > 0 ? idle_s() : std::nullopt;
    if (idle && idle_before) seen.idle = (*idle - *idle_before) / interval_s;
    if (!idle) seen.idle = seen.left;  // whether they are used cannot be told: look again with all threads
    idle_before = idle;
    const int others = detector.update(seen);
    if (others > 0 && !idle_threads) idle_threads.emplace();
    if (others == 0) idle_threads.reset();
    cores_of_others = others;
    before = now;
    waited_before = waited;
  }
  cores_of_others = 0;
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

int SharedCoresDetector::update(const CoresSeen& seen) {
  smoothed_ += kNewest * (seen.waited + seen.left - seen.idle - smoothed_);
  smoothed_ = std::max(0.0, smoothed_);
  shared_ = smoothed_ > (shared_ ? kOwn : kShared);
  return shared_ ? std::max(1, static_cast<int>(std::lround(smoothed_))) : 0;
}

int64_t threads_beside_others() {
  const int all = omp_get_max_threads(), left = std::min(cores_of_others.load(), all - 1);
  if (left > 0) cores_left = left;
  return all - left;
}

bool cores_are_shared() { return cores_of_others > 0; }

void move_to_core(int64_t number) {
  cpu_set_t ours;
  if (::sched_getaffinity(0, sizeof ours, &ours) != 0) return;  // more processors than a cpu_set_t has
  int64_t before = number % CPU_COUNT(&ours);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &ours) || before-- > 0) ++cpu;
  if (cpu != ::sched_getcpu()) move(0, cpu);
}

void give_core_to(pid_t thread) { move(thread, ::sched_getcpu()); }

IdleOpenMpThreads::IdleOpenMpThreads() {
  opener_ = start_thread([](const std::stop_token& stop) {
    const int number = std::max(1, omp_get_num_procs() - omp_get_max_threads() + 1);
    // OpenMP waits for its threads, which the thread sanitizer does not see: it sees that they are counted.
    std::atomic<int> ended = 0;
#pragma omp parallel num_threads(number + 1)
    {
      while (!stops_within(stop, std::chrono::hours(1))) {
      }
      ++ended;
    }
    while (ended <= number) std::this_thread::yield();
  });
}

SharedCoresWatch::SharedCoresWatch() {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  thread_ = start_thread(watch);
}

}  // namespace mom::ops
