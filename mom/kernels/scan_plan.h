// How a scan is cut into tiles. Depends on shapes and offsets only, never on threads or instruction set.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "mom/base/rounding.h"
#include "mom/kernels/selective_scan.h"

namespace mom::kernels {

// Positions [begin, end) of one sequence, counted from its start. A long sequence is cut into pieces, so that
// all channels go through a stretch of time while its rows are in the caches.
struct ScanPiece {
  int64_t sequence, begin, end;
  bool first, last;  // of its sequence
  int64_t carry;     // where a sequence of several pieces keeps its state's gradient between them
};

class ScanPlan {
 public:
  static constexpr int64_t kPieceTokens = 512;  // a multiple of kScanChunk
  static constexpr int64_t kMinTiles = 16;  // below, blocks are made narrower: a sequence alone has few tiles

  // What scan_chunk_state_size() is at most, whatever the offsets are.
  static int64_t most_chunk_state_size(const ScanInputs& in) {
    const int64_t chunks = (in.num_tokens + (kScanChunk - 1) * in.num_sequences) / kScanChunk;
    return chunks * blocks_of(in, kMaxScanBlock) * kMaxScanBlock * padded(in.num_states);
  }

  explicit ScanPlan(const ScanInputs& in) : padded_states(padded(in.num_states)) {
    cut(in);
    block = kMaxScanBlock;
    while (block > kMinScanBlock && num_units_of_phase(0) * blocks_of(in, block) < kMinTiles) block /= 2;
    num_blocks = blocks_of(in, block);
  }

  // A unit is run by one thread for one block of channels: several short sequences, or a piece of a long one.
  // Phase p holds the p-th pieces; phases follow each other.
  int64_t num_phases() const { return static_cast<int64_t>(phase_begin_.size()) - 1; }
  int64_t first_unit(int64_t phase) const { return phase_begin_[phase]; }
  int64_t num_units_of_phase(int64_t phase) const {
    return phase < num_phases() ? phase_begin_[phase + 1] - phase_begin_[phase] : 0;
  }
  int64_t num_units() const { return static_cast<int64_t>(units_.size()); }
  const std::vector<ScanPiece>& unit(int64_t index) const { return units_[index]; }
  int64_t num_tiles() const { return num_units() * num_blocks; }
  int64_t num_carries() const { return num_carries_; }
  int64_t num_chunks() const { return first_chunk_.back(); }

  int64_t state_size() const { return padded_states * block; }  // floats of one block's state, [N, channels]
  int64_t chunk_state_at(int64_t sequence, int64_t chunk, int64_t in_block) const {
    return ((first_chunk_[sequence] + chunk) * num_blocks + in_block) * state_size();
  }

  int64_t block, num_blocks, padded_states;  // channels in a block

 private:
  static int64_t padded(int64_t num_states) { return round_up(num_states, 4); }
  static int64_t blocks_of(const ScanInputs& in, int64_t width) { return ceil_div(in.num_channels, width); }

  void cut(const ScanInputs& in) {
    std::vector<std::vector<std::vector<ScanPiece>>> phases(1);
    int64_t num_chunks = 0, unit_tokens = 0;
    for (int64_t s = 0; s < in.num_sequences; ++s) {
      const int64_t length = in.offsets[s + 1] - in.offsets[s];
      first_chunk_.push_back(num_chunks);
      num_chunks += ceil_div(length, kScanChunk);
      if (length <= kPieceTokens) {
        // An empty sequence costs about a position: its states are copied.
        if (unit_tokens == 0 || unit_tokens + length + 1 > kPieceTokens) {
          phases[0].emplace_back();
          unit_tokens = 0;
        }
        unit_tokens += length + 1;
        phases[0].back().push_back({s, 0, length, true, true, -1});
        continue;
      }
      unit_tokens = 0;  // the next short one begins a unit
      for (int64_t begin = 0, phase = 0; begin < length; begin += kPieceTokens, ++phase) {
        if (phase == static_cast<int64_t>(phases.size())) phases.emplace_back();
        const int64_t end = std::min(length, begin + kPieceTokens);
        phases[phase].push_back({{s, begin, end, begin == 0, end == length, num_carries_}});
      }
      ++num_carries_;
    }
    first_chunk_.push_back(num_chunks);
    for (auto& phase : phases) {
      phase_begin_.push_back(num_units());
      for (auto& unit : phase) units_.push_back(std::move(unit));
    }
    phase_begin_.push_back(num_units());
  }

  std::vector<std::vector<ScanPiece>> units_;
  std::vector<int64_t> phase_begin_, first_chunk_;
  int64_t num_carries_ = 0;
};

}  // namespace mom::kernels
