#include "mom/ops/device_copies.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace mom::ops {

struct DeviceCopies::Copies {
  struct Pair {
    at::Tensor host, copy;
  };
  std::mutex mutex;
  std::vector<Pair> pairs;
};

at::Tensor on_device(const at::Tensor& tensor, c10::Device device) {
  if (!tensor.defined()) return tensor;
  // A copy of other memory makes the host wait until it has been read.
  const bool pins = device.is_cuda() && tensor.device().is_cpu();
  return (pins ? tensor.pin_memory() : tensor).to(device, /*non_blocking=*/true);
}

std::vector<at::Tensor> on_host(const std::vector<at::Tensor>& tensors) {
  const bool are_there = std::all_of(tensors.begin(), tensors.end(),
                                     [](const at::Tensor& tensor) { return tensor.device().is_cpu(); });
  if (are_there) return tensors;
  std::vector<at::Tensor> numbers;
  for (const at::Tensor& tensor : tensors) numbers.push_back(tensor.flatten().to(at::kDouble));
  const at::Tensor all = at::cat(numbers).cpu();
  std::vector<at::Tensor> copies;
  int64_t begin = 0;
  for (const at::Tensor& tensor : tensors) {
    copies.push_back(all.narrow(0, begin, tensor.numel()).to(tensor.scalar_type()).view(tensor.sizes()));
    begin += tensor.numel();
  }
  return copies;
}

DeviceCopies::DeviceCopies() : copies_(std::make_shared<Copies>()) {}

at::Tensor DeviceCopies::of(const at::Tensor& host, c10::Device device) const {
  if (!host.defined() || host.device() == device) return host;
  const std::lock_guard lock(copies_->mutex);
  for (const Copies::Pair& pair : copies_->pairs)
    if (pair.host.is_same(host) && pair.copy.device() == device) return pair.copy;
  copies_->pairs.push_back({host, on_device(host, device)});
  return copies_->pairs.back().copy;
}

}  // namespace mom::ops
