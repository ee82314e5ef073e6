#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/mamba_step.cpp"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/mamba_step.h"
#include "mom/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

// `count` floats, at most a vector of them; the rest reads as zero and is not written.
HWY_INLINE Vec load_some(const float* from, int64_t count) { return load_row({from, 0}, 0, 0, count); }
HWY_INLINE void store_some(Vec value, float* to, int64_t count) { store_row(value, {to, 0}, 0, 0, count); }

void conv_channels(const ConvStep& conv, int64_t begin, int64_t end, float* x, float* last) {
  const int64_t kept = conv.num_taps - 1, D = conv.num_channels;
  int64_t d = begin;
  // Four taps, as all published models have, a vector of channels at a time.
  for (; kept == 3 && d + kLanes <= end; d += kLanes) {
    Vec first, second, third;
    hn::LoadInterleaved3(kTag, last + 3 * d, first, second, third);
    const Vec now = hn::LoadU(kTag, x + d);
    Vec sum = conv.bias_D != nullptr ? hn::LoadU(kTag, conv.bias_D + d) : zero();
    sum = fma(hn::LoadU(kTag, conv.weight_KD + d), first, sum);
    sum = fma(hn::LoadU(kTag, conv.weight_KD + D + d), second, sum);
    sum = fma(hn::LoadU(kTag, conv.weight_KD + 2 * D + d), third, sum);
    sum = fma(hn::LoadU(kTag, conv.weight_KD + 3 * D + d), now, sum);
    hn::StoreInterleaved3(second, third, now, kTag, last + 3 * d);
    hn::StoreU(sum, kTag, x + d);
  }
  for (; d < end; ++d) {
    float* before = last + d * kept;
    float sum = conv.bias_D != nullptr ? conv.bias_D[d] : 0.0f;
    for (int64_t k = 0; k < kept; ++k) sum += conv.weight_KD[k * D + d] * before[k];
    sum += conv.weight_KD[kept * D + d] * x[d];
    for (int64_t k = 0; k + 1 < kept; ++k) before[k] = before[k + 1];
    if (kept > 0) before[kept - 1] = x[d];
    x[d] = sum;
  }
  for (d = begin; d < end; d += kLanes) store_some(silu(load_some(x + d, end - d)), x + d, end - d);
}

// What all channels of a token share, in registers where the states fill kVectors vectors; 0: any number of states.
template <int kVectors>
struct TokenInputs {
  TokenInputs(const float* b, const float* c) {
    for (int v = 0; v < kVectors; ++v)
      b_N[v] = hn::LoadU(kTag, b + v * kLanes), c_N[v] = hn::LoadU(kTag, c + v * kLanes);
  }
  // A channel's recurrence: its lane sums of h c are left in a vector.
  HWY_INLINE Vec step(const ScanStep&, Vec rate, Vec u, const float* a, float* h) const {
    Vec sum = zero();
    for (int v = 0; v < kVectors; ++v) {
      const Vec decay = exp2(hn::Mul(rate, hn::LoadU(kTag, a + v * kLanes)));
      const Vec state = fma(decay, hn::LoadU(kTag, h + v * kLanes), hn::Mul(u, b_N[v]));
      hn::StoreU(state, kTag, h + v * kLanes);
      sum = fma(state, c_N[v], sum);
    }
    return sum;
  }
  Vec b_N[kVectors], c_N[kVectors];
};

template <>
struct TokenInputs<0> {
  TokenInputs(const float* b, const float* c) : b_N(b), c_N(c) {}
  HWY_INLINE Vec step(const ScanStep& scan, Vec rate, Vec u, const float* a, float* h) const {
    Vec sum = zero();
    for (int64_t n = 0; n < scan.num_states; n += kLanes) {
      const int64_t left = scan.num_states - n;
      const Vec decay = exp2(hn::Mul(rate, load_some(a + n, left)));
      const Vec state = fma(decay, load_some(h + n, left), hn::Mul(u, load_some(b_N + n, left)));
      store_some(state, h + n, left);
      sum = fma(state, load_some(c_N + n, left), sum);
    }
    return sum;
  }
  const float *b_N, *c_N;
};

constexpr int64_t kStepChannels = 4;

template <int kVectors>
void scan_of(const ScanStep& scan, int64_t begin, int64_t end, const float* x, const float* dt,
             const float* b, const float* c, const float* gate, float* h, float* y) {
  constexpr int64_t kBlock = 64;
  constexpr float kLog2E = 1.44269504f;
  const TokenInputs<kVectors> inputs(b, c);
  HWY_ALIGN float steps[kBlock + 64], sums[kBlock + 64];
  const int64_t N = scan.num_states;
  for (int64_t first = begin; first < end; first += kBlock) {
    const int64_t count = std::min(kBlock, end - first);
    for (int64_t i = 0; i < count; i += kLanes)
      store(softplus(load_some(dt + first + i, count - i)), steps + i);
    for (int64_t i = 0; i < count; i += kStepChannels) {
      Vec sum[kStepChannels];
      for (int64_t j = 0; j < kStepChannels; ++j) {
        const int64_t d = first + i + j;
        sum[j] = i + j < count ? inputs.step(scan, set(steps[i + j] * kLog2E), set(steps[i + j] * x[d]),
                                             scan.A_DN + d * N, h + d * N)
                               : zero();
      }
      store_four_sums(sum[0], sum[1], sum[2], sum[3], sums + i);
    }
    for (int64_t i = 0; i < count; i += kLanes) {
      const int64_t left = count - i;
      const Vec out =
          fma(load_some(scan.D_D + first + i, left), load_some(x + first + i, left), load(sums + i));
      store_some(hn::Mul(out, silu(load_some(gate + first + i, left))), y + first + i, left);
    }
  }
}

void scan_channels(const ScanStep& scan, int64_t begin, int64_t end, const float* x, const float* dt,
                   const float* b, const float* c, const float* gate, float* h, float* y) {
  const auto run = scan.num_states == kLanes       ? scan_of<1>
                   : scan.num_states == 2 * kLanes ? scan_of<2>
                                                   : scan_of<0>;
  run(scan, begin, end, x, dt, b, c, gate, h, y);
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {

HWY_EXPORT(conv_channels);
HWY_EXPORT(scan_channels);

void conv_step(const ConvStep& conv, int64_t begin, int64_t end, float* x_D, float* last_DK) {
  apply_cpu_capability_from_environment();
  HWY_DYNAMIC_DISPATCH(conv_channels)(conv, begin, end, x_D, last_DK);
}

void scan_step(const ScanStep& scan, int64_t begin, int64_t end, const float* x_D, const float* dt_D,
               const float* b_N, const float* c_N, const float* gate_D, float* h_DN, float* y_D) {
  apply_cpu_capability_from_environment();
  HWY_DYNAMIC_DISPATCH(scan_channels)(scan, begin, end, x_D, dt_D, b_N, c_N, gate_D, h_DN, y_D);
}

}  // namespace mom::kernels
#endif
