#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/selective_scan_backward.cpp"
#include "mom/base/rounding.h"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <vector>

#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/selective_scan_tile-inl.h"

#ifndef MOM_KERNELS_SCAN_PARTIALS
#define MOM_KERNELS_SCAN_PARTIALS
namespace mom::kernels {
// Partial results of tiles, to be added in a fixed order: b and c over channel blocks, the rest over units; and the
// gradient of the state between two pieces of a sequence.
struct ScanPartials {
  float *b, *c;               // [block][row][N]
  float *a, *skip, *dt_bias;  // [unit][block][N][channel], [unit][block][channel]
  float* carry;               // [carry][D][N]
};
}  // namespace mom::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {
namespace {

// States carried together, and vectors of channels that go with them: what is kept for the backward pass stays in
// the first-level cache, and sums over channels are stored half as often.
constexpr int kStates = 4, kVectors = kLanes >= 16 ? 2 : 1;  // as many as fit in registers
static_assert(kStates == 4);  // padded_states is a multiple, and four sums are stored at once

// The chunk's inputs and gradients of one tile, plus sums over its whole unit.
struct Backward {
  static constexpr int64_t kPassFloats = kScanChunk * kStates * kVectors * kLanes;
  static constexpr int64_t kSumFloats = kScanChunk * kStates * kLanes;

  const Tile& tile;
  const ScanGradients& grad;
  Chunk chunk;
  float *slope, *dy, *dstep, *ddu;  // dstep/d(dt), gradient of the ungated y, of the step, of step * u
  float* gate_part;                 // d out / d gate per unit of y, times the incoming gradient
  float* carry;                     // gradient of the state, [N][block]
  float *da, *dskip, *dbias;        // sums over positions: [N][block], [block], [block]
  float *db, *dc;                   // [t][kStates][lane], sums over the tile's vectors
  float *decay,
      *kept;  // [t][kStates][kVectors][lane], recomputed: e = exp(step * a), and e * h before the step

  Backward(const Tile& t, const ScanGradients& g, Scratch& scratch)
      : tile(t), grad(g), chunk(t.plan, scratch) {
    for (float** buffer : {&slope, &dy, &dstep, &ddu, &gate_part}) *buffer = scratch.take(kChunkFloats);
    for (float** buffer : {&carry, &da}) *buffer = scratch.take(tile.plan.state_size());
    for (float** buffer : {&dskip, &dbias}) *buffer = scratch.take(tile.plan.block);
    for (float** buffer : {&db, &dc}) *buffer = scratch.take(kSumFloats);
    for (float** buffer : {&decay, &kept}) *buffer = scratch.take(kPassFloats);
    std::fill(da, da + tile.plan.state_size(), 0.0f);
    std::fill(dskip, dskip + tile.plan.block, 0.0f);
    std::fill(dbias, dbias + tile.plan.block, 0.0f);
  }
  static int64_t scratch_size(const ScanPlan& plan) {
    return Tile::scratch_size(plan) + Chunk::scratch_size(plan) + 5 * kChunkFloats + 2 * plan.state_size() +
           2 * plan.block + 2 * kSumFloats + 2 * kPassFloats;
  }

  template <class Access>
  void read_chunk() {
    const ScanInputs in = tile.in;  // copies: stores could change what a reference reads
    const Rows dy_rows = grad.y;
    const Backward to = *this;
    const int64_t first = tile.first_channel, width = tile.width;
    for (int64_t t = 0; t < to.chunk.length; ++t) {
      const int64_t position = to.chunk.begin + t, row = tile.row(position);
      if (position >= kScanChunk) {  // the chunk before this one is next
        const int64_t next = tile.row(position - kScanChunk);
        Access::prefetch(in.u.data, in.u.stride, next, first, width);
        Access::prefetch(in.dt.data, in.dt.stride, next, first, width);
        Access::prefetch(dy_rows.data, dy_rows.stride, next, first, width);
        if (in.gate.data) Access::prefetch(in.gate.data, in.gate.stride, next, first, width);
      }
      for (int64_t v = 0; v < tile.num_vectors; ++v) to.read_vector<Access>(in, dy_rows, t, v, row);
    }
  }

