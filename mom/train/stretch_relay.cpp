#include "mom/train/stretch_relay.h"

#include <torch/types.h>

#include <chrono>

#include "mom/base/stopwatch.h"

namespace mom::train {

StretchRelay::StretchRelay(dist::Group& group, int sequence_ranks, const data::Batch& stretch)
    : Relay(stretch.seen, stretch.goes_on),
      group_(group),
      count_(sequence_ranks),
      index_(group.rank() % sequence_ranks) {}

std::unique_ptr<dist::Pending> StretchRelay::exchange(int to, const at::Tensor& sent, int from,
                                                      const at::Tensor& received) {
  const at::Tensor none = torch::empty({0}, torch::kByte);
  std::vector<at::Tensor> out(static_cast<size_t>(group_.size()), none), in = out;
  if (sent.defined()) out[static_cast<size_t>(to)] = sent;
  if (received.defined()) in[static_cast<size_t>(from)] = received;
  return group_.exchange(std::move(out), std::move(in));
}

void StretchRelay::receive(Way way, const at::Tensor& into) {
  const int before = stretches_before(way);
  for (int hop = 1; hop <= before; ++hop) {
    const bool own = hop == before && crosses_before(way);
    const auto start = std::chrono::steady_clock::now();
    const auto pending = exchange(-1, {}, own ? neighbour_before(way) : -1, own ? into : at::Tensor());
    if (own) pending->wait();
    seconds_ += seconds_since(start);
  }
}

void StretchRelay::send(Way way, const at::Tensor& tensor) {
  const int before = stretches_before(way);
  for (int hop = before + 1; hop < count_; ++hop) {
    const bool own = hop == before + 1 && crosses_behind(way);
    auto pending = exchange(own ? neighbour_behind(way) : -1, own ? tensor : at::Tensor(), -1, {});
    if (own) leaving_.emplace_back(std::move(pending), tensor);
  }
}

void StretchRelay::finish() {
  const auto start = std::chrono::steady_clock::now();
  for (const auto& [pending, tensor] : leaving_) pending->wait();
  leaving_.clear();
  seconds_ += seconds_since(start);
}

}  // namespace mom::train
