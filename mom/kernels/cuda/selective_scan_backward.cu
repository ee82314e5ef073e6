#include "mom/kernels/cuda/scan_device.h"

namespace mom::kernels::cuda {
namespace {

constexpr int kRun = 8, kRuns = kScanPositions / kRun;  // positions whose decays and states are in registers

// Sums that other kernels finish, in a fixed order.
struct ScanPartials {
  int64_t padded_states = 0;      // whole groups
  float* coefficients = nullptr;  // [block of channels][row][gradient of b, of c][padded N]
  float* channels = nullptr;      // [slot][N + 2][D]: gradients of a, then skip, then dt_bias
};

// step, step * u and the gradient of the ungated y of a chunk; zero beyond its end and the last channel.
template <class Access, bool kSummary>
MOM_DEVICE void stage_inputs(const ScanInputs& in, const Rows& dy_rows, int64_t begin, int64_t end,
                             float* step_tile, float* du_tile, float* dy_tile) {
  constexpr int kAhead = kSummary ? 4 : 2;  // rows that a warp asks for before it waits
  const int64_t d = block_y() * kScanChannels + lane_index();
  const bool channel_exists = d < in.num_channels;
  const float bias = channel_exists ? channel_value(in.dt_bias, d) : 0.0f;
  MOM_NO_UNROLL
  for (int first = 0; first < kScanPositions; first += kAhead * kScanWarps) {
    float u[kAhead], dt[kAhead], dy[kAhead];
    MOM_UNROLL
    for (int i = 0; i < kAhead; ++i) {
      const int64_t position = begin + first + i * kScanWarps + warp_index();
      const bool exists = channel_exists && position < end;
      const int64_t row = exists ? row_of(in, position) : 0;
      if (!kSummary) u[i] = exists ? Access::load(in.u, row, d) : 0.0f;
      dt[i] = exists ? Access::load(in.dt, row, d) : 0.0f;
      dy[i] = exists ? Access::load(dy_rows, row, d) : 0.0f;
      if (in.gate.data != nullptr) {
        const float gate = exists ? Access::load(in.gate, row, d) : 0.0f;
        dy[i] *= gate * sigmoid(gate);
      }
    }
    MOM_UNROLL
    for (int i = 0; i < kAhead; ++i) {
      const int t = first + i * kScanWarps + warp_index(), at = t * kScanStride + lane_index();
      const float step = step_of(in, dt[i], bias, channel_exists && begin + t < end);
      step_tile[at] = step;
      if (!kSummary) du_tile[at] = step * u[i];
      dy_tile[at] = dy[i];
    }
  }
}

// The gradient of the state that a piece takes in, from zero behind it: what is added to exp(a sum(step)) times the
// gradient that comes from behind. All pieces but the first of a sequence, whose own is found by the main kernel.
template <class Access>
MOM_KERNEL(kScanThreads, 6)
scan_backward_summary(const ScanInputs in, const ScanGradients grad, const ScanPieces pieces) {
  MOM_SHARED(float, step_tile, kScanTile);
  MOM_SHARED(float, dy_tile, kScanTile);
  MOM_SHARED(float, c_tile, kScanPositions* kGroupStates);
  const Stretch piece = stretch_of_slot(in.offsets, in.num_sequences, block_x(), pieces.length);
  if (!piece.exists || piece.first) return;
  const ScanPlace place;
  const int groups = static_cast<int>((in.num_states + kGroupStates - 1) / kGroupStates);
  float* waiting = pieces.states + block_x() * state_size(in);
  float carry[kLaneStates] = {}, a[kLaneStates], step_sum = 0.0f;
  if (groups == 1) read_rates(in, place, 0, a);
  for (int group = 0; groups > 1 && group < groups; ++group) write_nd(in, place, group, carry, waiting);
  for (int64_t begin = last_chunk(piece); begin >= piece.begin; begin -= kScanChunk) {
    const int64_t end = begin + kScanChunk < piece.end ? begin + kScanChunk : piece.end;
    stage_inputs<Access, true>(in, grad.y, begin, end, step_tile, nullptr, dy_tile);
    for (int group = 0; group < groups; ++group) {
      stage_coefficients(in, in.c, begin, end, group, c_tile);
      if (groups > 1) {
        read_rates(in, place, group, a);
        read_nd(in, place, group, waiting, carry);
      }
      barrier();
      for (int t = static_cast<int>(end - begin) - 1; t >= 0; --t) {
        const int at = t * kScanStride + place.channel;
        const Four c = load_four(c_tile + t * kGroupStates + place.quarter * kLaneStates);
        const float step = step_tile[at], dy = dy_tile[at];
        if (group == 0) step_sum += step;
        MOM_UNROLL
        for (int j = 0; j < kLaneStates; ++j) carry[j] = fma(c.at[j], dy, carry[j]) * decay(step * a[j]);
      }
      if (groups > 1) write_nd(in, place, group, carry, waiting);
      barrier();
    }
  }
  if (groups == 1) write_nd(in, place, 0, carry, waiting);
  if (place.quarter == 0 && place.d < in.num_channels)
    pieces.steps[block_x() * in.num_channels + place.d] = step_sum;
}

// From the pieces' summaries, the gradient of the state behind each: a thread for a state of a sequence.
MOM_KERNEL(256, 4) carry_gradients(const ScanInputs in, const ScanGradients grad, const ScanPieces pieces) {
  const int64_t index = block_x() * 256 + thread_index();
  if (index >= in.num_sequences * state_size(in)) return;
  const int64_t sequence = index / state_size(in), n = index % state_size(in) / in.num_channels,
                d = index % in.num_channels;
  const float a = in.a[d * in.num_states + n] * kScanLog2E;
  const int64_t at_DN = (sequence * in.num_channels + d) * in.num_states + n;
  float carry = grad.final_state != nullptr ? grad.final_state[at_DN] : 0.0f;
  const int64_t length = in.offsets[sequence + 1] - in.offsets[sequence];
  const int64_t count = length > 0 ? (length + pieces.length - 1) / pieces.length : 1;
  const int64_t first = first_slot(in.offsets, sequence, pieces.length);
  for (int64_t slot = first + count - 1;; --slot) {
    float& state = pieces.states[slot * state_size(in) + n * in.num_channels + d];
    const float from_zero = slot == first ? 0.0f : state;
    state = carry;
    if (slot == first) return;
    carry = fma(decay(a * pieces.steps[slot * in.num_channels + d]), carry, from_zero);
  }
}

// A lane's sums over the eight channels of its warp: of eight values in each lane, the sum of one, whose number is
// the lane's three upper bits.
MOM_DEVICE float sum_of_channels(float* v) {
  const bool upper16 = (lane_index() & 16) != 0, upper8 = (lane_index() & 8) != 0,
             upper4 = (lane_index() & 4) != 0;
  MOM_UNROLL
  for (int i = 0; i < 4; ++i) v[i] = (upper16 ? v[i + 4] : v[i]) + shuffle_xor(upper16 ? v[i] : v[i + 4], 16);
  MOM_UNROLL
  for (int i = 0; i < 2; ++i) v[i] = (upper8 ? v[i + 2] : v[i]) + shuffle_xor(upper8 ? v[i] : v[i + 2], 8);
  return (upper4 ? v[1] : v[0]) + shuffle_xor(upper4 ? v[0] : v[1], 4);
}

// A block's tiles of a chunk.
struct BackwardTiles {
  float *step, *du, *dy;   // given
  float *dstep, *ddu, *y;  // sums over states: gradients of step (over ln 2) and of step * u, c . h
  float *b, *c;            // [position][16]
  float* starts;           // [run][state of lane][thread]: h before each run
  float* sums;             // [warp][position of run][b, c][16]
  float* of_positions;     // [gradient of skip, of dt_bias][thread]: sums over positions
};

// h before every run of the chunk.
MOM_DEVICE void find_starts(const BackwardTiles& tiles, const ScanPlace& place, int length, const float* a,
                            float* h) {
  for (int t = 0; t < length; ++t) {
    if (t % kRun == 0) {
      MOM_UNROLL
      for (int j = 0; j < kLaneStates; ++j)
        tiles.starts[(t / kRun * kLaneStates + j) * kScanThreads + thread_index()] = h[j];
      if (t + kRun >= length) return;
    }
    const int at = t * kScanStride + place.channel;
    const float step = tiles.step[at], du = tiles.du[at];
    const Four b = load_four(tiles.b + t * kGroupStates + place.quarter * kLaneStates);
    MOM_UNROLL
    for (int j = 0; j < kLaneStates; ++j) h[j] = fma(decay(step * a[j]), h[j], du * b.at[j]);
  }
}

// Forward through a run, keeping decays and states, and back.
MOM_DEVICE void run_back(const BackwardTiles& tiles, const ScanPlace& place, int run, const float* a,
                         float* carry, float* da) {
  float e[kRun][kLaneStates], h[kRun + 1][kLaneStates];
  MOM_UNROLL
  for (int j = 0; j < kLaneStates; ++j)
    h[0][j] = tiles.starts[(run * kLaneStates + j) * kScanThreads + thread_index()];
  MOM_UNROLL
  for (int half = 0; half < kRun; half += 4) {
    keep_order();
    float y[4] = {};
    MOM_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int k = half + i, t = run * kRun + k, at = t * kScanStride + place.channel;
      const int states_at = t * kGroupStates + place.quarter * kLaneStates;
      const float step = tiles.step[at], du = tiles.du[at];
      const Four b = load_four(tiles.b + states_at), c = load_four(tiles.c + states_at);
      MOM_UNROLL
      for (int j = 0; j < kLaneStates; ++j) {
        e[k][j] = decay(step * a[j]);
        h[k + 1][j] = fma(e[k][j], h[k][j], du * b.at[j]);
        y[i] = fma(c.at[j], h[k + 1][j], y[i]);
      }
    }
    tiles.y[(run * kRun + half + place.quarter) * kScanStride + place.channel] +=
        sum_of_quarters(y[0], y[1], y[2], y[3], place.quarter);
  }
  MOM_UNROLL
  for (int pair = kRun - 2; pair >= 0; pair -= 2) {
    keep_order();
    float dstep[2] = {}, ddu[2] = {};
    MOM_UNROLL
    for (int i = 1; i >= 0; --i) {
      const int k = pair + i, t = run * kRun + k, at = t * kScanStride + place.channel;
      const int states_at = t * kGroupStates + place.quarter * kLaneStates;
      const float step = tiles.step[at], du = tiles.du[at], dy = tiles.dy[at];
      const Four b = load_four(tiles.b + states_at), c = load_four(tiles.c + states_at);
      float sums[2 * kLaneStates];
      MOM_UNROLL
      for (int j = 0; j < kLaneStates; ++j) {
        const float dh = fma(c.at[j], dy, carry[j]);
        carry[j] = dh * e[k][j];
        const float dx = carry[j] * h[k][j];  // of step * a
        ddu[i] = fma(dh, b.at[j], ddu[i]);
        dstep[i] = fma(dx, a[j], dstep[i]);
        da[j] = fma(dx, step, da[j]);
        sums[j] = dh * du;
        sums[kLaneStates + j] = dy * h[k + 1][j];
      }
      const float sum = sum_of_channels(sums);
      const int value = lane_index() / 4, of_c = value / kLaneStates;  // which of the eight this lane has
      tiles.sums[((warp_index() * kRun + k) * 2 + of_c) * kGroupStates + place.quarter * kLaneStates +
                 value % kLaneStates] = sum;
    }
    // Quarters 0 and 1 have the pair's dstep, 2 and 3 its ddu.
    const float sum = sum_of_quarters(dstep[0], dstep[1], ddu[0], ddu[1], place.quarter);
    const int at = (run * kRun + pair + place.quarter % 2) * kScanStride + place.channel;
    (place.quarter < 2 ? tiles.dstep : tiles.ddu)[at] += sum;
  }
}

// Gradients of b and c at a run's positions, summed over the block's channels: warps in order.
MOM_DEVICE void write_coefficients(const ScanInputs& in, const ScanPartials& partials,
                                   const BackwardTiles& tiles, int64_t begin, int64_t end, int group) {
  constexpr int kSums = kRun * 2 * kGroupStates;
  for (int i = thread_index(); i < kSums; i += kScanThreads) {
    const int64_t position = begin + i / (2 * kGroupStates);
    if (position >= end) return;
    float sum = 0.0f;
    MOM_UNROLL
    for (int warp = 0; warp < kScanWarps; ++warp) sum += tiles.sums[warp * kSums + i];
    const int64_t row = block_y() * in.num_tokens + row_of(in, position);
    partials.coefficients[(row * 2 + i / kGroupStates % 2) * partials.padded_states + group * kGroupStates +
                          i % kGroupStates] = sum;
  }
}

// Gradients of u, dt and gate of a chunk, and sums over its positions.
template <class Access>
MOM_DEVICE void write_gradients(const ScanInputs& in, const ScanGradients& grad, const BackwardTiles& tiles,
                                int64_t begin, int64_t end) {
  const int64_t d = block_y() * kScanChannels + lane_index();
  if (d >= in.num_channels) return;
  const float skip = channel_value(in.skip, d), bias = channel_value(in.dt_bias, d);
  for (int64_t position = begin + warp_index(); position < end; position += kScanWarps) {
    const int at = static_cast<int>(position - begin) * kScanStride + lane_index();
    const int64_t row = row_of(in, position);
    const float u = Access::load(in.u, row, d), dy = tiles.dy[at], ddu = tiles.ddu[at];
    float ddt = fma(ddu, u, tiles.dstep[at] * kScanLn2);
    if (in.dt_softplus) ddt *= sigmoid(Access::load(in.dt, row, d) + bias);
    tiles.of_positions[thread_index()] += dy * u;
    tiles.of_positions[kScanThreads + thread_index()] += ddt;
    Access::store(ddt, grad.dt, row, d);
    Access::store(fma(ddu, tiles.step[at], skip * dy), grad.u, row, d);
    if (in.gate.data != nullptr) {
      const float gate = Access::load(in.gate, row, d), s = sigmoid(gate);
      const float slope = s * fma(gate, 1.0f - s, 1.0f), y = fma(skip, u, tiles.y[at]);
      Access::store(Access::load(grad.y, row, d) * slope * y, grad.gate, row, d);
    }
  }
}

// One piece of one sequence, for 32 channels.
template <class Access>
MOM_KERNEL(kScanThreads, 4)
scan_backward(const ScanInputs in, const ScanGradients grad, const ScanPieces pieces,
              const ScanPartials partials) {
  MOM_SHARED(float, step_tile, kScanTile);
  MOM_SHARED(float, du_tile, kScanTile);
  MOM_SHARED(float, dy_tile, kScanTile);
  MOM_SHARED(float, dstep_tile, kScanTile);
  MOM_SHARED(float, ddu_tile, kScanTile);
  MOM_SHARED(float, y_tile, kScanTile);
  MOM_SHARED(float, b_tile, kScanPositions* kGroupStates);
  MOM_SHARED(float, c_tile, kScanPositions* kGroupStates);
  MOM_SHARED(float, starts, kRuns* kLaneStates* kScanThreads);
  MOM_SHARED(float, sums, kScanWarps* kRun * 2 * kGroupStates);
  MOM_SHARED(float, of_positions, 2 * kScanThreads);
  const BackwardTiles tiles{step_tile, du_tile, dy_tile, dstep_tile, ddu_tile,    y_tile,
                            b_tile,    c_tile,  starts,  sums,       of_positions};
  const Stretch piece = stretch_of_slot(in.offsets, in.num_sequences, block_x(), pieces.length);
  const ScanPlace place;
  const int groups = static_cast<int>((in.num_states + kGroupStates - 1) / kGroupStates);
  float* waiting = pieces.states != nullptr ? pieces.states + block_x() * state_size(in) : nullptr;
  float* slot_sums = partials.channels + block_x() * (in.num_states + 2) * in.num_channels;
  float carry[kLaneStates] = {}, da[kLaneStates] = {}, a[kLaneStates];
  of_positions[thread_index()] = 0.0f, of_positions[kScanThreads + thread_index()] = 0.0f;
  for (int group = 0; group < groups; ++group) {
    if (groups > 1) write_nd(in, place, group, da, slot_sums);
    if (pieces.several) {
      if (piece.exists) read_nd(in, place, group, waiting, carry);
      continue;
    }
    if (piece.exists && grad.final_state != nullptr)
      read_dn(in, place, group, grad.final_state + piece.sequence * state_size(in), carry);
    if (groups > 1) write_nd(in, place, group, carry, waiting);
  }
  if (groups == 1) read_rates(in, place, 0, a);
  for (int64_t begin = last_chunk(piece); piece.exists && begin >= piece.begin; begin -= kScanChunk) {
    const int64_t end = begin + kScanChunk < piece.end ? begin + kScanChunk : piece.end;
    const int length = static_cast<int>(end - begin);
    stage_inputs<Access, false>(in, grad.y, begin, end, step_tile, du_tile, dy_tile);
    for (int i = thread_index(); i < kScanTile; i += kScanThreads)
      dstep_tile[i] = 0.0f, ddu_tile[i] = 0.0f, y_tile[i] = 0.0f;
    for (int group = 0; group < groups; ++group) {
      stage_coefficients(in, in.b, begin, end, group, b_tile);
      stage_coefficients(in, in.c, begin, end, group, c_tile);
      if (groups > 1) {
        read_rates(in, place, group, a);
        read_nd(in, place, group, waiting, carry);
        read_nd(in, place, group, slot_sums, da);
      }
      float h[kLaneStates];
      read_nd(in, place, group, grad.chunk_states + chunk_state_at(in, piece.sequence, begin), h);
      barrier();
      find_starts(tiles, place, length, a, h);
      for (int run = (length - 1) / kRun; run >= 0; --run) {
        run_back(tiles, place, run, a, carry, da);
        barrier();
        write_coefficients(in, partials, tiles, begin + run * kRun, end, group);
        barrier();
      }
      if (groups > 1) {
        write_nd(in, place, group, carry, waiting);
        write_nd(in, place, group, da, slot_sums);
      }
    }
    write_gradients<Access>(in, grad, tiles, begin, end);
    barrier();
  }
  for (int group = 0; group < groups; ++group) {
    if (groups > 1) read_nd(in, place, group, waiting, carry);
    if (groups == 1) write_nd(in, place, group, da, slot_sums);
    if (piece.exists && piece.first && grad.initial != nullptr)
      write_dn(in, place, group, carry, grad.initial + piece.sequence * state_size(in));
  }
  // Sums over positions, of the block's warps in order.
  barrier();
  const int64_t d = block_y() * kScanChannels + lane_index();
  if (warp_index() < 2 && d < in.num_channels) {
    float sum = 0.0f;
    MOM_UNROLL
    for (int warp = 0; warp < kScanWarps; ++warp)
      sum += of_positions[warp_index() * kScanThreads + warp * kWarp + lane_index()];
    slot_sums[(in.num_states + warp_index()) * in.num_channels + d] = sum;
  }
}

// Gradients of b and c: a thread for each of a row, over the blocks of channels in order.
MOM_KERNEL(256, 4)
add_coefficients(const ScanInputs in, const ScanGradients grad, const ScanPartials partials, int64_t blocks) {
  const int64_t index = block_x() * 256 + thread_index(), n = index % partials.padded_states;
  const int64_t row = index / partials.padded_states / 2;
  if (row >= in.num_tokens || n >= in.num_states) return;
  float sum = 0.0f;
  for (int64_t block = 0; block < blocks; ++block)
    sum += partials.coefficients[block * in.num_tokens * 2 * partials.padded_states + index];
  (index / partials.padded_states % 2 == 0 ? grad.b : grad.c)[row * in.num_states + n] = sum;
}

// Gradients of a, skip and dt_bias: a thread for each, over the slots in order.
MOM_KERNEL(256, 4)
add_channels(const ScanInputs in, const ScanGradients grad, const ScanPartials partials, int64_t slots) {
  const int64_t index = block_x() * 256 + thread_index(), d = index % in.num_channels,
                n = index / in.num_channels;
  if (n >= in.num_states + 2) return;
  float sum = 0.0f;
  for (int64_t slot = 0; slot < slots; ++slot)
    sum += partials.channels[slot * (in.num_states + 2) * in.num_channels + index];
  if (n < in.num_states) {
    grad.a[d * in.num_states + n] = sum;
  } else if (n == in.num_states && grad.skip != nullptr) {
    grad.skip[d] = sum;
  } else if (n > in.num_states && grad.dt_bias != nullptr) {
    grad.dt_bias[d] = sum;
  }
}

int64_t padded_states_of(const ScanInputs& in) { return round_up(in.num_states, kGroupStates); }
int64_t coefficients_size(const ScanInputs& in) {
  return ceil_div(in.num_channels, kScanChannels) * in.num_tokens * 2 * padded_states_of(in);
}

}  // namespace