  template <class Access>
  HWY_INLINE void read_vector(const ScanInputs& in, const Rows& dy_rows, int64_t t, int64_t v,
                              int64_t row) const {
    const int64_t column = tile.first_channel + v * kLanes, left = tile.lanes_left(v), i = at(v, t);
    const Vec u = Access::load(in.u, row, column, left);
    const Vec raw = hn::Add(Access::load(in.dt, row, column, left), load(tile.dt_bias + v * kLanes));
    SoftplusAndSlope step{raw, set(1.0f)};
    if (in.dt_softplus) step = softplus_and_slope(raw);
    Vec dy_value = Access::load(dy_rows, row, column, left);
    if (in.gate.data) {
      const Vec gate = Access::load(in.gate, row, column, left), s = sigmoid(gate);
      store(hn::Mul(dy_value, silu_slope(gate, s)), gate_part + i);
      dy_value = hn::Mul(dy_value, hn::Mul(gate, s));
      store(hn::Mul(load(tile.skip + v * kLanes), u), chunk.y + i);
    }
    store(step.value, chunk.step + i);
    store(step.slope, slope + i);
    store(hn::Mul(step.value, u), chunk.du + i);
    store(dy_value, dy + i);
  }

  // Forward again through the chunk for kStates states of kWidth vectors, keeping what the backward pass needs.
  // kFirst: these vectors are the first of the block, whose sums over channels begin at zero.
  template <int kWidth, bool kFirst, bool kGated>
  HWY_INLINE void recompute(int64_t v0, int64_t n0, const float* state) const {
    Vec h[kStates][kWidth], a[kStates][kWidth];
    for (int g = 0; g < kStates; ++g) {
      for (int v = 0; v < kWidth; ++v) {
        const int64_t i = (n0 + g) * tile.plan.block + (v0 + v) * kLanes;
        h[g][v] = load(state + i);
        a[g][v] = hn::Mul(load(tile.a + i), set(kLog2E));
      }
    }
    const int64_t num_states = tile.plan.padded_states, length = chunk.length;
    const float *b = chunk.b + n0, *c = chunk.c + n0;
    const float *step_from = chunk.step + at(v0, 0), *du_from = chunk.du + at(v0, 0),
                *dy_from = dy + at(v0, 0);
    float *y_to = chunk.y + at(v0, 0), *decay_to = decay, *kept_to = kept, *dc_to = dc;
    for (int64_t t = 0; t < length; ++t) {
      Vec step[kWidth], du[kWidth], dy_value[kWidth], y[kWidth];
      for (int v = 0; v < kWidth; ++v) {
        step[v] = load(step_from + at(v, t));
        du[v] = load(du_from + at(v, t));
        dy_value[v] = load(dy_from + at(v, t));
        if (kGated) y[v] = load(y_to + at(v, t));
      }
      for (int g = 0; g < kStates; ++g) {
        Vec sum = kFirst ? zero() : load(dc_to + g * kLanes);
        for (int v = 0; v < kWidth; ++v) {
          const Vec e = exp2(hn::Mul(step[v], a[g][v])), left = hn::Mul(e, h[g][v]);
          store(e, decay_to + (g * kWidth + v) * kLanes);
          store(left, kept_to + (g * kWidth + v) * kLanes);
          h[g][v] = fma(du[v], set(b[g]), left);
          sum = fma(dy_value[v], h[g][v], sum);
          if (kGated) y[v] = fma(set(c[g]), h[g][v], y[v]);
        }
        store(sum, dc_to + g * kLanes);
      }
      if (kGated) {
        for (int v = 0; v < kWidth; ++v) store(y[v], y_to + at(v, t));
      }
      b += num_states, c += num_states, dc_to += kStates * kLanes;
      decay_to += kStates * kWidth * kLanes, kept_to += kStates * kWidth * kLanes;
    }
  }

