// States at the ends of prompts that were read, the least recently used one dropped first: a second image for the same
// prompt reads nothing, the next turn of a chat only what is new. Prefixes are compared exactly, pictures by their
// numbers.
#pragma once

#include <list>
#include <optional>

#include "mom/generate/step.h"

namespace mom::generate {

struct Snapshot {
  Feed prefix;
  DecodeState state;    // of one sequence
  at::Tensor logits_V;  // after the prefix
  int64_t num_bytes() const;
};

class PrefixCache {
 public:
  explicit PrefixCache(int64_t max_bytes) : max_bytes_(max_bytes) {}
  // The longest one that `feed` begins with, or is where it must be `whole`; null: none. It counts as used, and lives
  // until the next put().
  const Snapshot* find(const Feed& feed, bool whole);
  // In place of one of the same prefix. The newest one is kept whatever its size.
  void put(Snapshot snapshot);

  int64_t num_bytes() const { return num_bytes_; }
  size_t size() const { return snapshots_.size(); }

 private:
  void drop(std::list<Snapshot>::iterator snapshot);

  int64_t max_bytes_, num_bytes_ = 0;
  std::list<Snapshot> snapshots_;  // the last used one first
};

// Whether `feed` begins with `prefix`.
bool begins_with(const Feed& feed, const Feed& prefix);
// `feed` from its item `begin` on, `count` items of it.
Feed items_of(const Feed& feed, size_t begin, size_t count);

}  // namespace mom::generate
