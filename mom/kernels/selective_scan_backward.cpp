#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/selective_scan_backward.cpp"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <vector>

#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/selective_scan_tile-inl.h"

#ifndef MOM_KERNELS_SCAN_PARTIALS
#define MOM_KERNELS_SCAN_PARTIALS
namespace mom::kernels {
// What tiles leave to be added in a fixed order: b and c over channel blocks, the rest over groups of
// sequences.
struct ScanPartials {
  float *b, *c;               // [block][row][N]
  float *a, *skip, *dt_bias;  // [group][block][N][channel], [group][block][channel]
};
}  // namespace mom::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {
namespace {

constexpr int kGroup = 4;  // states carried together: two passes over them stay in the first-level cache

// The chunk's inputs and gradients of one tile, plus sums over its whole group of sequences.
struct Backward {
  const Tile& tile;
  const ScanGradients& grad;
  Chunk chunk;
  float *slope, *u, *dy, *dstep, *ddu;  // dstep/d(dt), u, gradient of the ungated y, of the step, of step * u
  float* gate_part;                     // d out / d gate per unit of y, times the incoming gradient
  float* carry;                         // gradient of the state, [N][block]
  float *da, *dskip, *dbias;            // sums over positions: [N][block], [block], [block]
  float *db, *dc;                       // [t][N][lane], sums over the tile's vectors
  float *decay, *before;                // [t][kGroup][lane], recomputed: exp(step * a), and h before the step

  Backward(const Tile& t, const ScanGradients& g, Scratch& scratch)
      : tile(t), grad(g), chunk(t.plan, scratch) {
    for (float** buffer : {&slope, &u, &dy, &dstep, &ddu, &gate_part}) *buffer = scratch.take(kChunkFloats);
    for (float** buffer : {&carry, &da}) *buffer = scratch.take(tile.plan.state_size());
    for (float** buffer : {&dskip, &dbias}) *buffer = scratch.take(kScanBlock);
    for (float** buffer : {&db, &dc}) *buffer = scratch.take(coefficient_size(tile.plan));
    for (float** buffer : {&decay, &before}) *buffer = scratch.take(kScanChunk * kGroup * kLanes);
    std::fill(da, da + tile.plan.state_size(), 0.0f);
    std::fill(dskip, dskip + kScanBlock, 0.0f);
    std::fill(dbias, dbias + kScanBlock, 0.0f);
  }
  static int64_t coefficient_size(const ScanPlan& plan) { return kScanChunk * plan.padded_states * kLanes; }
  static int64_t scratch_size(const ScanPlan& plan) {
    return Tile::scratch_size(plan) + Chunk::scratch_size(plan) + 6 * kChunkFloats + 2 * plan.state_size() +
           2 * kScanBlock + 2 * coefficient_size(plan) + 2 * kScanChunk * kGroup * kLanes;
  }

  void read_chunk() {
    const ScanInputs& in = tile.in;
    chunk.read_coefficients(tile);
    std::fill(db, db + coefficient_size(tile.plan), 0.0f);
    std::fill(dc, dc + coefficient_size(tile.plan), 0.0f);
    for (int64_t t = 0; t < chunk.length; ++t) {
      const int64_t row = tile.row(chunk.begin + t);
      for (int64_t v = 0; v < tile.num_vectors; ++v) read_vector(in, t, v, row);
    }
  }

