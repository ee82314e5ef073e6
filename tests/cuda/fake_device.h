// A device without hardware, to find what takes host memory for granted: LibTorch's PrivateUse1. Its memory can be read and
// written by copies, by LibTorch's operators (which run on the CPU, in copies) and by the kernels of mom/kernels/cuda (in the tests'
// emulator); anything else that touches it ends the process with SIGSEGV, as mprotect promises. What a real device does
// side by side with the host happens at once here.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace mom::test {

// Registered with LibTorch and with mom/ops at the first call.
c10::Device fake_device();

struct FakeDeviceCounts {
  int64_t waits = 0;      // the host needs a number from the device: copies to the host, .item()
  int64_t copies_to = 0;  // from the host
  int64_t launches = 0;   // of the kernels of mom/kernels/cuda
  int64_t operators = 0;  // of LibTorch's
};
// Since the program began.
FakeDeviceCounts fake_device_counts();

}  // namespace mom::test
