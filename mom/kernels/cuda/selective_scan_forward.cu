#include "mom/kernels/cuda/scan_device.h"

namespace mom::kernels::cuda {
namespace {

// step, step * u and skip * u of a chunk; zero beyond its end and the last channel.
template <class Access>
MOM_DEVICE void stage_inputs(const ScanInputs& in, int64_t begin, int64_t end, float* step_tile,
                             float* du_tile, float* y_tile) {
  constexpr int kAhead = 4;  // rows that a warp asks for before it waits
  const int64_t d = block_y() * kScanChannels + lane_index();
  const bool channel_exists = d < in.num_channels;
  const float bias = channel_exists ? channel_value(in.dt_bias, d) : 0.0f;
  const float skip = channel_exists ? channel_value(in.skip, d) : 0.0f;
  MOM_NO_UNROLL
  for (int first = 0; first < kScanPositions; first += kAhead * kScanWarps) {
    float u[kAhead], dt[kAhead];
    MOM_UNROLL
    for (int i = 0; i < kAhead; ++i) {
      const int64_t position = begin + first + i * kScanWarps + warp_index();
      const bool exists = channel_exists && position < end;
      const int64_t row = exists ? row_of(in, position) : 0;
      u[i] = exists ? Access::load(in.u, row, d) : 0.0f;
      dt[i] = exists ? Access::load(in.dt, row, d) : 0.0f;
    }
    MOM_UNROLL
    for (int i = 0; i < kAhead; ++i) {
      const int t = first + i * kScanWarps + warp_index(), at = t * kScanStride + lane_index();
      const float step = step_of(in, dt[i], bias, channel_exists && begin + t < end);
      step_tile[at] = step;
      du_tile[at] = step * u[i];
      if (y_tile != nullptr) y_tile[at] = skip * u[i];
    }
  }
}

template <class Access>
MOM_DEVICE void write_outputs(const ScanInputs& in, const MutableRows& y_rows, int64_t begin, int64_t end,
                              const float* y_tile) {
  const int64_t d = block_y() * kScanChannels + lane_index();
  if (d >= in.num_channels) return;
  for (int64_t position = begin + warp_index(); position < end; position += kScanWarps) {
    const int64_t row = row_of(in, position);
    float y = y_tile[(position - begin) * kScanStride + lane_index()];
    if (in.gate.data != nullptr) {
      const float gate = Access::load(in.gate, row, d);
      y *= gate * sigmoid(gate);
    }
    Access::store(y, y_rows, row, d);
  }
}

// Carries a lane's states through a chunk, four positions at a time; y of each position is added to the tile.
template <bool kSummary>
MOM_DEVICE void advance(const ScanPlace& place, int length, const float* a, const float* step_tile,
                        const float* du_tile, const float* b_tile, const float* c_tile, float* h,
                        float* y_tile) {
  for (int t0 = 0; t0 < length; t0 += 4) {
    float y[4] = {};
    MOM_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int at = (t0 + i) * kScanStride + place.channel,
                states_at = (t0 + i) * kGroupStates + place.quarter * kLaneStates;
      const float step = step_tile[at], du = du_tile[at];
      const Four b = load_four(b_tile + states_at);
      MOM_UNROLL
      for (int j = 0; j < kLaneStates; ++j) h[j] = fma(decay(step * a[j]), h[j], du * b.at[j]);
      if constexpr (!kSummary) {
        const Four c = load_four(c_tile + states_at);
        MOM_UNROLL
        for (int j = 0; j < kLaneStates; ++j) y[i] = fma(c.at[j], h[j], y[i]);
      }
    }
    if constexpr (!kSummary) {
      const float sum = sum_of_quarters(y[0], y[1], y[2], y[3], place.quarter);
      y_tile[(t0 + place.quarter) * kScanStride + place.channel] += sum;
    }
  }
}

// One piece of one sequence, for 32 channels. kSummary: from zero, only the final state and the sum of steps.
template <class Access, bool kSummary>
MOM_KERNEL(kScanThreads, 6)
scan_forward(const ScanInputs in, const ScanOutputs out, const ScanPieces pieces) {
  MOM_SHARED(float, step_tile, kScanTile);
  MOM_SHARED(float, du_tile, kScanTile);
  MOM_SHARED(float, y_tile, kSummary ? 1 : kScanTile);
  MOM_SHARED(float, b_tile, kScanPositions* kGroupStates);
  MOM_SHARED(float, c_tile, kSummary ? 1 : kScanPositions* kGroupStates);
  const Stretch piece = stretch_of_slot(in.offsets, in.num_sequences, block_x(), pieces.length);
  if (!piece.exists || (kSummary && piece.last)) return;
  const ScanPlace place;
  const int groups = static_cast<int>((in.num_states + kGroupStates - 1) / kGroupStates);
  float* waiting = pieces.states != nullptr ? pieces.states + block_x() * state_size(in) : nullptr;
  float h[kLaneStates] = {}, a[kLaneStates], step_sum = 0.0f;
  for (int group = 0; group < groups; ++group) {
    if (!kSummary && pieces.several) {
      read_nd(in, place, group, waiting, h);
      continue;
    }
    if (!kSummary && in.initial != nullptr)
      read_dn(in, place, group, in.initial + piece.sequence * state_size(in), h);
    if (groups > 1) write_nd(in, place, group, h, waiting);
  }
  if (groups == 1) read_rates(in, place, 0, a);
  for (int64_t begin = piece.begin; begin < piece.end; begin += kScanChunk) {
    const int64_t end = begin + kScanChunk < piece.end ? begin + kScanChunk : piece.end;
    const int length = static_cast<int>(end - begin);
    stage_inputs<Access>(in, begin, end, step_tile, du_tile, kSummary ? nullptr : y_tile);
    for (int group = 0; group < groups; ++group) {
      stage_coefficients(in, in.b, begin, end, group, b_tile);
      if (!kSummary) stage_coefficients(in, in.c, begin, end, group, c_tile);
      if (groups > 1) {
        read_rates(in, place, group, a);
        read_nd(in, place, group, waiting, h);
      }
      if (!kSummary && out.chunk_states != nullptr)
        write_nd(in, place, group, h, out.chunk_states + chunk_state_at(in, piece.sequence, begin));
      barrier();
      advance<kSummary>(place, length, a, step_tile, du_tile, b_tile, c_tile, h, y_tile);
      if (groups > 1) write_nd(in, place, group, h, waiting);
      barrier();
    }
    if constexpr (kSummary) {
      for (int t = 0; t < length; ++t) step_sum += step_tile[t * kScanStride + place.channel];
    } else {
      write_outputs<Access>(in, out.y, begin, end, y_tile);
    }
    barrier();
  }
  for (int group = 0; group < groups; ++group) {
    if (groups > 1) read_nd(in, place, group, waiting, h);
    if (kSummary) {
      write_nd(in, place, group, h, waiting);
    } else if (piece.last) {
      write_dn(in, place, group, h, out.final_state + piece.sequence * state_size(in));
    }
  }
  if (kSummary && place.quarter == 0 && place.d < in.num_channels)
    pieces.steps[block_x() * in.num_channels + place.d] = step_sum;
}

// From the pieces' summaries, the state before each: a thread for a state of a sequence, channels side by side.
MOM_KERNEL(256, 4)
carry_states(const ScanInputs in, const ScanPieces pieces) {
  const int64_t index = block_x() * 256 + thread_index();
  if (index >= in.num_sequences * state_size(in)) return;
  const int64_t sequence = index / state_size(in), n = index % state_size(in) / in.num_channels,
                d = index % in.num_channels;
  const float a = in.a[d * in.num_states + n] * kScanLog2E;
  float h = in.initial != nullptr ? in.initial[(sequence * in.num_channels + d) * in.num_states + n] : 0.0f;
  int64_t slot = first_slot(in.offsets, sequence, pieces.length);
  for (int64_t begin = in.offsets[sequence];; begin += pieces.length, ++slot) {
    float& state = pieces.states[slot * state_size(in) + n * in.num_channels + d];
    const bool last = begin + pieces.length >= in.offsets[sequence + 1];
    const float from_zero = last ? 0.0f : state;
    state = h;
    if (last) return;
    h = fma(decay(a * pieces.steps[slot * in.num_channels + d]), h, from_zero);
  }
}

}  // namespace

int64_t scan_chunk_state_size(const ScanInputs& in) {
  return num_slots(in.num_tokens, in.num_sequences, kScanChunk) * in.num_channels * in.num_states;
}

int64_t scan_forward_workspace_size(const ScanInputs& in) { return cut_scan(in, nullptr).floats; }

void selective_scan_forward(const ScanInputs& in, const ScanOutputs& out, float* workspace, Stream stream) {
  const ScanPieces pieces = cut_scan(in, workspace);
  const Grid grid{pieces.slots, ceil_div(in.num_channels, kScanChannels)};
  with_access(
      [&](auto access) {
        using Access = decltype(access);
        if (pieces.several) {
          launch(scan_forward<Access, true>, grid, kScanThreads, stream, in, out, pieces);
          const int64_t states = in.num_sequences * in.num_channels * in.num_states;
          launch(carry_states, {ceil_div(states, 256)}, 256, stream, in, pieces);
        }
        launch(scan_forward<Access, false>, grid, kScanThreads, stream, in, out, pieces);
      },
      in.u, in.dt, in.gate, out.y);
}

}  // namespace mom::kernels::cuda
