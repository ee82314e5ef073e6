// What the processor can do at most, to measure kernels against: the loops do nothing else, from registers.
#pragma once

#include <cstdint>

namespace mom::kernels {

// Runs `count` vector instructions' worth on the calling thread. Return the elements that went through them.
double run_multiply_adds(int64_t count);  // fused multiply-adds: 2 FLOPs an element
double run_exponentials(int64_t count);   // the scan's exp2 with the addition that keeps it alive

}  // namespace mom::kernels
