#include "mom/kernels/cpu_capability.h"

#include <cstdlib>
#include <stdexcept>

#include "mom/kernels/rows.h"
#include "mom/kernels/simd-inl.h"

namespace mom::kernels {
namespace {

struct Capability {
  const char* name;
  int64_t target;
};
constexpr Capability kCapabilities[] = {
    {"avx512", HWY_AVX3}, {"avx2", HWY_AVX2}, {"baseline", HWY_STATIC_TARGET}};

void use_targets(int64_t targets) {
  hwy::SetSupportedTargetsForTest(targets);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

int64_t machine_targets() {
  static const int64_t targets = [] {
    hwy::SetSupportedTargetsForTest(0);
    return hwy::SupportedTargets() | HWY_STATIC_TARGET;
  }();
  return targets;
}

std::string& forced_name() {
  static std::string name;
  return name;
}

}  // namespace

void serial_for(int64_t count, const std::function<void(int64_t)>& tile) {
  for (int64_t i = 0; i < count; ++i) tile(i);
}

std::vector<std::string> cpu_capabilities() {
  std::vector<std::string> names;
  for (const Capability& capability : kCapabilities) {
    if ((capability.target & HWY_TARGETS & machine_targets()) != 0) names.emplace_back(capability.name);
  }
  return names;
}

std::string cpu_capability() {
  apply_cpu_capability_from_environment();
  return forced_name().empty() ? cpu_capabilities().front() : forced_name();
}

void set_cpu_capability(std::string_view name) {
  if (name.empty()) {
    forced_name().clear();
    use_targets(machine_targets());
    return;
  }
  std::string possible;
  for (const std::string& candidate : cpu_capabilities())
    possible += (possible.empty() ? "" : ", ") + candidate;
  for (const Capability& capability : kCapabilities) {
    if (name != capability.name) continue;
    if ((capability.target & HWY_TARGETS & machine_targets()) == 0) break;
    forced_name() = name;
    use_targets(capability.target);
    return;
  }
  throw std::invalid_argument("MOM_CPU_CAPABILITY: expected one this processor can run (" + possible +
                              "), found '" + std::string(name) + "'");
}

void apply_cpu_capability_from_environment() {
  static const bool applied = [] {
    const char* name = std::getenv("MOM_CPU_CAPABILITY");
    if (name != nullptr && *name != '\0' && forced_name().empty()) set_cpu_capability(name);
    return true;
  }();
  (void)applied;
}

}  // namespace mom::kernels
