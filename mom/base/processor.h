// What the processor says of itself: on x86 by the instruction cpuid, and only what the system has switched on; on ARM
// through the system. /proc/cpuinfo may be another machine's, as under an emulator.
#pragma once

#include <string>
#include <vector>

namespace mom {

std::string processor_name();  // empty: it does not say
// Those that matter here, as Linux spells them: "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_bf16",
// "avx512_vnni", "amx_tile", "amx_bf16", "amx_int8"; on ARM "asimd", "sve", "bf16".
std::vector<std::string> processor_features();

}  // namespace mom