  // Back through the chunk for the same states. kFirst as above; at n0 = 0 the sums over states begin.
  template <int kWidth, bool kFirst>
  HWY_INLINE void go_back(int64_t v0, int64_t n0) const {
    Vec carried[kStates][kWidth], a_sum[kStates][kWidth];
    for (int g = 0; g < kStates; ++g) {
      for (int v = 0; v < kWidth; ++v) {
        const int64_t i = (n0 + g) * tile.plan.block + (v0 + v) * kLanes;
        carried[g][v] = load(carry + i);
        a_sum[g][v] = load(da + i);
      }
    }
    const int64_t num_states = tile.plan.padded_states, block = tile.plan.block, length = chunk.length;
    const float *b = chunk.b + n0, *c = chunk.c + n0, *a = tile.a + n0 * block + v0 * kLanes;
    const float *step_from = chunk.step + at(v0, 0), *du_from = chunk.du + at(v0, 0),
                *dy_from = dy + at(v0, 0);
    float *dstep_to = dstep + at(v0, 0), *ddu_to = ddu + at(v0, 0);
    for (int64_t t = length - 1; t >= 0; --t) {
      Vec step[kWidth], du[kWidth], dy_value[kWidth], dstep_sum[kWidth], ddu_sum[kWidth];
      for (int v = 0; v < kWidth; ++v) {
        step[v] = load(step_from + at(v, t));
        du[v] = load(du_from + at(v, t));
        dy_value[v] = load(dy_from + at(v, t));
        dstep_sum[v] = n0 == 0 ? zero() : load(dstep_to + at(v, t));
        ddu_sum[v] = n0 == 0 ? zero() : load(ddu_to + at(v, t));
      }
      for (int g = 0; g < kStates; ++g) {
        float* db_to = db + (t * kStates + g) * kLanes;
        Vec sum = kFirst ? zero() : load(db_to);
        for (int v = 0; v < kWidth; ++v) {
          const int64_t i = ((t * kStates + g) * kWidth + v) * kLanes;
          const Vec dh = fma(set(c[t * num_states + g]), dy_value[v], carried[g][v]);
          const Vec dx = hn::Mul(dh, load(kept + i));  // gradient of step * a
          carried[g][v] = hn::Mul(dh, load(decay + i));
          sum = fma(dh, du[v], sum);
          ddu_sum[v] = fma(dh, set(b[t * num_states + g]), ddu_sum[v]);
          dstep_sum[v] = fma(dx, load(a + g * block + v * kLanes), dstep_sum[v]);
          a_sum[g][v] = fma(dx, step[v], a_sum[g][v]);
        }
        store(sum, db_to);
      }
      for (int v = 0; v < kWidth; ++v) {
        store(dstep_sum[v], dstep_to + at(v, t));
        store(ddu_sum[v], ddu_to + at(v, t));
      }
    }
    for (int g = 0; g < kStates; ++g) {
      for (int v = 0; v < kWidth; ++v) {
        const int64_t i = (n0 + g) * block + (v0 + v) * kLanes;
        store(carried[g][v], carry + i);
        store(a_sum[g][v], da + i);
      }
    }
  }

  template <int kWidth, bool kFirst>
  void pass(int64_t v, int64_t n, const float* state) const {
    if (tile.in.gate.data) {
      recompute<kWidth, kFirst, true>(v, n, state);
    } else {
      recompute<kWidth, kFirst, false>(v, n, state);
    }
    go_back<kWidth, kFirst>(v, n);
  }

  void run_chunk(const float* state, const ScanPartials& partials) const {
    for (int64_t n = 0; n < tile.plan.padded_states; n += kStates) {
      const int64_t pairs = tile.num_vectors / kVectors * kVectors;
      if (pairs > 0) pass<kVectors, true>(0, n, state);
      for (int64_t v = kVectors; v < pairs; v += kVectors) pass<kVectors, false>(v, n, state);
      for (int64_t v = pairs; v < tile.num_vectors; ++v) {
        if (v == 0) {
          pass<1, true>(v, n, state);
        } else {
          pass<1, false>(v, n, state);
        }
      }
      write_coefficients(db, partials.b, n);
      write_coefficients(dc, partials.c, n);
    }
  }

