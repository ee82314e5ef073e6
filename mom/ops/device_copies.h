// Copies between the host and the device that computes: of what the host decides by (offsets, orders, maps of rows), and back.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace mom::ops {

// The tensor itself where that is its device, else a copy that the host does not wait for. Undefined stays undefined.
at::Tensor on_device(const at::Tensor& tensor, c10::Device device);

// The other way: those themselves where they are on the host, else a copy of all for which the host waits once. Through f64: exact
// for integers below 2^53.
std::vector<at::Tensor> on_host(const std::vector<at::Tensor>& tensors);

// Made at the first use, and shared by all copies of this object. From any thread.
class DeviceCopies {
 public:
  DeviceCopies();
  // `host` itself where that is its device. `host` must not change afterwards.
  at::Tensor of(const at::Tensor& host, c10::Device device) const;

 private:
  struct Copies;
  std::shared_ptr<Copies> copies_;
};

}  // namespace mom::ops
