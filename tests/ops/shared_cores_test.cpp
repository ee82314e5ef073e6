#include "mom/ops/shared_cores.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mom/ops/parallel.h"

namespace mom::ops {
namespace {

// Samples until others count as using so many cores.
int samples_until(int others, SharedCoresDetector& detector, const CoresSeen& seen) {
  for (int count = 1; count <= 50; ++count)
    if (detector.update(seen) == others) return count;
  return INT_MAX;
}

TEST(SharedCores, SoonTheyCountAsShared) {
  for (const auto& [waited, most] : {std::pair(0.35, 4), {0.55, 2}, {1.2, 1}}) {
    SharedCoresDetector detector;
    EXPECT_LE(samples_until(1, detector, {waited}), most) << waited;
  }
}

TEST(SharedCores, AMomentIsNotEnough) {
  SharedCoresDetector detector;
  for (int i = 0; i < 100; ++i)  // one of the kernel's threads, or clients that come together
    EXPECT_EQ(detector.update({i % 10 == 5 ? 0.6 : 0.02}), 0) << i;
}

TEST(SharedCores, WhenTheOthersEndTheyAreOursAgain) {
  SharedCoresDetector detector;
  ASSERT_LE(samples_until(1, detector, {0.55}), 50);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(detector.update({i % 10 == 5 ? 0.02 : 0.55}), 1) << i;
  EXPECT_LE(samples_until(0, detector, {0.06}), 6);
}

TEST(SharedCores, WhatIsLeftToOthersIsTheirsUntilItIsIdle) {
  SharedCoresDetector detector;
  ASSERT_LE(samples_until(1, detector, {0.55}), 50);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(detector.update({.waited = 0.01, .left = 1, .idle = 0.02}), 1) << i;
  // Idle time is counted in hundredths of a second, so that single samples are off by a quarter of a core.
  int count = 0, others = 1;
  while (count < 10 && others > 0)
    others = detector.update({.waited = 0.03, .left = 1, .idle = count++ % 2 == 0 ? 0.72 : 1.22});
  EXPECT_EQ(others, 0);
}

TEST(SharedCores, AsManyAreLeftAsOthersUse) {
  SharedCoresDetector detector;  // four busy processes beside sixteen threads
  int left = 0;
  for (int i = 0; i < 20; ++i) {
    const double ours = 16 - left, waited = ours * (ours + 4 - 16) / (ours + 4);
    left = detector.update({waited, left});
  }
  EXPECT_EQ(left, 4);
}

TEST(SharedCores, ThreadsOnOneCoreWaitForIt) {
  using namespace std::chrono;
  if (waited_for_core_ns() < 0 || ::access("/proc/self/schedstat", R_OK) != 0)
    GTEST_SKIP() << "the kernel keeps no account";
  const int core = ::sched_getcpu();
  std::atomic<bool> end{false};
  const auto spin = [&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    ::sched_setaffinity(0, sizeof one, &one);
    while (!end) {
    }
  };
  std::thread first(spin), second(spin);
  const int64_t before = waited_for_core_ns();
  const auto start = steady_clock::now();
  std::this_thread::sleep_for(milliseconds(200));
  const int64_t waited = waited_for_core_ns() - before;
  const int64_t elapsed = duration_cast<nanoseconds>(steady_clock::now() - start).count();
  end = true;
  first.join();
  second.join();
  EXPECT_GT(waited, elapsed / 2);  // one of them at any time
}

int64_t thread_cpu_ns() {
  timespec time = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * INT64_C(1'000'000'000) + time.tv_nsec;
}

// Processor time that this thread spends on waiting for another that sleeps 20 ms, of five times the least.
int64_t waiting_cpu_ns() {
  int64_t least = INT64_MAX;
  for (int turn = 0; turn < 5; ++turn) {
    const int64_t before = thread_cpu_ns();
    parallel_shares(2, [](int64_t share) {
      if (share == 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    });
    least = std::min(least, thread_cpu_ns() - before);
  }
  return least;
}

// The cores that this process may use, in the order of their numbers.
std::vector<int> our_cores() {
  cpu_set_t ours;
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof ours, &ours) != 0) return cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &ours)) cores.push_back(cpu);
  return cores;
}

TEST(SharedCores, AThreadMovesToTheCoreOfItsNumberAndMayLeaveIt) {
  const std::vector<int> cores = our_cores();
  for (size_t number = 0; number < cores.size(); ++number) {
    int arrived = 0;  // Linux may move it on at once
    for (size_t i = 0; i < 20; ++i) {
      move_to_core(static_cast<int64_t>(number + i * cores.size()));
      arrived += sched_getcpu() == cores[number];
    }
    EXPECT_GE(arrived, 10) << "core " << cores[number];
  }
  EXPECT_EQ(our_cores(), cores);
}

// The core that a thread of this process is on, or waits for: the 39th field of proc(5)'s stat.
int core_of(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line, field;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  for (int number = 3; number <= 39; ++number) fields >> field;
  return std::stoi(field);
}

TEST(SharedCores, AThreadThatIsAtWorkIsGivenACore) {
  const std::vector<int> cores = our_cores();
  if (cores.size() < 2) GTEST_SKIP() << "one core";
  std::atomic<pid_t> worker = 0;
  std::atomic<bool> leaves = false, all_cores = true;
  std::thread thread([&] {
    worker = ::gettid();
    while (!leaves) continue;
    all_cores = our_cores() == cores;
  });
  while (worker == 0) std::this_thread::yield();
  int arrived = 0;  // Linux may move either on at once
  for (int i = 0; i < 40; ++i) {
    move_to_core(i);
    const int own = sched_getcpu();
    give_core_to(worker);
    arrived += core_of(worker) == own;
  }
  leaves = true;
  thread.join();
  EXPECT_GE(arrived, 30);  // 20 at most if it stayed where it is
  EXPECT_TRUE(all_cores);
}

TEST(SharedCores, WithIdleThreadsAWaitingThreadSleepsSooner) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) {  // libgomp read it when this program started: begin anew
    ::unsetenv("OMP_WAIT_POLICY");
    ::unsetenv("GOMP_SPINCOUNT");
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    EXPECT_EQ(std::system(("'" + self + "' --gtest_filter=SharedCores.WithIdle*").c_str()), 0);
    return;
  }
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one core";
  at::set_num_threads(2);
  waiting_cpu_ns();
  const int64_t spinning = waiting_cpu_ns();
  int64_t sleeping = 0;
  {
    const IdleOpenMpThreads idle;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // until they have started
    sleeping = waiting_cpu_ns();
  }
  EXPECT_LT(sleeping, spinning / 3);
  EXPECT_GT(waiting_cpu_ns(), spinning / 3);  // and as before, when they have ended
}

}  // namespace
}  // namespace mom::ops