  void write_coefficients(const float* sums, float* partial, int64_t n) const {
    const int64_t num_states = tile.plan.padded_states;
    for (int64_t t = 0; t < chunk.length; ++t) {
      const int64_t row = tile.row(chunk.begin + t);
      const float* from = sums + t * kStates * kLanes;
      store_four_sums(load(from), load(from + kLanes), load(from + 2 * kLanes), load(from + 3 * kLanes),
                      partial + (tile.block * tile.in.num_tokens + row) * num_states + n);
    }
  }

  template <class Access>
  void write_chunk() const {
    const Backward from = *this;
    const ScanInputs in = tile.in;
    const ScanGradients to = grad;
    for (int64_t t = from.chunk.length - 1; t >= 0; --t) {
      const int64_t row = tile.row(from.chunk.begin + t);
      for (int64_t v = 0; v < tile.num_vectors; ++v) {
        const int64_t column = tile.first_channel + v * kLanes, left = tile.lanes_left(v), i = at(v, t);
        const Vec ddu_value = load(from.ddu + i), dy_value = load(from.dy + i);
        const Vec u = Access::load(in.u, row, column, left), skip = load(tile.skip + v * kLanes);
        const Vec ddt = hn::Mul(fma(ddu_value, u, load(from.dstep + i)), load(from.slope + i));
        store(fma(dy_value, u, load(from.dskip + v * kLanes)), from.dskip + v * kLanes);
        store(hn::Add(ddt, load(from.dbias + v * kLanes)), from.dbias + v * kLanes);
        Access::store(ddt, to.dt, row, column, left);
        Access::store(fma(ddu_value, load(from.chunk.step + i), hn::Mul(skip, dy_value)), to.u, row, column,
                      left);
        if (in.gate.data) {
          Access::store(hn::Mul(load(from.gate_part + i), load(from.chunk.y + i)), to.gate, row, column,
                        left);
        }
      }
    }
  }
};

template <class Access>
void scan_unit_back(const ScanInputs& in, const ScanGradients& grad, const ScanPlan& plan,
                    const ScanPartials& partials, int64_t unit, Backward& backward) {
  const Tile& tile = backward.tile;
  const std::vector<ScanPiece>& pieces = plan.unit(unit);
  for (const ScanPiece& piece : pieces) {
    if (piece.last) {
      tile.read_state(grad.final_state, piece.sequence, backward.carry);
    } else {
      tile.read_state(partials.carry, piece.carry, backward.carry);
    }
    for (int64_t at = (piece.end - 1) / kScanChunk * kScanChunk; at >= piece.begin && piece.end > 0;
         at -= kScanChunk) {
      backward.chunk.begin = in.offsets[piece.sequence] + at;
      backward.chunk.length = std::min(kScanChunk, piece.end - at);
      backward.chunk.read_coefficients(tile);
      backward.read_chunk<Access>();
      backward.run_chunk(grad.chunk_states + plan.chunk_state_at(piece.sequence, at / kScanChunk, tile.block),
                         partials);
      backward.write_chunk<Access>();
    }
    if (!piece.first) {
      tile.write_state(backward.carry, piece.carry, partials.carry);
    } else if (grad.initial) {
      tile.write_state(backward.carry, piece.sequence, grad.initial);
    }
  }
}

}  // namespace

