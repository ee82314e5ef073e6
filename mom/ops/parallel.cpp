// Compiled with -fopenmp (see CMakeLists.txt): at::parallel_for is a header template that runs serially
// without it.
#include "mom/ops/parallel.h"

#include <ATen/Parallel.h>
#include <hwy/cache_control.h>
#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <memory>

namespace mom::ops {

void parallel_tiles(int64_t count, const std::function<void(int64_t)>& tile) {
  const int64_t num_threads = std::min<int64_t>(count, at::get_num_threads());
  if (num_threads <= 1) return kernels::serial_for(count, tile);
  std::atomic<int64_t> next{0};
  at::parallel_for(0, num_threads, 1, [&](int64_t, int64_t) {
    for (int64_t i = next++; i < count; i = next++) tile(i);
  });
}

void Team::wait() {
  constexpr int kSpins = 4096;
  const int64_t round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
    if (spins < kSpins) {
      hwy::Pause();
    } else {
      sched_yield();
    }
  }
}

void run_team(int64_t num_threads, const std::function<void(Team& team, int64_t thread)>& body) {
  std::unique_ptr<Team> team;  // made by a thread that knows how many there are
#pragma omp parallel num_threads(static_cast <int>(num_threads))
  {
#pragma omp single
    team = std::make_unique<Team>(omp_get_num_threads());
    body(*team, omp_get_thread_num());
  }
}

}  // namespace mom::ops
