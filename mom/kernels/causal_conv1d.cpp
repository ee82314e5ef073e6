#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/causal_conv1d.cpp"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <algorithm>
#include <memory>
#include <vector>

#include "mom/kernels/causal_conv1d.h"
#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/scratch.h"
#include "mom/kernels/simd-inl.h"

#ifndef MOM_KERNELS_CONV_TILE
#define MOM_KERNELS_CONV_TILE
namespace mom::kernels {

constexpr int64_t kConvRun = 128;  // positions per tile

struct ConvTile {
  int64_t sequence, begin, end;  // positions
};

// Position -> row; positions before the sequence are rows of the initial state.
struct ConvSource {
  const ConvInputs& in;
  int64_t sequence;
  int64_t start() const { return in.offsets[sequence]; }
  int64_t end() const { return in.offsets[sequence + 1]; }
  int64_t row(int64_t position) const { return in.order ? in.order[position] : position; }
  // Row of the initial or final state for a position before the start, or in the last K - 1.
  int64_t state_row(int64_t slot) const { return sequence * (in.num_taps - 1) + slot; }
};

}  // namespace mom::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {
namespace {

HWY_INLINE Vec input_at(const ConvSource& source, int64_t position, int64_t column, int64_t count) {
  const ConvInputs& in = source.in;
  if (position >= source.start()) return load_row(in.x, source.row(position), column, count);
  if (!in.initial) return zero();
  const int64_t slot = position - source.start() + in.num_taps - 1;
  return load_row({in.initial, in.num_channels, Element::kF32}, source.state_row(slot), column, count);
}

HWY_INLINE Vec channels(const float* values, int64_t column, int64_t count) {
  return load_row({values, 0, Element::kF32}, 0, column, count);
}

// Weights of one vector of channels, and the sum before the activation.
struct Filter {
  Vec weight[kMaxConvTaps], bias;
  int64_t num_taps;
  HWY_INLINE Filter(const ConvInputs& in, int64_t column, int64_t count) : num_taps(in.num_taps) {
    for (int64_t k = 0; k < num_taps; ++k)
      weight[k] = channels(in.weight + k * in.num_channels, column, count);
    bias = in.bias ? channels(in.bias, column, count) : zero();
  }
};

// Slides over positions; window[k] is the input under tap k.
template <int kTaps, class Use>
HWY_INLINE void slide(const ConvSource& source, const Filter& filter, int64_t begin, int64_t end,
                      int64_t column, int64_t count, const Use& use) {
  Vec window[kTaps];
  for (int k = 0; k + 1 < kTaps; ++k) window[k] = input_at(source, begin - (kTaps - 1) + k, column, count);
  for (int64_t p = begin; p < end; ++p) {
    window[kTaps - 1] = load_row(source.in.x, source.row(p), column, count);
    Vec sum = filter.bias;
    for (int k = 0; k < kTaps; ++k) sum = fma(window[k], filter.weight[k], sum);
    use(p, sum, window);
    for (int k = 0; k + 1 < kTaps; ++k) window[k] = window[k + 1];
  }
}

template <int kTaps>
void forward_vector(const ConvSource& source, const ConvTile& tile, const MutableRows& y, int64_t column,
                    int64_t count) {
  const Filter filter(source.in, column, count);
  slide<kTaps>(source, filter, tile.begin, tile.end, column, count,
               [&](int64_t p, Vec sum, const Vec*) HWY_ATTR {
                 store_row(source.in.silu ? silu(sum) : sum, y, source.row(p), column, count);
               });
}

// The last K - 1 inputs. Written by the tile that ends its sequence.
void write_final_state(const ConvSource& source, float* final_state) {
  const ConvInputs& in = source.in;
  const MutableRows states{final_state, in.num_channels, Element::kF32};
  for (int64_t slot = 0; slot + 1 < in.num_taps; ++slot) {
    for (int64_t column = 0; column < in.num_channels; column += kLanes) {
      const int64_t count = in.num_channels - column;
      store_row(input_at(source, source.end() - (in.num_taps - 1) + slot, column, count), states,
                source.state_row(slot), column, count);
    }
  }
}

// Gradients of one vector of channels over a run of positions. `memory` holds dpre, the gradient before the
// activation, of the run and the K - 1 positions after it, which reach back into it.
template <int kTaps>
void backward_vector(const ConvSource& source, const ConvTile& tile, const ConvGradients& grad,
                     float* partial, int64_t column, int64_t count, float* dpre) {
  const ConvInputs& in = source.in;
  const Filter filter(in, column, count);
  const int64_t reach = std::min(source.end(), tile.end + kTaps - 1);
  Vec weight_sum[kTaps], bias_sum = zero();
  for (int k = 0; k < kTaps; ++k) weight_sum[k] = zero();
  slide<kTaps>(source, filter, tile.begin, reach, column, count,
               [&](int64_t p, Vec sum, const Vec* window) HWY_ATTR {
                 Vec d = load_row(grad.y, source.row(p), column, count);
                 if (in.silu) d = hn::Mul(d, silu_slope(sum, sigmoid(sum)));
                 store(d, dpre + (p - tile.begin) * kLanes);
                 if (p >= tile.end) return;
                 bias_sum = hn::Add(bias_sum, d);
                 for (int k = 0; k < kTaps; ++k) weight_sum[k] = fma(d, window[k], weight_sum[k]);
               });
  // The first tile also owns the inputs before the sequence, the last one's inputs may be in the final state.
  const int64_t first = tile.begin == source.start() ? tile.begin - (kTaps - 1) : tile.begin;
  const Rows dfinal{grad.final_state, in.num_channels, Element::kF32};
  const MutableRows dinitial{grad.initial, in.num_channels, Element::kF32};
  for (int64_t p = first; p < tile.end; ++p) {
    Vec d = zero();
    for (int k = 0; k < kTaps; ++k) {  // output q sees input p under tap k
      const int64_t q = p + kTaps - 1 - k;
      if (q >= tile.begin && q < reach) d = fma(load(dpre + (q - tile.begin) * kLanes), filter.weight[k], d);
    }
    const int64_t slot = p - (source.end() - (kTaps - 1));
    if (grad.final_state && slot >= 0)
      d = hn::Add(d, load_row(dfinal, source.state_row(slot), column, count));
    if (p >= source.start()) {
      store_row(d, grad.x, source.row(p), column, count);
    } else if (grad.initial) {
      store_row(d, dinitial, source.state_row(p - source.start() + kTaps - 1), column, count);
    }
  }
  const MutableRows sums{partial, in.num_channels, Element::kF32};
  for (int k = 0; k < kTaps; ++k) store_row(weight_sum[k], sums, k, column, count);
  store_row(bias_sum, sums, kTaps, column, count);
}

}  // namespace

