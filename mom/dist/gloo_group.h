// The group of processes: c10d's Gloo, and its NCCL for what is on GPUs, of which only sends and receives are used. (Gloo's
// reduce-scatter is an all-reduce of twice the volume, its all-gather copies everything once more, and its sums have no fixed
// order.)
#pragma once

#include <memory>

#include "mom/dist/peers.h"

namespace mom::dist {

// Connects to all ranks, which must have signed in at the store. `address`: this process's, or empty for the network
// interface that GLOO_SOCKET_IFNAME names. PeerError where that fails.
std::unique_ptr<Group> gloo_group(const Place& place, const c10::intrusive_ptr<c10d::Store>& store,
                                  const std::string& address, std::chrono::milliseconds timeout);

}  // namespace mom::dist
