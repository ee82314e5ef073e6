// How a scan is cut into tiles. Depends on shapes and offsets only, never on threads or instruction set.
#pragma once

#include <cstdint>
#include <vector>

#include "mom/kernels/selective_scan.h"

namespace mom::kernels {

struct ScanPlan {
  static constexpr int64_t kGroupTokens = 512;
  static constexpr int64_t kMinTiles = 32;  // below, blocks are made narrower: a long sequence alone has few tiles

  explicit ScanPlan(const ScanInputs& in) : padded_states((in.num_states + 3) / 4 * 4) {
    int64_t num_chunks = 0, group_tokens = 0;
    for (int64_t s = 0; s < in.num_sequences; ++s) {
      const int64_t length = in.offsets[s + 1] - in.offsets[s];
      // An empty sequence costs about a position: its states are copied.
      if (s == 0 || group_tokens + length + 1 > kGroupTokens) {
        group_begin.push_back(s);
        group_tokens = 0;
      }
      group_tokens += length + 1;
      first_chunk.push_back(num_chunks);
      num_chunks += (length + kScanChunk - 1) / kScanChunk;
    }
    group_begin.push_back(in.num_sequences);
    first_chunk.push_back(num_chunks);
    block = kMaxScanBlock;
    while (block > kMinScanBlock && num_groups() * blocks_of(in, block) < kMinTiles) block /= 2;
    num_blocks = blocks_of(in, block);
  }
  static int64_t blocks_of(const ScanInputs& in, int64_t width) {
    return (in.num_channels + width - 1) / width;
  }
  int64_t num_groups() const { return static_cast<int64_t>(group_begin.size()) - 1; }
  int64_t num_tiles() const { return num_groups() * num_blocks; }
  int64_t state_size() const {
    return padded_states * block;
  }  // floats of one block's state, [N, channels]
  int64_t chunk_state_at(int64_t sequence, int64_t chunk, int64_t block) const {
    return ((first_chunk[sequence] + chunk) * num_blocks + block) * state_size();
  }

  int64_t block, num_blocks, padded_states;  // channels in a block
  std::vector<int64_t> group_begin, first_chunk;
};

}  // namespace mom::kernels
