// Waiting threads that spin are fastest on cores of their own. On cores shared with other processes a spinning thread
// keeps the core that the thread it waits for could use: two threads beside one busy process fall to a third of their
// speed. libgomp spins less while it manages more threads than there are processors; this makes it so while cores are shared.
// Work in parts so short that threads which sleep between them are slow uses fewer threads then, which keep their cores; threads
// that work side by side for longer are put on cores (mom/nn/side_by_side.cpp).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <thread>

namespace mom::ops {

// Nanoseconds that threads of this process, but for the calling one, could have run and had no core, since they
// started (/proc/self/task/*/schedstat; threads that ended are not counted). 0 where the kernel keeps no such account.
int64_t waited_for_core_ns();

// What was seen in 40 ms, in cores.
struct CoresSeen {
  double waited = 0;  // what threads of ours could have used and did not get
  int left = 0;       // left to others (threads_beside_others)
  double idle = 0;    // what nobody used, of those we may use; where some were left to others
};

// Tells shared cores from own ones by the cores that others keep from us: those that threads waited for, and those that were
// left to others and are not idle. Own cores: 0.01 to 0.06, whether threads spin or sleep, with single samples up to 0.6; two
// threads beside one busy process: 0.35 to 1.2.
class SharedCoresDetector {
 public:
  // The number of cores that others use: 0 until the smoothed number is above kShared, and from when it is below kOwn.
  int update(const CoresSeen& seen);

 private:
  static constexpr double kShared = 0.25, kOwn = 0.15,
                          kNewest = 0.35;  // the last: the newest sample's weight
  bool shared_ = false;
  double smoothed_ = 0;
};

// Idle OpenMP threads, as many as it takes for libgomp to manage more threads than there are processors.
class IdleOpenMpThreads {
 public:
  IdleOpenMpThreads();

 private:
  std::jthread opener_;
};

// The threads of torch; while others use cores, as many fewer, but at least one.
int64_t threads_beside_others();

bool cores_are_shared();

// Puts the calling thread on the core with that number among those that it may use, modulo their number; or a thread of this
// process on the core of the calling one. They may be moved from there, now as before.
void move_to_core(int64_t number);
void give_core_to(pid_t thread);

// A thread that watches, for as long as this lives. It does nothing where OMP_WAIT_POLICY or GOMP_SPINCOUNT says how to wait.
class SharedCoresWatch {
 public:
  SharedCoresWatch();

 private:
  std::jthread thread_;
};

}  // namespace mom::ops