  HWY_INLINE void read_vector(const ScanInputs& in, int64_t t, int64_t v, int64_t row) {
    const int64_t column = tile.first_channel + v * kLanes, left = tile.lanes_left(v), i = at(v, t);
    const Vec u_value = load_row(in.u, row, column, left);
    const Vec raw = hn::Add(load_row(in.dt, row, column, left), load(tile.dt_bias + v * kLanes));
    SoftplusAndSlope step{raw, set(1.0f)};
    if (in.dt_softplus) step = softplus_and_slope(raw);
    Vec dy_value = load_row(grad.y, row, column, left);
    if (in.gate.data) {
      const Vec gate = load_row(in.gate, row, column, left), s = sigmoid(gate);
      store(hn::Mul(dy_value, silu_slope(gate, s)), gate_part + i);
      dy_value = hn::Mul(dy_value, hn::Mul(gate, s));
    }
    store(step.value, chunk.step + i);
    store(step.slope, slope + i);
    store(u_value, u + i);
    store(hn::Mul(step.value, u_value), chunk.du + i);
    store(hn::Mul(load(tile.skip + v * kLanes), u_value), chunk.y + i);
    store(dy_value, dy + i);
    store(zero(), dstep + i);
    store(zero(), ddu + i);
  }

  // Forward again through the chunk for kGroup states, keeping what the way back needs.
  template <bool kGated>
  HWY_INLINE void recompute(int64_t v, int64_t n0, const float* state) {
    Vec h[kGroup], a[kGroup];
    for (int g = 0; g < kGroup; ++g) {
      h[g] = load(state + (n0 + g) * kScanBlock + v * kLanes);
      a[g] = hn::Mul(load(tile.a + (n0 + g) * kScanBlock + v * kLanes), set(kLog2E));
    }
    const int64_t num_states = tile.plan.padded_states;
    for (int64_t t = 0; t < chunk.length; ++t) {
      const int64_t i = at(v, t);
      const Vec step = load(chunk.step + i), du = load(chunk.du + i), dy_value = load(dy + i);
      const float *b = chunk.b + t * num_states + n0, *c = chunk.c + t * num_states + n0;
      float* dc_sum = dc + (t * num_states + n0) * kLanes;
      Vec y = kGated ? load(chunk.y + i) : zero();
      for (int g = 0; g < kGroup; ++g) {
        const Vec e = exp2(hn::Mul(step, a[g]));
        store(e, decay + (t * kGroup + g) * kLanes);
        store(h[g], before + (t * kGroup + g) * kLanes);
        h[g] = fma(e, h[g], hn::Mul(du, set(b[g])));
        store(fma(dy_value, h[g], load(dc_sum + g * kLanes)), dc_sum + g * kLanes);
        if (kGated) y = fma(set(c[g]), h[g], y);
      }
      if (kGated) store(y, chunk.y + i);
    }
  }

  // Back through the chunk for kGroup states.
  HWY_INLINE void go_back(int64_t v, int64_t n0) {
    Vec carried[kGroup], a[kGroup], a_sum[kGroup];
    for (int g = 0; g < kGroup; ++g) {
      const int64_t i = (n0 + g) * kScanBlock + v * kLanes;
      carried[g] = load(carry + i);
      a[g] = load(tile.a + i);
      a_sum[g] = load(da + i);
    }
    const int64_t num_states = tile.plan.padded_states;
    for (int64_t t = chunk.length - 1; t >= 0; --t) {
      const int64_t i = at(v, t);
      const Vec step = load(chunk.step + i), du = load(chunk.du + i), dy_value = load(dy + i);
      const float *b = chunk.b + t * num_states + n0, *c = chunk.c + t * num_states + n0;
      float* db_sum = db + (t * num_states + n0) * kLanes;
      Vec dstep_sum = load(dstep + i), ddu_sum = load(ddu + i);
      for (int g = 0; g < kGroup; ++g) {
        const Vec dh = fma(set(c[g]), dy_value, carried[g]);
        store(fma(dh, du, load(db_sum + g * kLanes)), db_sum + g * kLanes);
        ddu_sum = fma(dh, set(b[g]), ddu_sum);
        carried[g] = hn::Mul(dh, load(decay + (t * kGroup + g) * kLanes));
        const Vec dx = hn::Mul(carried[g], load(before + (t * kGroup + g) * kLanes));  // gradient of step * a
        dstep_sum = fma(dx, a[g], dstep_sum);
        a_sum[g] = fma(dx, step, a_sum[g]);
      }
      store(dstep_sum, dstep + i);
      store(ddu_sum, ddu + i);
    }
    for (int g = 0; g < kGroup; ++g) {
      const int64_t i = (n0 + g) * kScanBlock + v * kLanes;
      store(carried[g], carry + i);
      store(a_sum[g], da + i);
    }
  }

