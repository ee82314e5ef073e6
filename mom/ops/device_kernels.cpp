#include "mom/ops/device_kernels.h"

#include <array>
#include <atomic>

#include "mom/ops/cpu_kernels.h"

namespace mom::ops {
namespace {

using Table =
    std::array<std::atomic<const DeviceKernels*>, static_cast<size_t>(c10::COMPILE_TIME_MAX_DEVICE_TYPES)>;

std::atomic<const DeviceKernels*>& entry(c10::DeviceType type) {
  static Table table{};
  return table[static_cast<size_t>(type)];
}

}  // namespace

const DeviceKernels* find_kernels(c10::DeviceType type) {
  return type == c10::DeviceType::CPU ? &cpu_kernels() : entry(type).load();
}

const DeviceKernels& kernels_of(const at::Tensor& tensor) {
  const DeviceKernels* kernels = find_kernels(tensor.device().type());
  TORCH_INTERNAL_ASSERT(kernels, "no kernels for ", tensor.device());
  return *kernels;
}

void add_kernels(c10::DeviceType type, const DeviceKernels& kernels) { entry(type) = &kernels; }

}  // namespace mom::ops
