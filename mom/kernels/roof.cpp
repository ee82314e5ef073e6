#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/roof.cpp"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/roof.h"
#include "mom/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

constexpr int kChains = 12;  // independent, to cover an instruction's latency

float multiply_adds(int64_t rounds, float one) {
  Vec sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = set(one * static_cast<float>(i));
  const Vec factor = set(one * 0.5f), term = set(one);
  for (int64_t r = 0; r < rounds; ++r) {
    for (int i = 0; i < kChains; ++i) sum[i] = fma(sum[i], factor, term);
  }
  Vec total = zero();
  for (const Vec& s : sum) total = hn::Add(total, s);
  return hn::GetLane(total);
}

constexpr int kExponents = 8;

float exponentials(int64_t rounds, float one) {
  Vec sum[kExponents], x[kExponents];
  for (int i = 0; i < kExponents; ++i) sum[i] = zero(), x[i] = set(-0.1f * one * static_cast<float>(i + 1));
  for (int64_t r = 0; r < rounds; ++r) {
    // The sums, which the compiler cannot predict, go into the next argument.
    for (int i = 0; i < kExponents; ++i) sum[i] = exp2(hn::Add(x[i], sum[i]));
  }
  Vec total = zero();
  for (const Vec& s : sum) total = hn::Add(total, s);
  return hn::GetLane(total);
}

int64_t lanes() { return kLanes; }

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {

HWY_EXPORT(multiply_adds);
HWY_EXPORT(exponentials);
HWY_EXPORT(lanes);

namespace {
volatile float one = 1.0f, sink = 0.0f;  // the compiler may neither know the values nor drop the loops
double elements(int64_t rounds, int64_t width) {
  return static_cast<double>(rounds * width * HWY_DYNAMIC_DISPATCH(lanes)());
}
}  // namespace

double run_multiply_adds(int64_t count) {
  apply_cpu_capability_from_environment();
  constexpr int64_t kWidth = 12;
  sink = HWY_DYNAMIC_DISPATCH(multiply_adds)(count / kWidth, one);
  return elements(count / kWidth, kWidth);
}

double run_exponentials(int64_t count) {
  apply_cpu_capability_from_environment();
  constexpr int64_t kWidth = 8;
  sink = HWY_DYNAMIC_DISPATCH(exponentials)(count / kWidth, one);
  return elements(count / kWidth, kWidth);
}

}  // namespace mom::kernels
#endif
