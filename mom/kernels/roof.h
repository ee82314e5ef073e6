// The most the processor can do, as a yardstick for kernels: the loops do nothing else, from registers.
#pragma once

#include <cstdint>

namespace mom::kernels {

// Runs `count` vector instructions' worth on the calling thread. Returns the number of elements processed.
double run_multiply_adds(int64_t count);  // fused multiply-adds: 2 FLOPs per element
double run_exponentials(int64_t count);   // the scan's exp2 with the addition that keeps it alive

}  // namespace mom::kernels
