#include "tests/kernels/cuda/machine.h"

#include "tests/kernels/cuda/emulator.h"

namespace mom::kernels::cuda::test {

void* machine_allocate(size_t bytes) { return ::operator new(bytes); }
void machine_release(void* memory) { ::operator delete(memory); }
int machine_schedules() { return static_cast<int>(emulated::kSchedules.size()); }
void machine_schedule(int index) { emulated::set_schedule(emulated::kSchedules[static_cast<size_t>(index)]); }
void machine_finish() {}

}  // namespace mom::kernels::cuda::test
