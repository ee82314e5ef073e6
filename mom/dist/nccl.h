// Exchanges between NVIDIA GPUs: c10d's NCCL, of which only sends and receives are used (its sums have no fixed order).
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <memory>
#include <vector>

#include "mom/dist/group.h"
#include "mom/dist/rendezvous.h"

namespace mom::dist {

class DeviceExchanges {
 public:
  virtual ~DeviceExchanges() = default;
  // As Group::start_exchange, of tensors on this process's GPU. What waits for it is the GPU's current stream, not the host.
  virtual std::unique_ptr<Pending> start(std::vector<at::Tensor> to, std::vector<at::Tensor> from) = 0;
};

// On all ranks together. c10::Error where this build or machine has no GPUs.
std::unique_ptr<DeviceExchanges> nccl_exchanges(const Place& place,
                                                const c10::intrusive_ptr<c10d::Store>& store,
                                                std::chrono::milliseconds timeout);

}  // namespace mom::dist