  void run_chunk(const float* state) {
    for (int64_t v = 0; v < tile.num_vectors; ++v) {
      for (int64_t n = 0; n < tile.plan.padded_states; n += kGroup) {
        if (tile.in.gate.data) {
          recompute<true>(v, n, state);
        } else {
          recompute<false>(v, n, state);
        }
        go_back(v, n);
      }
    }
  }

  void write_chunk(const ScanPartials& partials) {
    for (int64_t v = 0; v < tile.num_vectors; ++v) {
      const int64_t column = tile.first_channel + v * kLanes, left = tile.lanes_left(v);
      const Vec skip = load(tile.skip + v * kLanes);
      Vec skip_sum = load(dskip + v * kLanes), bias_sum = load(dbias + v * kLanes);
      for (int64_t t = chunk.length - 1; t >= 0; --t) {
        const int64_t row = tile.row(chunk.begin + t), i = at(v, t);
        const Vec ddu_value = load(ddu + i), dy_value = load(dy + i), u_value = load(u + i);
        const Vec ddt = hn::Mul(fma(ddu_value, u_value, load(dstep + i)), load(slope + i));
        skip_sum = fma(dy_value, u_value, skip_sum);
        bias_sum = hn::Add(bias_sum, ddt);
        store_row(ddt, grad.dt, row, column, left);
        store_row(fma(ddu_value, load(chunk.step + i), hn::Mul(skip, dy_value)), grad.u, row, column, left);
        if (tile.in.gate.data) {
          store_row(hn::Mul(load(gate_part + i), load(chunk.y + i)), grad.gate, row, column, left);
        }
      }
      store(skip_sum, dskip + v * kLanes);
      store(bias_sum, dbias + v * kLanes);
    }
    write_coefficients(db, partials.b);
    write_coefficients(dc, partials.c);
  }

  void write_coefficients(const float* sums, float* partial) const {
    const int64_t num_states = tile.plan.padded_states;
    for (int64_t t = 0; t < chunk.length; ++t) {
      const int64_t row = tile.row(chunk.begin + t);
      float* to = partial + (tile.block * tile.in.num_tokens + row) * num_states;
      for (int64_t n = 0; n < num_states; n += 4) {
        const float* from = sums + (t * num_states + n) * kLanes;
        store_four_sums(load(from), load(from + kLanes), load(from + 2 * kLanes), load(from + 3 * kLanes),
                        to + n);
      }
    }
  }
};

}  // namespace

