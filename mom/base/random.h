// Counter-based random numbers: value i of a stream is a pure function of (key, i), so that a position is all
// the state there is, and two programs that agree on the key agree on every draw.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>

#include "mom/base/hash.h"

namespace mom {

// Mixes any number of words into one stream key, e.g. {seed, fnv1a64("noise"), step}.
constexpr uint64_t stream_key(std::initializer_list<uint64_t> words) {
  uint64_t key = 0x9e3779b97f4a7c15u;
  for (uint64_t word : words)
    key = splitmix64_finalise(key + 0x9e3779b97f4a7c15u + word * 0xd1342543de82ef95u);
  return key;
}

class RandomStream {
 public:
  explicit RandomStream(uint64_t key) : key_(key) {}
  uint64_t next() { return splitmix64_finalise(key_ + ++count_ * 0x9e3779b97f4a7c15u); }
  // Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  // Uniform in [0, n), unbiased enough for n << 2^32 (multiply-shift on 64 bits). n > 0.
  uint64_t below(uint64_t n) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * n) >> 64);
  }
  // Standard normal, Box-Muller, the pair's first value only: one draw costs two counters.
  double normal() {
    double u = 1.0 - uniform(), v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586476925 * v);
  }
  template <class Container>
  void shuffle(Container& items) {  // Fisher-Yates
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t key_, count_ = 0;
};

}  // namespace mom
