// Devices by the names that recipes and people use.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace mom::ops {

// "cpu", "cuda", "cuda:1"; from now on the calling thread's current one, on whose streams kernels run. Without a number, that of
// this process among those of its machine: each has a device of its own. UserError where the name is none, or this build or
// machine cannot compute on such a device: it says what is missing.
c10::Device use_device(const std::string& name, int local_rank = 0);

}  // namespace mom::ops
