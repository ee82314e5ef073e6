// Compiled with -fopenmp (see CMakeLists.txt): at::parallel_for is a header template that runs serially
// without it.
#include "mom/ops/parallel.h"

#include <ATen/Parallel.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#ifdef MOM_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace mom::ops {
namespace {

// torch's parallel_for with one task for each thread. What comes before it happens before the tasks, and they before what follows:
// OpenMP's library sees to that, and the thread sanitizer, which does not see into the library, is told. This file itself is
// compiled without it: what a region's threads share, they read before.
void parallel_region(int64_t count, const auto& task) {
#ifdef MOM_THREAD_SANITIZER
  char fork, join;
  __tsan_release(&fork);
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    __tsan_acquire(&fork);
    task(begin, end);
    __tsan_release(&join);
  });
  __tsan_acquire(&join);
#else
  at::parallel_for(0, count, 1, task);
#endif
}

}  // namespace

void parallel_tiles(int64_t count, const std::function<void(int64_t)>& tile) {
  const int64_t num_threads = std::min<int64_t>(count, at::get_num_threads());
  if (num_threads <= 1) return kernels::serial_for(count, tile);
  std::atomic<int64_t> next{0};
  parallel_region(num_threads, [&](int64_t, int64_t) {
    for (int64_t i = next++; i < count; i = next++) tile(i);
  });
}

void parallel_shares(int64_t count, const std::function<void(int64_t)>& share) {
  if (count == 1) return share(0);
  parallel_region(count, [&](int64_t begin, int64_t end) {
    // at::parallel_for knows that it is inside a parallel region. oneDNN does not: it asks for this number, and some of
    // its layers wait for so many threads. It ends with the region; a thread's first use of torch would set it, too.
    at::internal::lazy_init_num_threads();
    omp_set_num_threads(1);
    for (int64_t i = begin; i < end; ++i) share(i);
  });
}

ScopedThreads::ScopedThreads(int64_t count) {
  // A thread's first use of torch would set the number. at::internal::lazy_init_num_threads is inline and knows only of
  // uses in this library.
  at::get_num_threads();
  previous_ = omp_get_max_threads();
  omp_set_num_threads(static_cast<int>(count));
}
ScopedThreads::~ScopedThreads() { omp_set_num_threads(previous_); }

}  // namespace mom::ops
