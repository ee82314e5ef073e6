// Sequences longer than one process's memory: the positions of a batch are cut into consecutive stretches, which processes
// compute at the same time. A sequence that was cut begins in its stretch with the state that the stretch before left. A
// relay passes that state on: in forward from each stretch to the one behind it, in backward its gradient the other way.
// The mixers say where; how states travel is up to the class that implements this (train/stretch_relay.h).
//
// All stretches come to the same places in the same order, also where no sequence was cut; backward comes to them in
// reverse, since autograd goes back to what was computed last first. S sequences of a stretch.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <map>
#include <utility>

namespace mom::nn {

class Relay : public torch::CustomClassHolder {
 public:
  enum class Place { kConvolution, kScan };  // of a block, in the order of forward

  // `seen`: positions of the stretch's first sequence that are in stretches before it; 0: none. `goes_on`: its last sequence has
  // positions behind it.
  Relay(int64_t seen, bool goes_on) : seen_(seen), goes_on_(goes_on) {}
  int64_t seen() const { return seen_; }
  bool goes_on() const { return goes_on_; }

  // The states [S, ...] that sequences begin with: zeros, but where the first one was cut. `rows_TD`: what the caller uses them
  // with; they are of its device.
  at::Tensor initial_states(int64_t block, Place place, at::IntArrayRef sizes, at::ScalarType type,
                            const at::Tensor& rows_TD);
  // Passes the last sequence's final state on. Returns rows_TD, what was computed with these states; the caller goes on from
  // the returned tensor, through which backward finds the state's gradient.
  at::Tensor pass_on(int64_t block, Place place, const at::Tensor& rows_TD, const at::Tensor& final_states);

 protected:
  // Collective. What does not cross a cut is left as it is, or not sent.
  virtual void receive_state(const at::Tensor& state) = 0;
  virtual void send_state(const at::Tensor& state) = 0;
  virtual void receive_gradient(const at::Tensor& gradient) = 0;
  virtual void send_gradient(const at::Tensor& gradient) = 0;

 private:
  friend struct InitialStatesFunction;
  friend struct PassOnFunction;
  using Key = std::pair<int64_t, Place>;
  int64_t seen_;
  bool goes_on_;
  // Where blocks are computed twice (recompute.h), states travel the first time.
  std::map<Key, at::Tensor> received_;
  std::map<Key, bool> sent_;
};
using RelayPtr = c10::intrusive_ptr<Relay>;

}  // namespace mom::nn