int64_t scan_backward_workspace_size(const ScanInputs& in) {
  const ScanPieces pieces = cut_scan(in, nullptr);
  return pieces.floats + coefficients_size(in) + pieces.slots * (in.num_states + 2) * in.num_channels;
}

void selective_scan_backward(const ScanInputs& in, const ScanGradients& grad, float* workspace,
                             Stream stream) {
  const ScanPieces pieces = cut_scan(in, workspace);
  ScanPartials partials;
  partials.padded_states = padded_states_of(in);
  partials.coefficients = workspace + pieces.floats;
  partials.channels = partials.coefficients + coefficients_size(in);
  const Grid grid{pieces.slots, ceil_div(in.num_channels, kScanChannels)};
  with_access(
      [&](auto access) {
        using Access = decltype(access);
        if (pieces.several) {
          launch(scan_backward_summary<Access>, grid, kScanThreads, stream, in, grad, pieces);
          const int64_t states = in.num_sequences * in.num_channels * in.num_states;
          launch(carry_gradients, {ceil_div(states, 256)}, 256, stream, in, grad, pieces);
        }
        launch(scan_backward<Access>, grid, kScanThreads, stream, in, grad, pieces, partials);
      },
      in.u, in.dt, in.gate, grad.y, grad.u, grad.dt, grad.gate);
  launch(add_coefficients, {ceil_div(in.num_tokens * 2 * partials.padded_states, 256)}, 256, stream, in, grad,
         partials, grid.y);
  launch(add_channels, {ceil_div((in.num_states + 2) * in.num_channels, 256)}, 256, stream, in, grad,
         partials, pieces.slots);
}

}  // namespace mom::kernels::cuda
