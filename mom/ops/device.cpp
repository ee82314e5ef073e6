#include "mom/ops/device.h"

#include <c10/core/DeviceType.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <optional>

#include "mom/base/error.h"
#include "mom/ops/device_kernels.h"

namespace mom::ops {
namespace {

std::optional<c10::Device> parse(const std::string& name) {
  try {
    return c10::Device(name);
  } catch (const c10::Error&) {
    return std::nullopt;
  }
}

}  // namespace

c10::Device use_device(const std::string& name, int local_rank) {
  const std::optional<c10::Device> device = parse(name);
  if (!device) throw UserError({"device", "cpu, cuda or cuda:0, cuda:1, ...", "'" + name + "'", ""});
  if (device->is_cpu()) return *device;
  if (!find_kernels(device->type()))
    throw UserError({"device", "cpu, which is all that this build computes on", "'" + name + "'",
                     "for NVIDIA GPUs build with `cmake --preset cuda` (docs/gpu.md)"});
  const auto* guard = c10::impl::device_guard_impl_registry[static_cast<size_t>(device->type())].load();
  const int64_t count = guard ? guard->deviceCount() : 0;
  const int64_t index = device->has_index() ? device->index() : local_rank;
  if (index >= count)
    throw UserError({"device",
                     count == 0 ? "cpu: no GPU can be used here, or its driver is missing"
                                : "one of the " + std::to_string(count) + " devices here, from 0 on",
                     device->has_index() || count == 0
                         ? "'" + name + "'"
                         : "'" + name + "' in process " + std::to_string(index) + " of this machine",
                     ""});
  const c10::Device used(device->type(), static_cast<c10::DeviceIndex>(index));
  guard->setDevice(used);
  return used;
}

}  // namespace mom::ops
