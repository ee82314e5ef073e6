// Torch's intra-op threads for the kernels: the same pool, and the number that at::set_num_threads says.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "mom/kernels/rows.h"

namespace mom::ops {

// A kernels::ParallelFor: threads take the next tile when they have finished one, so uneven tiles balance.
void parallel_tiles(int64_t count, const std::function<void(int64_t)>& tile);

// Threads that run one function side by side and wait for each other inside it: for work in many short parts
// (a generated token is some hundred), where starting threads for each would cost more than the part.
class Team {
 public:
  explicit Team(int64_t size) : size_(size) {}
  int64_t size() const { return size_; }
  // Returns when all have called it. Spins, and yields where the others take long.
  void wait();

 private:
  int64_t size_;
  alignas(64) std::atomic<int64_t> arrived_{0};
  alignas(64) std::atomic<int64_t> round_{0};
};
// body(team, thread) for each thread 0 .. team.size() - 1; at most `num_threads`. `body` throws nothing.
void run_team(int64_t num_threads, const std::function<void(Team& team, int64_t thread)>& body);

}  // namespace mom::ops
