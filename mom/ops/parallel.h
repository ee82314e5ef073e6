// Torch's intra-op threads for the kernels: the same pool, and the number that at::set_num_threads says.
#pragma once

#include <cstdint>
#include <functional>

#include "mom/kernels/rows.h"

namespace mom::ops {

// A kernels::ParallelFor: threads take the next tile when they have finished one, so uneven tiles balance.
void parallel_tiles(int64_t count, const std::function<void(int64_t)>& tile);

// share(0) .. share(count - 1), side by side, at most as many as torch has threads: as parallel_tiles, but number i is
// thread i's. For work in short parts that reads the same memory every time (a generated
// token is a hundred of them), and for long parts that call LibTorch: its operators use one thread in each of several.
void parallel_shares(int64_t count, const std::function<void(int64_t)>& share);

// While it lives, torch, oneDNN and the kernels use so many threads for what the calling thread asks of them.
class ScopedThreads {
 public:
  explicit ScopedThreads(int64_t count);
  ~ScopedThreads();
  ScopedThreads(const ScopedThreads&) = delete;
  ScopedThreads& operator=(const ScopedThreads&) = delete;

 private:
  int previous_;
};

}  // namespace mom::ops
