// What the scan's forward and backward kernels share: pieces, a thread's place in a block, tiles, decays.
#pragma once

#include "mom/kernels/cuda/device_rows.h"
#include "mom/kernels/cuda/selective_scan.h"

namespace mom::kernels::cuda {

constexpr int kScanThreads = 128, kScanWarps = kScanThreads / kWarp;
constexpr int kScanChannels = 32;                  // of a block
constexpr int kLaneStates = 4, kGroupStates = 16;  // of a lane; of the four lanes of a channel
constexpr int kScanPositions = static_cast<int>(kScanChunk);
// Floats from position to position: the four lanes of a channel, at four positions, are in different banks.
constexpr int kScanStride = kScanChannels + 8;
constexpr int kScanTile = kScanPositions * kScanStride;

// What a piece of a sequence begins with, forward or backward, by slot. Null where no sequence has two pieces.
struct ScanPieces {
  int64_t length = 0, slots = 0;
  int64_t floats = 0;       // of the workspace
  bool several = false;     // a sequence may have several
  float* states = nullptr;  // [slot][N][D]; also where states wait that do not fit into registers
  float* steps = nullptr;   // [slot][D]: sum of step
};

inline ScanPieces cut_scan(const ScanInputs& in, float* workspace) {
  ScanPieces pieces;
  const int64_t blocks = ceil_div(in.num_channels, kScanChannels);
  const int64_t wanted = round_up(ceil_div(in.num_tokens, ceil_div(kScanBlocks, blocks)), kScanChunk);
  const int64_t longest = wanted > kMinScanPiece ? wanted : kMinScanPiece;
  // Sequences of the mean length are cut into pieces of one length.
  const int64_t mean = in.num_sequences > 0 ? ceil_div(in.num_tokens, in.num_sequences) : 0;
  const int64_t even = mean > 0 ? round_up(ceil_div(mean, ceil_div(mean, longest)), kScanChunk) : 0;
  pieces.length = even > kMinScanPiece ? even : kMinScanPiece;
  pieces.several = in.num_tokens > pieces.length;
  pieces.slots = num_slots(in.num_tokens, in.num_sequences, pieces.length);
  if (pieces.several || in.num_states > kGroupStates) {
    pieces.states = workspace;
    pieces.steps = workspace + pieces.slots * in.num_states * in.num_channels;
    pieces.floats = pieces.slots * (in.num_states + 1) * in.num_channels;
  }
  return pieces;
}

// A thread's channel and states while it scans.
struct ScanPlace {
  int channel, quarter;  // in the block; lane among the channel's four
  int64_t d;             // channel, which may be beyond the last
  MOM_DEVICE ScanPlace()
      : channel(warp_index() * (kWarp / 4) + lane_index() / 4),
        quarter(lane_index() % 4),
        d(block_y() * kScanChannels + channel) {}
  MOM_DEVICE int64_t state(int group, int j) const {
    return group * kGroupStates + quarter * kLaneStates + j;
  }
};

// A lane's four states of a group from or to memory with these strides. Those that do not exist read as zero.
MOM_DEVICE void read_states(const ScanInputs& in, const ScanPlace& place, int group, const float* from,
                            int64_t d_stride, int64_t n_stride, float* h) {
  MOM_UNROLL
  for (int j = 0; j < kLaneStates; ++j) {
    const int64_t n = place.state(group, j);
    const bool exists = from != nullptr && place.d < in.num_channels && n < in.num_states;
    h[j] = exists ? from[place.d * d_stride + n * n_stride] : 0.0f;
  }
}
MOM_DEVICE void write_states(const ScanInputs& in, const ScanPlace& place, int group, const float* h,
                             int64_t d_stride, int64_t n_stride, float* to) {
  MOM_UNROLL
  for (int j = 0; j < kLaneStates; ++j) {
    const int64_t n = place.state(group, j);
    if (place.d < in.num_channels && n < in.num_states) to[place.d * d_stride + n * n_stride] = h[j];
  }
}
// [D, N] as callers have them, and [N, D] as these kernels keep them: neighbouring lanes, neighbouring channels.
MOM_DEVICE void read_dn(const ScanInputs& in, const ScanPlace& place, int group, const float* from_DN,
                        float* h) {
  read_states(in, place, group, from_DN, in.num_states, 1, h);
}
MOM_DEVICE void write_dn(const ScanInputs& in, const ScanPlace& place, int group, const float* h,
                         float* to_DN) {
  write_states(in, place, group, h, in.num_states, 1, to_DN);
}
MOM_DEVICE void read_nd(const ScanInputs& in, const ScanPlace& place, int group, const float* from_ND,
                        float* h) {
  read_states(in, place, group, from_ND, 1, in.num_channels, h);
}
MOM_DEVICE void write_nd(const ScanInputs& in, const ScanPlace& place, int group, const float* h,
                         float* to_ND) {
  write_states(in, place, group, h, 1, in.num_channels, to_ND);
}
MOM_DEVICE int64_t state_size(const ScanInputs& in) { return in.num_channels * in.num_states; }
// The state before a chunk, [N, D]. A batch has scan_chunk_state_size() floats of them.
MOM_DEVICE int64_t chunk_state_at(const ScanInputs& in, int64_t sequence, int64_t position) {
  const int64_t chunk = (position - in.offsets[sequence]) / kScanChunk;
  return (first_slot(in.offsets, sequence, kScanChunk) + chunk) * state_size(in);
}

constexpr float kScanLog2E = 1.44269504088896f, kScanLn2 = 0.693147180559945f;
// a log2(e) of a lane's states.
MOM_DEVICE void read_rates(const ScanInputs& in, const ScanPlace& place, int group, float* a) {
  read_dn(in, place, group, in.a, a);
  MOM_UNROLL
  for (int j = 0; j < kLaneStates; ++j) a[j] *= kScanLog2E;
}

// 2^x. The instruction's error of 1.2e-7 is one of 5e-6 in a state that loses 2% a step (x = -1/32), and would be larger
// in slower ones, whose decay is a polynomial of truncation error 1e-8 instead.
MOM_DEVICE float decay(float x) {
  float e = exp2_approximate(x);
  if (abs(x) < 0.03125f) e = fma(fma(fma(0.0555041087f, x, 0.240226507f), x, 0.693147181f), x, 1.0f);
  return e;
}

MOM_DEVICE float softplus(float x) { return max(x, 0.0f) + log1p(exp(-abs(x))); }

MOM_DEVICE float channel_value(const float* values_D, int64_t d) {
  return values_D != nullptr ? values_D[d] : 0.0f;
}
// The step of a position that exists; 0 of one that does not, so that its state stays as it is.
MOM_DEVICE float step_of(const ScanInputs& in, float dt, float bias, bool exists) {
  const float step = in.dt_softplus ? softplus(dt + bias) : dt + bias;
  return exists ? step : 0.0f;
}

// Where a piece's last chunk begins; before the piece where it is empty.
MOM_DEVICE int64_t last_chunk(const Stretch& piece) {
  const int64_t length = piece.end - piece.begin;
  return length > 0 ? piece.begin + (length - 1) / kScanChunk * kScanChunk : piece.begin - 1;
}

// b or c of one group, [position][16]; zero beyond the chunk's end and the last state.
MOM_DEVICE void stage_coefficients(const ScanInputs& in, const Rows& rows, int64_t begin, int64_t end,
                                   int group, float* to) {
  for (int i = thread_index(); i < kScanPositions * kGroupStates; i += kScanThreads) {
    const int64_t position = begin + i / kGroupStates, n = group * kGroupStates + i % kGroupStates;
    const bool exists = position < end && n < in.num_states;
    to[i] = exists ? AnyAccess::load(rows, row_of(in, position), n) : 0.0f;
  }
}

// Of four values in each of a channel's four lanes, the sum of the value of this lane's number.
MOM_DEVICE float sum_of_quarters(float v0, float v1, float v2, float v3, int quarter) {
  const bool high = (quarter & 2) != 0, odd = (quarter & 1) != 0;
  const float w0 = (high ? v2 : v0) + shuffle_xor(high ? v0 : v2, 2);
  const float w1 = (high ? v3 : v1) + shuffle_xor(high ? v1 : v3, 2);
  return (odd ? w1 : w0) + shuffle_xor(odd ? w0 : w1, 1);
}

}  // namespace mom::kernels::cuda
