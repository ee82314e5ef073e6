// The norm of gradients, which training takes of every number of every step.
#pragma once

#include <cstdint>

namespace mom::kernels {

inline constexpr int64_t kSquareLanes = 16;

// Of `count` numbers, a multiple of kSquareLanes, in f64. Lane l takes elements l, l + 16, ...: the same bits on every
// instruction set (a square is exact, so that it does not matter whether it is added in one instruction).
double sum_of_squares(const float* x, int64_t count);

}  // namespace mom::kernels
