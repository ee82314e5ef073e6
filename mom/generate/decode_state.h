// What B sequences have seen, as far as a model needs it to go on: scan and convolution states, or keys and
// values. Made and advanced by step(); kept and branched by whoever generates.
//
// A value: a step writes only into tensors that nobody else holds and replaces all others, so that a copy shares its memory
// until one of the two goes on, and no branch can disturb its parent.
#pragma once

#include <cstdint>
#include <vector>

#include "mom/models/model.h"

namespace mom::generate {

struct DecodeState {
  models::ModelState model;

  int64_t num_sequences() const { return static_cast<int64_t>(model.num_tokens_S.size()); }
  int64_t num_bytes() const;
  // Copies these sequences, in this order; one that is named twice branches. All in their order: no copy.
  DecodeState select(const std::vector<int64_t>& sequences) const;
  // The same, not to be read here until replace() has put it back: all in their order are moved.
  DecodeState take(const std::vector<int64_t>& sequences);
  // Puts the sequences of `by` in the places of these.
  void replace(const std::vector<int64_t>& sequences, DecodeState by);
  // Puts the sequences of `other` behind those that are there.
  void append(const DecodeState& other);
};

// Of sequences of which nothing has been seen.
DecodeState initial_state(const models::ModelImpl& model, int64_t num_sequences);

}  // namespace mom::generate
