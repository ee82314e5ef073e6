#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/selective_scan_forward.cpp"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/selective_scan_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {
namespace {

template <class Access>
void read_chunk(const Tile& tile, const Chunk& chunk) {
  const ScanInputs& in = tile.in;
  const Rows u_rows = in.u, dt_rows = in.dt, gate = in.gate;
  const Chunk to = chunk;  // stores could change what a reference reads
  for (int64_t t = 0; t < to.length; ++t) {
    const int64_t position = to.begin + t, row = tile.row(position);
    if (position + kScanChunk < in.num_tokens) {
      const int64_t later = tile.row(position + kScanChunk);
      Access::prefetch(u_rows.data, u_rows.stride, later, tile.first_channel, tile.width);
      Access::prefetch(dt_rows.data, dt_rows.stride, later, tile.first_channel, tile.width);
    }
    if (gate.data) Access::prefetch(gate.data, gate.stride, row, tile.first_channel, tile.width);
    for (int64_t v = 0; v < tile.num_vectors; ++v) {
      const int64_t column = tile.first_channel + v * kLanes, left = tile.lanes_left(v);
      const Vec u = Access::load(u_rows, row, column, left);
      Vec step = hn::Add(Access::load(dt_rows, row, column, left), load(tile.dt_bias + v * kLanes));
      if (in.dt_softplus) step = softplus(step);
      store(step, to.step + at(v, t));
      store(hn::Mul(step, u), to.du + at(v, t));
      store(hn::Mul(load(tile.skip + v * kLanes), u), to.y + at(v, t));
    }
  }
}

template <class Access>
void write_chunk(const Tile& tile, const Chunk& chunk, const MutableRows y_rows) {
  const Rows gate = tile.in.gate;
  const Chunk from = chunk;
  for (int64_t t = 0; t < from.length; ++t) {
    const int64_t row = tile.row(from.begin + t);
    for (int64_t v = 0; v < tile.num_vectors; ++v) {
      const int64_t column = tile.first_channel + v * kLanes, left = tile.lanes_left(v);
      Vec y = load(from.y + at(v, t));
      if (gate.data) y = hn::Mul(y, silu(Access::load(gate, row, column, left)));
      Access::store(y, y_rows, row, column, left);
    }
  }
}

// Carries kGroup states of one vector of channels through the chunk, adding c * h to y.
template <int kGroup>
HWY_INLINE void advance(const Tile& tile, const Chunk& chunk, int64_t v, int64_t n0, float* state) {
  Vec h[kGroup], a[kGroup];
  for (int g = 0; g < kGroup; ++g) {
    h[g] = load(state + (n0 + g) * tile.plan.block + v * kLanes);
    a[g] = hn::Mul(load(tile.a + (n0 + g) * tile.plan.block + v * kLanes), set(kLog2E));
  }
  for (int64_t t = 0; t < chunk.length; ++t) {
    const Vec step = load(chunk.step + at(v, t)), du = load(chunk.du + at(v, t));
    const float* b = chunk.b + t * tile.plan.padded_states + n0;
    const float* c = chunk.c + t * tile.plan.padded_states + n0;
    Vec y = load(chunk.y + at(v, t));
    for (int g = 0; g < kGroup; ++g) {
      h[g] = fma(exp2(hn::Mul(step, a[g])), h[g], hn::Mul(du, set(b[g])));
      y = fma(set(c[g]), h[g], y);
    }
    store(y, chunk.y + at(v, t));
  }
  for (int g = 0; g < kGroup; ++g) store(h[g], state + (n0 + g) * tile.plan.block + v * kLanes);
}

void advance_all(const Tile& tile, const Chunk& chunk, float* state) {
  constexpr int kWide = kLanes >= 16 ? 8 : 4;  // as many states as fit in registers
  for (int64_t v = 0; v < tile.num_vectors; ++v) {
    int64_t n = 0;
    for (; n + kWide <= tile.plan.padded_states; n += kWide) advance<kWide>(tile, chunk, v, n, state);
    for (; n < tile.plan.padded_states; n += 4) advance<4>(tile, chunk, v, n, state);
  }
}

template <class Access>
void scan_unit(const ScanInputs& in, const ScanOutputs& out, const ScanPlan& plan, int64_t unit,
               const Tile& tile, Scratch& scratch) {
  Chunk chunk(plan, scratch);
  float* state = scratch.take(plan.state_size());
  for (const ScanPiece& piece : plan.unit(unit)) {
    // Between pieces the state waits where the final one goes.
    tile.read_state(piece.first ? in.initial : out.final_state, piece.sequence, state);
    for (int64_t at = piece.begin; at < piece.end; at += kScanChunk) {
      chunk.begin = in.offsets[piece.sequence] + at;
      chunk.length = std::min(kScanChunk, piece.end - at);
      if (out.chunk_states) {
        std::copy(state, state + plan.state_size(),
                  out.chunk_states + plan.chunk_state_at(piece.sequence, at / kScanChunk, tile.block));
      }
      chunk.read_coefficients(tile);
      read_chunk<Access>(tile, chunk);
      advance_all(tile, chunk, state);
      write_chunk<Access>(tile, chunk, out.y);
    }
    tile.write_state(state, piece.sequence, out.final_state);
  }
}

}  // namespace

void scan_forward_tile(const ScanInputs& in, const ScanOutputs& out, const ScanPlan& plan, int64_t index) {
  Scratch scratch(Tile::scratch_size(plan) + Chunk::scratch_size(plan) + plan.state_size());
  const Tile tile(in, plan, index % plan.num_blocks, scratch);
  with_access(
      tile.whole(),
      [&](auto access)
          HWY_ATTR { scan_unit<decltype(access)>(in, out, plan, index / plan.num_blocks, tile, scratch); },
      in.u, in.dt, in.gate, out.y);
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {

HWY_EXPORT(scan_forward_tile);

int64_t scan_chunk_state_size(const ScanInputs& in) {
  const ScanPlan plan(in);
  return plan.num_chunks() * plan.num_blocks * plan.state_size();
}

void selective_scan_forward(const ScanInputs& in, const ScanOutputs& out, const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  const ScanPlan plan(in);
  for (int64_t phase = 0; phase < plan.num_phases(); ++phase) {
    const int64_t first = plan.first_unit(phase) * plan.num_blocks;
    parallel_for(plan.num_units_of_phase(phase) * plan.num_blocks, [&](int64_t tile) {
      HWY_DYNAMIC_DISPATCH(scan_forward_tile)(in, out, plan, first + tile);
    });
  }
}

}  // namespace mom::kernels
#endif
