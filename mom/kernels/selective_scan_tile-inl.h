// What forward and backward tiles of the selective scan share: staged parameters, states and chunk inputs.
// Inside a tile everything is f32 in [.., vector of channels] layout: states [N][block], positions [vector][t][lane].
#if defined(MOM_KERNELS_SELECTIVE_SCAN_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MOM_KERNELS_SELECTIVE_SCAN_TILE_INL_H_
#undef MOM_KERNELS_SELECTIVE_SCAN_TILE_INL_H_
#else
#define MOM_KERNELS_SELECTIVE_SCAN_TILE_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "mom/base/rounding.h"
#include "mom/kernels/scan_plan.h"
#include "mom/kernels/scratch.h"
#include "mom/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

constexpr float kLog2E = 1.44269504088896f;
constexpr int64_t kChunkFloats = kScanChunk * kMaxScanBlock;

HWY_INLINE int64_t at(int64_t vector, int64_t t) { return (vector * kScanChunk + t) * kLanes; }

struct Tile {
  const ScanInputs& in;
  const ScanPlan& plan;
  int64_t block, first_channel, width, num_vectors;  // width = channels that exist
  float *a, *skip, *dt_bias;                         // [N][block], [block], [block]

  Tile(const ScanInputs& inputs, const ScanPlan& scan_plan, int64_t tile_block, Scratch& scratch)
      : in(inputs), plan(scan_plan), block(tile_block), first_channel(tile_block * scan_plan.block) {
    width = std::min(plan.block, in.num_channels - first_channel);
    num_vectors = ceil_div(width, kLanes);
    a = scratch.take(plan.state_size());
    skip = scratch.take(plan.block);
    dt_bias = scratch.take(plan.block);
    read_state(in.a, 0, a);
    read_channels(in.skip, skip);
    read_channels(in.dt_bias, dt_bias);
  }
  static int64_t scratch_size(const ScanPlan& plan) { return plan.state_size() + 2 * plan.block; }

  bool whole() const { return width == plan.block; }
  int64_t row(int64_t position) const { return in.order ? in.order[position] : position; }
  int64_t lanes_left(int64_t vector) const { return width - vector * kLanes; }

  // [D] -> [block]; null reads as zero.
  void read_channels(const float* from, float* to) const {
    std::fill(to, to + plan.block, 0.0f);
    if (from) std::copy(from + first_channel, from + first_channel + width, to);
  }
  // [.., D, N] in memory <-> [N][block] here; null reads as zero.
  void read_state(const float* from_SDN, int64_t sequence, float* to) const {
    std::fill(to, to + plan.state_size(), 0.0f);
    if (!from_SDN) return;
    const float* from = from_SDN + (sequence * in.num_channels + first_channel) * in.num_states;
    for (int64_t i = 0; i < width; ++i) {
      for (int64_t n = 0; n < in.num_states; ++n) to[n * plan.block + i] = from[i * in.num_states + n];
    }
  }
  void write_state(const float* from, int64_t sequence, float* to_SDN) const {
    float* to = to_SDN + (sequence * in.num_channels + first_channel) * in.num_states;
    for (int64_t i = 0; i < width; ++i) {
      for (int64_t n = 0; n < in.num_states; ++n) to[i * in.num_states + n] = from[n * plan.block + i];
    }
  }
  // b or c of a chunk as [t][padded N].
  void read_coefficients(const Rows& rows, int64_t begin, int64_t length, float* to) const {
    const int64_t padded = plan.padded_states;
    if (rows.type == Element::kF32 && padded == in.num_states) {
      for (int64_t t = 0; t < length; ++t) {
        const float* from = static_cast<const float*>(rows.data) + row(begin + t) * rows.stride;
        for (int64_t n = 0; n < padded; n += 4) std::memcpy(to + t * padded + n, from + n, 4 * sizeof(float));
      }
      return;
    }
    std::fill(to, to + length * padded, 0.0f);
    for (int64_t t = 0; t < length; ++t) {
      const int64_t r = row(begin + t);
      for (int64_t n = 0; n < in.num_states; ++n) to[t * padded + n] = element(rows, r, n);
    }
  }
};

// Chunk inputs shared by both passes.
struct Chunk {
  int64_t begin, length;
  float *step, *du, *y;  // step, step * u, sum of c * h (starts as skip * u)
  float *b, *c;          // [t][padded N]

  Chunk(const ScanPlan& plan, Scratch& scratch) {
    step = scratch.take(kChunkFloats);
    du = scratch.take(kChunkFloats);
    y = scratch.take(kChunkFloats);
    b = scratch.take(kScanChunk * plan.padded_states);
    c = scratch.take(kScanChunk * plan.padded_states);
  }
  static int64_t scratch_size(const ScanPlan& plan) {
    return 3 * kChunkFloats + 2 * kScanChunk * plan.padded_states;
  }
  void read_coefficients(const Tile& tile) {
    tile.read_coefficients(tile.in.b, begin, length, b);
    tile.read_coefficients(tile.in.c, begin, length, c);
  }
};

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
