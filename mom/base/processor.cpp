#include "mom/base/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#include <cstring>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace mom {

#if defined(__x86_64__)

namespace {

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t part = 0) {
  Registers r;
  if (__get_cpuid_count(leaf, part, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

// Which registers the system saves for a process: XCR0.
uint64_t saved_states() {
  constexpr uint32_t kOsxsave = 1u << 27;
  if ((cpuid(1).ecx & kOsxsave) == 0) return 0;
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

// Bits of XCR0: XMM and YMM; also the mask and ZMM registers; tiles.
constexpr uint64_t kYmm = 0x6, kZmm = 0xe6, kTiles = 0x60000;

struct Feature {
  const char* name;
  uint32_t leaf, part, Registers::*reg;
  int bit;
  uint64_t states;  // that must be saved
};
constexpr Feature kFeatures[] = {
    {"avx2", 7, 0, &Registers::ebx, 5, kYmm},         {"fma", 1, 0, &Registers::ecx, 12, kYmm},
    {"f16c", 1, 0, &Registers::ecx, 29, kYmm},        {"avx512f", 7, 0, &Registers::ebx, 16, kZmm},
    {"avx512bw", 7, 0, &Registers::ebx, 30, kZmm},    {"avx512_bf16", 7, 1, &Registers::eax, 5, kZmm},
    {"avx512_vnni", 7, 0, &Registers::ecx, 11, kZmm}, {"amx_tile", 7, 0, &Registers::edx, 24, kTiles},
    {"amx_bf16", 7, 0, &Registers::edx, 22, kTiles},  {"amx_int8", 7, 0, &Registers::edx, 25, kTiles},
};

}  // namespace

std::string processor_name() {
  constexpr uint32_t kFirst = 0x80000002, kLast = 0x80000004;
  std::string name;
  for (uint32_t leaf = kFirst; leaf <= kLast; ++leaf) {
    const Registers r = cpuid(leaf);
    char text[sizeof r + 1] = {};
    std::memcpy(text, &r, sizeof r);
    name += text;
  }
  const size_t first = name.find_first_not_of(' ');
  return first == std::string::npos ? "" : name.substr(first, name.find_last_not_of(' ') + 1 - first);
}

std::vector<std::string> processor_features() {
  const uint64_t saved = saved_states();
  std::vector<std::string> names;
  for (const Feature& feature : kFeatures) {
    const bool has = (cpuid(feature.leaf, feature.part).*feature.reg >> feature.bit & 1) != 0;
    if (has && (saved & feature.states) == feature.states) names.emplace_back(feature.name);
  }
  return names;
}

#elif defined(__aarch64__)

std::string processor_name() { return ""; }

std::vector<std::string> processor_features() {
  std::vector<std::string> names;
  if ((::getauxval(AT_HWCAP) & HWCAP_ASIMD) != 0) names.emplace_back("asimd");
  if ((::getauxval(AT_HWCAP) & HWCAP_SVE) != 0) names.emplace_back("sve");
  if ((::getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0) names.emplace_back("bf16");
  return names;
}

#else

std::string processor_name() { return ""; }
std::vector<std::string> processor_features() { return {}; }

#endif

}  // namespace mom