void scan_backward_tile(const ScanInputs& in, const ScanGradients& grad, const ScanPlan& plan,
                        const ScanPartials& partials, int64_t index) {
  Scratch scratch(Backward::scratch_size(plan));
  const Tile tile(in, plan, index % plan.num_blocks, scratch);
  Backward backward(tile, grad, scratch);
  with_access(
      tile.whole(),
      [&](auto access) HWY_ATTR {
        scan_unit_back<decltype(access)>(in, grad, plan, partials, index / plan.num_blocks, backward);
      },
      in.u, in.dt, in.gate, grad.y, grad.u, grad.dt, grad.gate);
  std::copy(backward.da, backward.da + plan.state_size(), partials.a + index * plan.state_size());
  std::copy(backward.dskip, backward.dskip + plan.block, partials.skip + index * plan.block);
  std::copy(backward.dbias, backward.dbias + plan.block, partials.dt_bias + index * plan.block);
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {
namespace {

// [T, N] = sum over blocks of [block][row][padded N], in order of blocks; kRows rows per tile.
constexpr int64_t kRows = 256;
void add_blocks(const ScanInputs& in, const ScanPlan& plan, const float* partial, float* to, int64_t tile) {
  const int64_t end = std::min(in.num_tokens, (tile + 1) * kRows), padded = plan.padded_states;
  std::vector<float> sums(padded);
  for (int64_t row = tile * kRows; row < end; ++row) {
    float* HWY_RESTRICT sum = sums.data();
    std::fill(sum, sum + padded, 0.0f);
    for (int64_t block = 0; block < plan.num_blocks; ++block) {
      const float* from = partial + (block * in.num_tokens + row) * padded;
      for (int64_t n = 0; n < padded; ++n) sum[n] += from[n];
    }
    std::copy(sum, sum + in.num_states, to + row * in.num_states);
  }
}

// Channels' sums of one block over units, in their order.
void add_units(const ScanInputs& in, const ScanPlan& plan, const ScanPartials& partials,
               const ScanGradients& grad, int64_t block) {
  const int64_t first = block * plan.block, width = std::min(plan.block, in.num_channels - first);
  std::vector<float> sums(plan.state_size() + 2 * plan.block, 0.0f);
  float *a = sums.data(), *skip = a + plan.state_size(), *bias = skip + plan.block;
  for (int64_t unit = 0; unit < plan.num_units(); ++unit) {
    const int64_t tile = unit * plan.num_blocks + block;
    for (int64_t i = 0; i < plan.state_size(); ++i) a[i] += partials.a[tile * plan.state_size() + i];
    for (int64_t i = 0; i < plan.block; ++i) skip[i] += partials.skip[tile * plan.block + i];
    for (int64_t i = 0; i < plan.block; ++i) bias[i] += partials.dt_bias[tile * plan.block + i];
  }
  for (int64_t i = 0; i < width; ++i) {
    for (int64_t n = 0; n < in.num_states; ++n)
      grad.a[(first + i) * in.num_states + n] = a[n * plan.block + i];
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
      new float[2 * coefficients + plan.num_tiles() * (plan.state_size() + 2 * plan.block) +
                plan.num_carries() * in.num_channels * in.num_states]);
  ScanPartials partials{};
  partials.b = memory.get();
  partials.c = partials.b + coefficients;
  partials.a = partials.c + coefficients;
  partials.skip = partials.a + plan.num_tiles() * plan.state_size();
  partials.dt_bias = partials.skip + plan.num_tiles() * plan.block;
  partials.carry = partials.dt_bias + plan.num_tiles() * plan.block;
  for (int64_t phase = plan.num_phases() - 1; phase >= 0; --phase) {
    const int64_t first = plan.first_unit(phase) * plan.num_blocks;
    parallel_for(plan.num_units_of_phase(phase) * plan.num_blocks, [&](int64_t tile) {
      HWY_DYNAMIC_DISPATCH(scan_backward_tile)(in, grad, plan, partials, first + tile);
    });
  }
  parallel_for(ceil_div(in.num_tokens, kRows), [&](int64_t tile) {
    add_blocks(in, plan, partials.b, grad.b, tile);
    add_blocks(in, plan, partials.c, grad.c, tile);
  });
  parallel_for(plan.num_blocks, [&](int64_t block) { add_units(in, plan, partials, grad, block); });
}

}  // namespace mom::kernels
#endif
