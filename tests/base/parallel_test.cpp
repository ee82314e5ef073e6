#include "mom/base/parallel.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace mom {
namespace {

TEST(ParallelFor, CallsEachOnceWithAnyNumberOfThreads) {
  for (const int64_t threads : {1, 3, 50}) {
    std::vector<std::atomic<int>> calls(20);
    parallel_for(20, threads, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
    for (const auto& each : calls) EXPECT_EQ(each, 1) << threads;
  }
  parallel_for(0, 4, [](int64_t) { FAIL(); });
}

TEST(ParallelFor, AnErrorEndsTheLoopAndIsThrown) {
  for (const int64_t threads : {1, 4}) {
    std::atomic<int64_t> calls = 0;
    EXPECT_THROW(parallel_for(1'000'000, threads,
                              [&](int64_t) {
                                ++calls;
                                throw std::runtime_error("stop");
                              }),
                 std::runtime_error);
    EXPECT_LE(calls, threads);  // one of each thread at most
  }
}

}  // namespace
}  // namespace mom
