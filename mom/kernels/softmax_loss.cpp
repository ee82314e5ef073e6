#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/softmax_loss.cpp"
#include "mom/base/rounding.h"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <cmath>
#include <limits>

#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/simd-inl.h"
#include "mom/kernels/softmax_loss.h"

#ifndef MOM_KERNELS_SOFTMAX_ROWS
#define MOM_KERNELS_SOFTMAX_ROWS
namespace mom::kernels {
constexpr int64_t kSoftmaxRows = 8;  // rows per tile
struct SoftmaxLoss {
  MutableRows logits;
  int64_t num_rows, vocabulary;
  const int64_t* targets;
  float scale, z_weight;
  SoftmaxLossOutputs to;
};
}  // namespace mom::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {
namespace {

// exp((logits - largest) * rate), which are kept where `to` is not null; returns their sum. f32 in lanes over a stretch,
// stretches in f64: a vocabulary is long.
template <bool kKeep>
HWY_INLINE double exponentiate(const float* logits, int64_t vocabulary, float largest, float rate,
                               float* to) {
  constexpr int64_t kStretch = 64 * kLanes;
  double total = 0;
  int64_t v = 0;
  while (v + kLanes <= vocabulary) {
    Vec sum = zero();
    for (const int64_t end = v + kStretch; v < end && v + kLanes <= vocabulary; v += kLanes) {
      const Vec e = exp(hn::Mul(hn::Sub(hn::LoadU(kTag, logits + v), set(largest)), set(rate)));
      if (kKeep) hn::StoreU(e, kTag, to + v);
      sum = hn::Add(sum, e);
    }
    total += static_cast<double>(hn::GetLane(hn::SumOfLanes(kTag, sum)));
  }
  for (; v < vocabulary; ++v) {
    const float e = std::exp((logits[v] - largest) * rate);
    if (kKeep) to[v] = e;
    total += static_cast<double>(e);
  }
  return total;
}

HWY_INLINE float largest_of(const float* logits, int64_t vocabulary) {
  Vec largest = set(-std::numeric_limits<float>::infinity());
  int64_t v = 0;
  for (; v + kLanes <= vocabulary; v += kLanes) largest = hn::Max(largest, hn::LoadU(kTag, logits + v));
  float found = hn::GetLane(hn::MaxOfLanes(kTag, largest));
  for (; v < vocabulary; ++v) found = logits[v] > found ? logits[v] : found;
  return found;
}

}  // namespace

float largest_of_row(const float* logits, int64_t vocabulary) { return largest_of(logits, vocabulary); }

double exponentials_of_row(const float* logits, int64_t vocabulary, float largest, float rate, float* to) {
  return to != nullptr ? exponentiate<true>(logits, vocabulary, largest, rate, to)
                       : exponentiate<false>(logits, vocabulary, largest, rate, to);
}

void softmax_loss_tile(const SoftmaxLoss& work, int64_t tile) {
  const Rows exponentials{work.logits.data, work.logits.stride, Element::kF32};
  const int64_t end = std::min(work.num_rows, (tile + 1) * kSoftmaxRows);
  for (int64_t row = tile * kSoftmaxRows; row < end; ++row) {
    float* logits = static_cast<float*>(work.logits.data) + row * work.logits.stride;
    const int64_t target = work.targets[row];
    const float of_target = logits[target], largest = largest_of(logits, work.vocabulary);
    const auto sum = static_cast<float>(exponentiate<true>(logits, work.vocabulary, largest, 1, logits));
    work.to.loss[row] = std::log(sum) + (largest - of_target);
    const float log_sum = std::log(sum) + largest;
    if (work.to.log_sum) work.to.log_sum[row] = log_sum;
    if (!work.to.gradient.data) continue;
    const float of_softmax = 1.0f + 2.0f * work.z_weight * log_sum;
    const Vec factor = set(work.scale * of_softmax / sum);
    const float at_target = work.scale * (of_softmax * (logits[target] / sum) - 1.0f);
    for (int64_t v = 0; v < work.vocabulary; v += kLanes) {
      const int64_t left = work.vocabulary - v;
      store_row(hn::Mul(load_row(exponentials, row, v, left), factor), work.to.gradient, row, v, left);
    }
    if (work.to.gradient.type == Element::kF32) {
      static_cast<float*>(work.to.gradient.data)[row * work.to.gradient.stride + target] = at_target;
    } else {
      static_cast<uint16_t*>(work.to.gradient.data)[row * work.to.gradient.stride + target] =
          f32_to_bf16(at_target);
    }
  }
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {

HWY_EXPORT(largest_of_row);
HWY_EXPORT(exponentials_of_row);
HWY_EXPORT(softmax_loss_tile);

float largest_logit(const float* logits, int64_t vocabulary) {
  apply_cpu_capability_from_environment();
  return HWY_DYNAMIC_DISPATCH(largest_of_row)(logits, vocabulary);
}

double sum_of_exponentials(const float* logits, int64_t vocabulary, float largest, float rate,
                           float* exponentials) {
  apply_cpu_capability_from_environment();
  return HWY_DYNAMIC_DISPATCH(exponentials_of_row)(logits, vocabulary, largest, rate, exponentials);
}

void softmax_loss(const MutableRows& logits, int64_t num_rows, int64_t vocabulary, const int64_t* targets,
                  float scale, float z_weight, const SoftmaxLossOutputs& outputs,
                  const ParallelFor& parallel_for) {
  apply_cpu_capability_from_environment();
  const SoftmaxLoss work{logits, num_rows, vocabulary, targets, scale, z_weight, outputs};
  parallel_for(ceil_div(num_rows, kSoftmaxRows), [&](int64_t tile) {
    HWY_DYNAMIC_DISPATCH(softmax_loss_tile)(work, tile);
  });
}

}  // namespace mom::kernels
#endif