template <int kTaps>
void forward_run(const ConvSource& source, const ConvTile& tile, const MutableRows& y, float* final_state) {
  for (int64_t column = 0; column < source.in.num_channels; column += kLanes) {
    forward_vector<kTaps>(source, tile, y, column, source.in.num_channels - column);
  }
  if (tile.end == source.end()) write_final_state(source, final_state);
}

template <int kTaps>
void backward_run(const ConvSource& source, const ConvTile& tile, const ConvGradients& grad, float* partial) {
  Scratch scratch((kConvRun + kMaxConvTaps) * kLanes);
  float* dpre = scratch.take((kConvRun + kMaxConvTaps) * kLanes);
  for (int64_t column = 0; column < source.in.num_channels; column += kLanes) {
    backward_vector<kTaps>(source, tile, grad, partial, column, source.in.num_channels - column, dpre);
  }
}

void conv_forward_tile(const ConvInputs& in, const ConvTile& tile, const MutableRows& y, float* final_state) {
  const ConvSource source{in, tile.sequence};
  constexpr decltype(&forward_run<1>) kByTaps[] = {forward_run<1>, forward_run<2>, forward_run<3>,
                                                   forward_run<4>, forward_run<5>, forward_run<6>,
                                                   forward_run<7>, forward_run<8>};
  kByTaps[in.num_taps - 1](source, tile, y, final_state);
}

void conv_backward_tile(const ConvInputs& in, const ConvTile& tile, const ConvGradients& grad,
                        float* partial) {
  const ConvSource source{in, tile.sequence};
  constexpr decltype(&backward_run<1>) kByTaps[] = {backward_run<1>, backward_run<2>, backward_run<3>,
                                                    backward_run<4>, backward_run<5>, backward_run<6>,
                                                    backward_run<7>, backward_run<8>};
  kByTaps[in.num_taps - 1](source, tile, grad, partial);
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {
namespace {

// An empty sequence has one empty tile: its state still passes through.
std::vector<ConvTile> cut_into_tiles(const ConvInputs& in) {
  std::vector<ConvTile> tiles;
  for (int64_t s = 0; s < in.num_sequences; ++s) {
    int64_t begin = in.offsets[s];
    do {
      const int64_t end = std::min(in.offsets[s + 1], begin + kConvRun);
      tiles.push_back({s, begin, end});
      begin = end;
    } while (begin < in.offsets[s + 1]);
  }
  return tiles;
}

}  // namespace

HWY_EXPORT(conv_forward_tile);
HWY_EXPORT(conv_backward_tile);

void causal_conv1d_forward(const ConvInputs& in, const MutableRows& y, float* final_state_SKD,
                           const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  const std::vector<ConvTile> tiles = cut_into_tiles(in);
  parallel_for(static_cast<int64_t>(tiles.size()), [&](int64_t i) {
    HWY_DYNAMIC_DISPATCH(conv_forward_tile)(in, tiles[i], y, final_state_SKD);
  });
}

void causal_conv1d_backward(const ConvInputs& in, const ConvGradients& grad,
                            const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  const std::vector<ConvTile> tiles = cut_into_tiles(in);
  const int64_t size = (in.num_taps + 1) * in.num_channels;  // sums of one tile: weights, then bias
  const std::unique_ptr<float[]> partials(new float[tiles.size() * size]);
  parallel_for(static_cast<int64_t>(tiles.size()), [&](int64_t i) {
    HWY_DYNAMIC_DISPATCH(conv_backward_tile)(in, tiles[i], grad, partials.get() + i * size);
  });
  std::vector<float> sums(size, 0.0f);  // in order of tiles
  for (size_t tile = 0; tile < tiles.size(); ++tile) {
    for (int64_t i = 0; i < size; ++i) sums[i] += partials[tile * size + i];
  }
  const auto bias_sums = sums.begin() + in.num_taps * in.num_channels;
  std::copy(sums.begin(), bias_sums, grad.weight);
  if (grad.bias) std::copy(bias_sums, sums.end(), grad.bias);
}

}  // namespace mom::kernels
#endif
