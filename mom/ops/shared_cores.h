// Waiting threads that spin are fastest on cores of their own. On cores shared with other processes a spinning thread
// keeps the core that the thread it waits for could use: two threads beside one busy process fall to a third of their
// speed. libgomp spins less while it manages more threads than there are processors; this makes it so while cores are shared.
#pragma once

#include <cstdint>

#include <thread>

namespace mom::ops {

// Nanoseconds that threads of this process, but for the calling one, could have run and had no core, since they
// started (/proc/self/task/*/schedstat; threads that ended are not counted). 0 where the kernel keeps no such account.
int64_t waited_for_core_ns();

// Tells shared cores from own ones by the share of a core that threads waited for, once every 20 ms. Own cores: under 0.05
// but for single samples, whether threads spin or sleep; two threads beside one busy process: 0.35 to 1.2.
class SharedCoresDetector {
 public:
  // Whether cores count as shared after a sample: from two samples above kShared until 15 below kOwn.
  bool update(double waited_share);
  bool shared() const { return shared_; }

 private:
  static constexpr double kShared = 0.25, kOwn = 0.2;
  static constexpr int kUntilShared = 2, kUntilOwn = 15;
  bool shared_ = false;
  int num_contrary_ = 0;  // samples in a row that speak against shared_
};

// Idle OpenMP threads, as many as it takes for libgomp to manage more threads than there are processors.
class IdleOpenMpThreads {
 public:
  IdleOpenMpThreads();

 private:
  std::jthread opener_;
};

// A thread that watches, for as long as this lives. It does nothing where OMP_WAIT_POLICY or GOMP_SPINCOUNT says how to wait.
class SharedCoresWatch {
 public:
  SharedCoresWatch();

 private:
  std::jthread thread_;
};

}  // namespace mom::ops
