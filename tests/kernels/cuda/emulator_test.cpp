// The emulator by itself: what CUDA promises holds, and planted faults are found.
#include "tests/kernels/cuda/emulator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace mom::kernels::cuda {
namespace {

constexpr int kThreads = 96;

// Every thread's number through shared memory to its opposite, with a barrier between or without.
void reverse(int* to, bool with_barrier) {
  MOM_SHARED(int, numbers, kThreads);
  numbers[thread_index()] = thread_index();
  if (with_barrier) barrier();
  to[block_x() * kThreads + thread_index()] = numbers[kThreads - 1 - thread_index()];
}

std::vector<int> reversed_in(emulated::Schedule schedule, bool with_barrier) {
  emulated::set_schedule(schedule);
  std::vector<int> to(3 * kThreads);
  launch(reverse, {3}, kThreads, nullptr, to.data(), with_barrier);
  return to;
}

TEST(Emulator, SharedMemoryCarriesOverABarrier) {
  for (const emulated::Schedule schedule : emulated::kSchedules) {
    const std::vector<int> to = reversed_in(schedule, true);
    for (int i = 0; i < 3 * kThreads; ++i) EXPECT_EQ(to[static_cast<size_t>(i)], kThreads - 1 - i % kThreads);
  }
}

TEST(Emulator, FindsAMissingBarrier) {
  std::set<std::vector<int>> results;
  for (const emulated::Schedule schedule : emulated::kSchedules) results.insert(reversed_in(schedule, false));
  EXPECT_GT(results.size(), 1u);
}

void sum_of_warp(float* to, unsigned mask) {
  float sum = static_cast<float>(thread_index() + 1);
  if ((mask >> lane_index() & 1) == 0) return;
  for (int lanes = 8; lanes > 0; lanes /= 2) sum += shuffle_xor(sum, lanes, mask);
  to[thread_index()] = sum;
}

TEST(Emulator, ShufflesOfAWholeWarpAndOfAHalf) {
  for (const emulated::Schedule schedule : emulated::kSchedules) {
    emulated::set_schedule(schedule);
    for (const unsigned mask : {kAllLanes, 0xffffu, 0xffff0000u}) {
      std::vector<float> to(64, -1.0f);
      launch(sum_of_warp, {1}, 64, nullptr, to.data(), mask);
      for (int i = 0; i < 64; ++i) {
        const int first = i / 16 * 16 + 1;  // of the sixteen that are added up
        const bool takes_part = (mask >> i % 32 & 1) != 0;
        EXPECT_EQ(to[static_cast<size_t>(i)], takes_part ? static_cast<float>(16 * first + 120) : -1.0f);
      }
    }
  }
}

void count(float* counter, float* seen) { seen[thread_index()] = emulated::atomic_add(counter, 1.0f); }

TEST(Emulator, AtomicsGiveEveryThreadItsOwnNumber) {
  for (const emulated::Schedule schedule : emulated::kSchedules) {
    emulated::set_schedule(schedule);
    float counter = 0;
    std::vector<float> seen(64);
    launch(count, {1}, 64, nullptr, &counter, seen.data());
    EXPECT_EQ(counter, 64.0f);
    EXPECT_EQ(std::set<float>(seen.begin(), seen.end()).size(), 64u);
  }
}

void read_unwritten(float* to) {
  MOM_SHARED(float, array, 1);
  to[thread_index()] = array[0];
}

TEST(Emulator, SharedMemoryStartsAsNan) {
  float to = 0;
  launch(read_unwritten, {1}, 1, nullptr, &to);
  EXPECT_TRUE(std::isnan(to));
}

template <class Kernel>
void expect_fault(Kernel kernel, const std::string& expected) {
  for (const emulated::Schedule schedule : emulated::kSchedules) {
    emulated::set_schedule(schedule);
    try {
      launch(+kernel, {1}, 64, nullptr);
      FAIL() << "nothing was found: " << expected;
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
  }
}

TEST(Emulator, FindsBarriersThatNotAllThreadsReach) {
  expect_fault(
      [] {
        if (thread_index() != 40) barrier();
      },
      "not all threads reach the barrier at emulator_test.cpp:");
  expect_fault(
      [] {
        if (thread_index() < 32) {
          barrier();
        } else {
          barrier();
        }
      },
      "threads wait at different barriers at emulator_test.cpp:");
}

TEST(Emulator, FindsShufflesThatNotAllLanesReach) {
  expect_fault(
      [] {
        if (lane_index() != 3) shuffle_xor(1.0f, 1);
      },
      "not all lanes reach the shuffle at emulator_test.cpp:");
  expect_fault(
      [] {
        if (lane_index() < 16) {
          shuffle_xor(1.0f, 1);
        } else {
          shuffle_xor(2.0f, 1);
        }
      },
      "not all lanes reach the shuffle at emulator_test.cpp:");
  expect_fault(
      [] {
        if (lane_index() < 16) shuffle_xor(1.0f, 16, 0xffffu);
      },
      "a shuffle reads a lane that does not take part at emulator_test.cpp:");
  expect_fault(
      [] {
        if (lane_index() == 5) barrier();
        shuffle_xor(1.0f, 1);
      },
      "not all lanes reach the shuffle at emulator_test.cpp:");
}

void write_shared(int at) {
  MOM_SHARED(float, first, 64);
  MOM_SHARED(float, second, 64);
  first[thread_index() + at] = second[thread_index()];
}

void write_global(float* to, int64_t at) { to[block_x() * 64 + thread_index() + at] = 1.0f; }

TEST(EmulatorDeathTest, AddressSanitizerFindsAccessOutsideOfAnArray) {
  testing::FLAGS_gtest_death_test_style = "fast";
  const std::unique_ptr<float[]> to(new float[128]);
  launch(write_shared, {2}, 64, nullptr, 0);
  launch(write_global, {2}, 64, nullptr, to.get(), 0);
  EXPECT_DEATH(launch(write_shared, {1}, 64, nullptr, 1), "heap-buffer-overflow");
  EXPECT_DEATH(launch(write_shared, {1}, 64, nullptr, -1), "heap-buffer-overflow");
  EXPECT_DEATH(launch(write_global, {2}, 64, nullptr, to.get(), 1), "heap-buffer-overflow");
}

}  // namespace
}  // namespace mom::kernels::cuda
