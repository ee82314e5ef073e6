// Runs CUDA kernels on one CPU thread: blocks one after another, the threads of a block as fibers that switch where
// they wait for each other. What a kernel may take for granted is only what CUDA promises, so the order in which
// blocks and threads go on is chosen by a schedule, and results must have the same bits in all.
//
// It finds
//   a missing barrier                        results differ between schedules, or are NaN (shared memory starts as NaN)
//   a barrier that not all threads reach     launch() throws, with the lines where threads wait
//   a shuffle that not all its lanes reach   the same
//   reads and writes outside of an array     the address sanitizer: every global and shared array is one allocation
// It cannot see
//   the memory model: what a thread writes, others see at once. A barrier orders everything here, as it does on a GPU;
//     a missing fence or `volatile` between barriers would not show.
//   a race that no schedule makes visible: a thread runs undisturbed from one meeting to the next
//   what the compiler for the GPU does, and approximate instructions but for the errors that device.h adds
//   speed, registers, bank conflicts, limits on shared memory
#pragma once

#include <array>

#include "mom/kernels/cuda/device.h"

namespace mom::kernels::cuda::emulated {

// Which of the threads and blocks that can go on does so: always the first, always the last, or a drawn one.
enum class Schedule { kInOrder, kReversed, kRandom1, kRandom2 };
inline constexpr std::array kSchedules{Schedule::kInOrder, Schedule::kReversed, Schedule::kRandom1,
                                       Schedule::kRandom2};
void set_schedule(Schedule schedule);

// Adds and returns what was there. Threads of a block and blocks are counted as they come.
float atomic_add(float* to, float value);

}  // namespace mom::kernels::cuda::emulated
