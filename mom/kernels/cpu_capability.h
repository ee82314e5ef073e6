// Which instruction set the kernels use: the best this processor has, or what MOM_CPU_CAPABILITY asks for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mom::kernels {

// Of avx512, avx2, baseline: those that are compiled in and that this processor can run, best first.
std::vector<std::string> cpu_capabilities();
// The one in use.
std::string cpu_capability();
// Forces one for the whole process; empty = the best again. Throws std::invalid_argument where
// it cannot run.
void set_cpu_capability(std::string_view name);
// Applies MOM_CPU_CAPABILITY once; every kernel entry calls it.
void apply_cpu_capability_from_environment();

}  // namespace mom::kernels
