#include "mom/kernels/cuda/causal_conv1d.h"

#include "mom/kernels/cuda/device_rows.h"
#include "mom/kernels/cuda/partial_sums.h"

namespace mom::kernels::cuda {
namespace {

constexpr int kConvThreads = 128, kAhead = 8;
constexpr int64_t kConvRun = 128;  // positions
constexpr int kMaxTaps = static_cast<int>(kMaxConvTaps);

// The input at a position of the sequence, or at one of the K - 1 before it.
template <class Access>
MOM_DEVICE float input_at(const ConvInputs& in, int64_t sequence, int64_t position, int64_t d) {
  const int64_t start = in.offsets[sequence];
  if (position >= start) return Access::load(in.x, row_of(in, position), d);
  if (in.initial == nullptr) return 0.0f;
  const int64_t slot = position - start + in.num_taps - 1;
  return in.initial[(sequence * (in.num_taps - 1) + slot) * in.num_channels + d];
}

// Weights and the inputs under them: the last of kTaps is tap K - 1. With fewer taps the first ones stay zero.
template <class Access, int kTaps>
struct Window {
  float weight[kTaps], x[kTaps], bias;
  int missing;

  MOM_DEVICE Window(const ConvInputs& in, int64_t sequence, int64_t begin, int64_t d)
      : missing(kTaps == kMaxTaps ? kTaps - static_cast<int>(in.num_taps) : 0) {
    MOM_UNROLL
    for (int k = 0; k < kTaps; ++k) {
      const int tap = k - missing;
      weight[k] = tap >= 0 ? in.weight[tap * in.num_channels + d] : 0.0f;
      const bool before = tap >= 0 && k + 1 < kTaps;
      x[k] = before ? input_at<Access>(in, sequence, begin - (in.num_taps - 1) + tap, d) : 0.0f;
    }
    bias = in.bias != nullptr ? in.bias[d] : 0.0f;
  }
  // The sum before the activation where `newest` is the last input.
  MOM_DEVICE float sum_with(float newest) {
    x[kTaps - 1] = newest;
    float sum = bias;
    MOM_UNROLL
    for (int k = 0; k < kTaps; ++k) sum = fma(x[k], weight[k], sum);
    return sum;
  }
  MOM_DEVICE void slide() {
    MOM_UNROLL
    for (int k = 0; k + 1 < kTaps; ++k) x[k] = k >= missing ? x[k + 1] : 0.0f;
  }
};

template <class Access, int kTaps>
MOM_KERNEL(kConvThreads, 4)
conv_forward(const ConvInputs in, const MutableRows y, float* final_state) {
  const Stretch run = stretch_of_slot(in.offsets, in.num_sequences, block_x(), kConvRun);
  const int64_t d = block_y() * kConvThreads + thread_index();
  if (!run.exists || d >= in.num_channels) return;
  Window<Access, kTaps> window(in, run.sequence, run.begin, d);
  for (int64_t begin = run.begin; begin < run.end; begin += kAhead) {
    float x[kAhead];
    MOM_UNROLL
    for (int i = 0; i < kAhead; ++i)
      x[i] = begin + i < run.end ? Access::load(in.x, row_of(in, begin + i), d) : 0.0f;
    MOM_UNROLL
    for (int i = 0; i < kAhead; ++i) {
      if (begin + i >= run.end) break;
      float sum = window.sum_with(x[i]);
      if (in.silu) sum *= sigmoid(sum);
      Access::store(sum, y, row_of(in, begin + i), d);
      window.slide();
    }
  }
  if (!run.last) return;
  const int64_t states = in.num_taps - 1;
  for (int64_t slot = 0; slot < states; ++slot)
    final_state[(run.sequence * states + slot) * in.num_channels + d] =
        input_at<Access>(in, run.sequence, run.end - states + slot, d);
}

// dpre, the gradient before the activation, at position q reaches back to inputs q - (K - 1) .. q: input p is complete when
// q = p + K - 1. The first run of a sequence also has the inputs before it.
template <class Access, int kTaps>
MOM_KERNEL(kConvThreads, 4)
conv_backward(const ConvInputs in, const ConvGradients grad, float* partials) {
  const Stretch run = stretch_of_slot(in.offsets, in.num_sequences, block_x(), kConvRun);
  const int64_t d = block_y() * kConvThreads + thread_index(), states = in.num_taps - 1;
  if (d >= in.num_channels) return;
  const int taps = kTaps == kMaxTaps ? static_cast<int>(in.num_taps) : kTaps;
  float weight_sum[kTaps] = {}, bias_sum = 0.0f;
  if (run.exists) {
    const int64_t start = in.offsets[run.sequence], stop = in.offsets[run.sequence + 1];
    Window<Access, kTaps> window(in, run.sequence, run.begin, d);
    float weight[kTaps], dpre[kTaps] = {};  // by tap; the last is the newest
    MOM_UNROLL
    for (int k = 0; k < kTaps; ++k) weight[k] = k < taps ? in.weight[k * in.num_channels + d] : 0.0f;
    for (int64_t q = run.begin; q < run.end + states; ++q) {
      float newest = 0.0f;
      if (q < stop) {
        const int64_t row = row_of(in, q);
        const float sum = window.sum_with(Access::load(in.x, row, d));
        newest = Access::load(grad.y, row, d);
        if (in.silu) {
          const float s = sigmoid(sum);
          newest *= s * fma(sum, 1.0f - s, 1.0f);
        }
        if (q < run.end) {
          bias_sum += newest;
          MOM_UNROLL
          for (int k = 0; k < kTaps; ++k) weight_sum[k] = fma(newest, window.x[k], weight_sum[k]);
        }
        window.slide();
      }
      MOM_UNROLL
      for (int k = 0; k + 1 < kTaps; ++k) dpre[k] = dpre[k + 1];
      dpre[kTaps - 1] = newest;
      const int64_t p = q - states, slot = p - (stop - states);
      if (p < run.begin && !run.first) continue;
      float dx = 0.0f;
      MOM_UNROLL
      for (int k = 0; k < kTaps; ++k)
        if (k < taps) dx = fma(dpre[kTaps - 1 - k], weight[k], dx);  // output q - k sees input p under tap k
      if (grad.final_state != nullptr && slot >= 0)
        dx += grad.final_state[(run.sequence * states + slot) * in.num_channels + d];
      if (p >= start) {
        Access::store(dx, grad.x, row_of(in, p), d);
      } else if (grad.initial != nullptr) {
        grad.initial[(run.sequence * states + p - start + states) * in.num_channels + d] = dx;
      }
    }
  }
  float* to = partials + block_x() * (in.num_taps + 1) * in.num_channels + d;
  MOM_UNROLL
  for (int k = 0; k < kTaps; ++k) {
    const int tap = k - (kTaps - taps);
    if (tap >= 0) to[tap * in.num_channels] = weight_sum[k];
  }
  to[in.num_taps * in.num_channels] = bias_sum;
}

Grid grid_of(const ConvInputs& in) {
  return {num_slots(in.num_tokens, in.num_sequences, kConvRun), ceil_div(in.num_channels, kConvThreads)};
}

}  // namespace

int64_t conv_backward_workspace_size(const ConvInputs& in) {
  return grid_of(in).x * (in.num_taps + 1) * in.num_channels;
}

void causal_conv1d_forward(const ConvInputs& in, const MutableRows& y, float* final_state_SKD,
                           Stream stream) {
  with_access(
      [&](auto access) {
        using Access = decltype(access);
        const auto kernel = in.num_taps == 4 ? conv_forward<Access, 4> : conv_forward<Access, kMaxTaps>;
        launch(kernel, grid_of(in), kConvThreads, stream, in, y, final_state_SKD);
      },
      in.x, y);
}

void causal_conv1d_backward(const ConvInputs& in, const ConvGradients& grad, float* workspace,
                            Stream stream) {
  with_access(
      [&](auto access) {
        using Access = decltype(access);
        const auto kernel = in.num_taps == 4 ? conv_backward<Access, 4> : conv_backward<Access, kMaxTaps>;
        launch(kernel, grid_of(in), kConvThreads, stream, in, grad, workspace);
      },
      in.x, grad.y, grad.x);
  const int64_t runs = grid_of(in).x, weights = in.num_taps * in.num_channels,
                stride = weights + in.num_channels;
  add_partials(workspace, runs, stride, weights, grad.weight, stream);
  if (grad.bias != nullptr)
    add_partials(workspace + weights, runs, stride, in.num_channels, grad.bias, stream);
}

}  // namespace mom::kernels::cuda
