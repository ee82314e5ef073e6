// How the processes that share a microbatch's sequences (train.sequence_ranks) pass states to one another: nn/relay.h over a
// group. Ranks are grouped in their order: of S sequence ranks, ranks d S to d S + S - 1 share the microbatches of one of
// Division's shares, and the first of them has the first stretch.
//
// A stretch waits for the state of the one before it, block by block. Since each goes on to its next block meanwhile, the
// stretches compute side by side, each behind the one before it by the time of a convolution and a scan: of L blocks a pass
// waits about (S - 1) / L of that time, in forward and again in backward.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "mom/data/batch.h"
#include "mom/dist/group.h"
#include "mom/nn/relay.h"

namespace mom::train {

class StretchRelay : public nn::Relay {
 public:
  // Of one microbatch on its way, on all ranks of the group; `stretch` is this rank's.
  StretchRelay(dist::Group& group, int sequence_ranks, const data::Batch& stretch);
  // Behind the pass: what was sent has left.
  void finish();
  double seconds() const { return seconds_; }  // waited

 protected:
  void receive_state(const at::Tensor& state) override { receive(kForward, state); }
  void send_state(const at::Tensor& state) override { send(kForward, state); }
  void receive_gradient(const at::Tensor& gradient) override { receive(kBackward, gradient); }
  void send_gradient(const at::Tensor& gradient) override { send(kBackward, gradient); }

 private:
  enum Way { kForward, kBackward };
  // At each place there is one exchange of the whole group for each neighbour to neighbour, in the order in which states travel,
  // so that every rank takes part in as many. A rank is in two of them: it receives before it sends.
  void receive(Way way, const at::Tensor& into);
  void send(Way way, const at::Tensor& tensor);
  std::unique_ptr<dist::Pending> exchange(int to, const at::Tensor& sent, int from,
                                          const at::Tensor& received);
  int stretches_before(Way way) const { return way == kForward ? index_ : count_ - 1 - index_; }
  int neighbour_before(Way way) const { return group_.rank() + (way == kForward ? -1 : 1); }
  int neighbour_behind(Way way) const { return group_.rank() + (way == kForward ? 1 : -1); }
  bool crosses_before(Way way) const { return way == kForward ? seen() > 0 : goes_on(); }
  bool crosses_behind(Way way) const { return way == kForward ? goes_on() : seen() > 0; }

  dist::Group& group_;
  int count_, index_;
  double seconds_ = 0;
  std::vector<std::pair<std::unique_ptr<dist::Pending>, at::Tensor>> leaving_;
};

}  // namespace mom::train
