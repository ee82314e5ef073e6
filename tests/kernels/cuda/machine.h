// Where the tests' kernels run: in the emulator, or on a GPU (scripts/gpu-check compiles the same tests for one).
#pragma once

#include <cstddef>

namespace mom::kernels::cuda::test {

void* machine_allocate(size_t bytes);  // memory that host and kernels read and write
void machine_release(void* memory);
int machine_schedules();           // in how many ways kernels are run
void machine_schedule(int index);  // from now on in this one
void machine_finish();             // waits until all kernels have ended; throws what went wrong

}  // namespace mom::kernels::cuda::test
