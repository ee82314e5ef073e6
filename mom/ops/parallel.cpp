// Compiled with -fopenmp (see CMakeLists.txt): at::parallel_for is a header template that runs serially
// without it.
#include "mom/ops/parallel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>

namespace mom::ops {

void parallel_tiles(int64_t count, const std::function<void(int64_t)>& tile) {
  const int64_t num_threads = std::min<int64_t>(count, at::get_num_threads());
  if (num_threads <= 1) return kernels::serial_for(count, tile);
  std::atomic<int64_t> next{0};
  at::parallel_for(0, num_threads, 1, [&](int64_t, int64_t) {
    for (int64_t i = next++; i < count; i = next++) tile(i);
  });
}

}  // namespace mom::ops
