// Devices by the names that recipes and people use.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace mom::ops {

// "cpu", "cuda", "cuda:1". UserError where the name is none, or this build or machine cannot compute on such a device: it
// says what is missing.
c10::Device device_of(const std::string& name);

}  // namespace mom::ops