void scan_backward_tile(const ScanInputs& in, const ScanGradients& grad, const ScanPlan& plan,
                        const ScanPartials& partials, int64_t index) {
  Scratch scratch(Backward::scratch_size(plan));
  const Tile tile(in, plan, index % plan.num_blocks, scratch);
  Backward backward(tile, grad, scratch);
  const int64_t group = index / plan.num_blocks;
  for (int64_t s = plan.group_begin[group]; s < plan.group_begin[group + 1]; ++s) {
    tile.read_state(grad.final_state, s, backward.carry);
    const int64_t length = in.offsets[s + 1] - in.offsets[s];
    for (int64_t k = (length + kScanChunk - 1) / kScanChunk - 1; k >= 0; --k) {
      backward.chunk.begin = in.offsets[s] + k * kScanChunk;
      backward.chunk.length = std::min(kScanChunk, length - k * kScanChunk);
      backward.read_chunk();
      backward.run_chunk(grad.chunk_states + plan.chunk_state_at(s, k, tile.block));
      backward.write_chunk(partials);
    }
    if (grad.initial) tile.write_state(backward.carry, s, grad.initial);
  }
  std::copy(backward.da, backward.da + plan.state_size(), partials.a + index * plan.state_size());
  std::copy(backward.dskip, backward.dskip + kScanBlock, partials.skip + index * kScanBlock);
  std::copy(backward.dbias, backward.dbias + kScanBlock, partials.dt_bias + index * kScanBlock);
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {
namespace {

// [T, N] = sum over blocks of [block][row][padded N], in order of blocks; kRows rows a tile.
constexpr int64_t kRows = 256;
void add_blocks(const ScanInputs& in, const ScanPlan& plan, const float* partial, float* to, int64_t tile) {
  const int64_t end = std::min(in.num_tokens, (tile + 1) * kRows);
  for (int64_t row = tile * kRows; row < end; ++row) {
    for (int64_t n = 0; n < in.num_states; ++n) {
      float sum = 0.0f;
      for (int64_t block = 0; block < plan.num_blocks; ++block) {
        sum += partial[(block * in.num_tokens + row) * plan.padded_states + n];
      }
      to[row * in.num_states + n] = sum;
    }
  }
}

// Channels' sums of one block over groups, in order of groups.
void add_groups(const ScanInputs& in, const ScanPlan& plan, const ScanPartials& partials,
                const ScanGradients& grad, int64_t block) {
  const int64_t first = block * kScanBlock, width = std::min(kScanBlock, in.num_channels - first);
  std::vector<float> sums(plan.state_size() + 2 * kScanBlock, 0.0f);
  float *a = sums.data(), *skip = a + plan.state_size(), *bias = skip + kScanBlock;
  for (int64_t group = 0; group < plan.num_groups(); ++group) {
    const int64_t tile = group * plan.num_blocks + block;
    for (int64_t i = 0; i < plan.state_size(); ++i) a[i] += partials.a[tile * plan.state_size() + i];
    for (int64_t i = 0; i < kScanBlock; ++i) skip[i] += partials.skip[tile * kScanBlock + i];
    for (int64_t i = 0; i < kScanBlock; ++i) bias[i] += partials.dt_bias[tile * kScanBlock + i];
  }
  for (int64_t i = 0; i < width; ++i) {
    for (int64_t n = 0; n < in.num_states; ++n)
      grad.a[(first + i) * in.num_states + n] = a[n * kScanBlock + i];
    if (grad.skip) grad.skip[first + i] = skip[i];
    if (grad.dt_bias) grad.dt_bias[first + i] = bias[i];
  }
}

}  // namespace

HWY_EXPORT(scan_backward_tile);

void selective_scan_backward(const ScanInputs& in, const ScanGradients& grad,
                             const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  const ScanPlan plan(in);
  const int64_t coefficients = plan.num_blocks * in.num_tokens * plan.padded_states;
  const std::unique_ptr<float[]> memory(
      new float[2 * coefficients + plan.num_tiles() * (plan.state_size() + 2 * kScanBlock)]);
  ScanPartials partials{};
  partials.b = memory.get();
  partials.c = partials.b + coefficients;
  partials.a = partials.c + coefficients;
  partials.skip = partials.a + plan.num_tiles() * plan.state_size();
  partials.dt_bias = partials.skip + plan.num_tiles() * kScanBlock;
  parallel_for(plan.num_tiles(), [&](int64_t tile) {
    HWY_DYNAMIC_DISPATCH(scan_backward_tile)(in, grad, plan, partials, tile);
  });
  parallel_for((in.num_tokens + kRows - 1) / kRows, [&](int64_t tile) {
    add_blocks(in, plan, partials.b, grad.b, tile);
    add_blocks(in, plan, partials.c, grad.c, tile);
  });
  parallel_for(plan.num_blocks, [&](int64_t block) { add_groups(in, plan, partials, grad, block); });
}

}  // namespace mom::kernels
#endif
