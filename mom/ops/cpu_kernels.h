// mom/kernels on torch's threads.
#pragma once

#include "mom/ops/device_kernels.h"

namespace mom::ops {

const DeviceKernels& cpu_kernels();

}  // namespace mom::ops
