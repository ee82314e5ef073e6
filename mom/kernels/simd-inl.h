// The only way to Highway: include it in a kernel file after the foreach_target lines, once per target.
// Vectors of floats, row access in f32 and bf16 with tails, and the elementary functions the kernels need.
// Error bounds stated here are truncation errors of the polynomials; f32 rounding adds to them (docs/numerics.md).

#if defined(MOM_KERNELS_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MOM_KERNELS_SIMD_INL_H_
#undef MOM_KERNELS_SIMD_INL_H_
#else
#define MOM_KERNELS_SIMD_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "mom/kernels/rows.h"

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;
constexpr Tag kTag;
constexpr int64_t kLanes = hn::MaxLanes(kTag);

HWY_INLINE Vec set(float value) { return hn::Set(kTag, value); }
HWY_INLINE Vec zero() { return hn::Zero(kTag); }
HWY_INLINE Vec load(const float* from) { return hn::Load(kTag, from); }
HWY_INLINE void store(Vec value, float* to) { hn::Store(value, kTag, to); }
HWY_INLINE Vec fma(Vec a, Vec b, Vec c) { return hn::MulAdd(a, b, c); }  // a * b + c

// 2^n * mantissa, where `shifted` = n + 1.5 * 2^23 holds n in its low bits.
HWY_INLINE Vec scale_by_power(Vec mantissa, Vec shifted) {
  const hn::RebindToSigned<Tag> di;
  return hn::BitCast(kTag, hn::Add(hn::BitCast(di, mantissa), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}
constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer

// NaN stays: of two operands the processor's minimum and maximum return the second where one is NaN,
// Highway's scalar ones the number.
HWY_INLINE Vec clamp(float low, Vec x, float high) {
#if HWY_TARGET == HWY_SCALAR
  return hn::IfThenElse(hn::Lt(x, set(low)), set(low), hn::IfThenElse(hn::Gt(x, set(high)), set(high), x));
#else
  return hn::Max(set(low), hn::Min(set(high), x));
#endif
}

// 2^x; relative error at most 2.1e-7, and exact at 0, so that slow decays stay slow. NaN stays. AVX-512 has
// the instructions for both ends, and x is clamped to [-126, 127.5] elsewhere.
HWY_INLINE Vec exp2(Vec x) {
#if HWY_TARGET == HWY_AVX3
  const Vec r{_mm512_reduce_ps(x.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};  // x - round(x)
  const Vec n = hn::Sub(x, r);
#else
  x = clamp(-126.0f, x, 127.5f);
  const Vec shifted = hn::Add(x, set(kRoundMagic));
  const Vec r = hn::Sub(x, hn::Sub(shifted, set(kRoundMagic)));
#endif
  Vec p = fma(set(0.00133813025f), r, set(0.00966636852f));
  p = fma(p, r, set(0.0555038101f));
  p = fma(p, r, set(0.24022349f));
  p = fma(p, r, set(0.693147181f));
  p = fma(p, r, set(1.0f));
#if HWY_TARGET == HWY_AVX3
  return Vec{_mm512_scalef_ps(p.raw, n.raw)};
#else
  return scale_by_power(p, shifted);
#endif
}

// exp(x) for x clamped to [-87.3, 88]; relative error at most 5.1e-9 (two-step argument reduction).
HWY_INLINE Vec exp(Vec x) {
  x = clamp(-87.3f, x, 88.0f);
  const Vec shifted = fma(x, set(1.44269504f), set(kRoundMagic));
  const Vec n = hn::Sub(shifted, set(kRoundMagic));
  const Vec r = hn::NegMulAdd(n, set(-2.12194440e-4f), hn::NegMulAdd(n, set(0.693359375f), x));
  Vec p = fma(set(0.00139336427f), r, set(0.00836914982f));
  p = fma(p, r, set(0.041666465f));
  p = fma(p, r, set(0.166665052f));
  p = fma(p, r, set(0.500000001f));
  p = fma(p, r, set(1.0f));
  p = fma(p, r, set(1.0f));
  return scale_by_power(p, shifted);
}

// log(1 + w) for w in [0, 1]; relative error at most 5.4e-9, also for tiny w.
HWY_INLINE Vec log1p_unit(Vec w) {
  Vec p = fma(set(-0.00317605702f), w, set(0.0195425273f));
  p = fma(p, w, set(-0.0563736128f));
  p = fma(p, w, set(0.105436238f));
  p = fma(p, w, set(-0.152696671f));
  p = fma(p, w, set(0.196632743f));
  p = fma(p, w, set(-0.249516163f));
  p = fma(p, w, set(0.333297105f));
  p = fma(p, w, set(-0.499998926f));
  p = fma(p, w, set(1.0f));
  return hn::Mul(p, w);
}

// 1 / x for x in [1, 2], relative error at most 1.2e-7.
HWY_INLINE Vec reciprocal(Vec x) {
#if HWY_TARGET == HWY_AVX3
  const Vec estimate = hn::ApproximateReciprocal(x);  // to 2^-14, then a step of Newton's
  return fma(estimate, hn::NegMulAdd(x, estimate, set(1.0f)), estimate);
#else
  return hn::Div(set(1.0f), x);
#endif
}

// Both keep their relative accuracy for very negative x, where they tend to exp(x), down to exp(-87.3).
struct SoftplusAndSlope {
  Vec value, slope;
};
HWY_INLINE Vec sigmoid_of(Vec x, Vec w) {  // w = exp(-|x|)
  const Vec above = hn::IfThenElse(hn::Lt(x, zero()), w, set(1.0f));
  return hn::Mul(above, reciprocal(hn::Add(set(1.0f), w)));
}
HWY_INLINE Vec sigmoid(Vec x) { return sigmoid_of(x, exp(hn::Neg(hn::Abs(x)))); }
HWY_INLINE Vec softplus(Vec x) { return hn::Add(hn::Max(zero(), x), log1p_unit(exp(hn::Neg(hn::Abs(x))))); }
HWY_INLINE SoftplusAndSlope softplus_and_slope(Vec x) {
  const Vec w = exp(hn::Neg(hn::Abs(x)));
  return {hn::Add(hn::Max(zero(), x), log1p_unit(w)), sigmoid_of(x, w)};
}
HWY_INLINE Vec silu(Vec x) { return hn::Mul(x, sigmoid(x)); }
HWY_INLINE Vec silu_slope(Vec x, Vec sigmoid_x) {  // s * (1 + x * (1 - s))
  return hn::Mul(sigmoid_x, fma(x, hn::Sub(set(1.0f), sigmoid_x), set(1.0f)));
}

HWY_INLINE float bf16_to_f32(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
HWY_INLINE uint16_t f32_to_bf16(float value) {  // to nearest even
  const auto bits = std::bit_cast<uint32_t>(value);
  if (value != value) return 0x7fc0;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// One element, any type.
HWY_INLINE float element(const Rows& rows, int64_t row, int64_t column) {
  const int64_t at = row * rows.stride + column;
  if (rows.type == Element::kF32) return static_cast<const float*>(rows.data)[at];
  return bf16_to_f32(static_cast<const uint16_t*>(rows.data)[at]);
}

// How a kernel reads and writes rows: whole vectors of one type, which compile to single instructions, or
// anything. `count` elements of a row are left from `column` on: missing ones read as zero and
// are not written.
template <Element kType>
struct WholeVectors {
  static HWY_INLINE Vec load(const Rows& rows, int64_t row, int64_t column, int64_t /*count*/) {
    const int64_t at = row * rows.stride + column;
    if constexpr (kType == Element::kF32) {
      return hn::LoadU(kTag, static_cast<const float*>(rows.data) + at);
    } else {
      const hn::Rebind<uint16_t, Tag> d16;
      const hn::RebindToUnsigned<Tag> d32;
      const auto bits = hn::LoadU(d16, static_cast<const uint16_t*>(rows.data) + at);
      return hn::BitCast(kTag, hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
    }
  }
  static HWY_INLINE void store(Vec value, const MutableRows& rows, int64_t row, int64_t column,
                               int64_t /*count*/) {
    const int64_t at = row * rows.stride + column;
    if constexpr (kType == Element::kF32) {
      hn::StoreU(value, kTag, static_cast<float*>(rows.data) + at);
    } else {
      const hn::Rebind<uint16_t, Tag> d16;
      const hn::RebindToUnsigned<Tag> d32;
      const auto bits = hn::BitCast(d32, value);
      const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1u));
      const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7fffu)));
      const auto nan = hn::BitCast(d32, hn::VecFromMask(kTag, hn::IsNaN(value)));
      const auto kept = hn::Or(hn::AndNot(nan, rounded), hn::And(nan, hn::Set(d32, 0x7fc00000u)));
      hn::StoreU(hn::TruncateTo(d16, hn::ShiftRight<16>(kept)), d16, static_cast<uint16_t*>(rows.data) + at);
    }
  }
  // Asks for the `width` elements from `column` on, soon to be read.
  static HWY_INLINE void prefetch(const void* data, int64_t stride, int64_t row, int64_t column,
                                  int64_t width) {
    constexpr int64_t kSize = kType == Element::kF32 ? 4 : 2;
    const char* from = static_cast<const char*>(data) + (row * stride + column) * kSize;
    for (int64_t at = 0; at < width * kSize; at += 64) __builtin_prefetch(from + at, 0, 2);
  }
};

struct AnyVectors {
  static HWY_INLINE Vec load(const Rows& rows, int64_t row, int64_t column, int64_t count) {
    if (count >= kLanes) {
      return rows.type == Element::kF32 ? WholeVectors<Element::kF32>::load(rows, row, column, count)
                                        : WholeVectors<Element::kBF16>::load(rows, row, column, count);
    }
    HWY_ALIGN float lanes[kLanes] = {};
    for (int64_t i = 0; i < count; ++i) lanes[i] = element(rows, row, column + i);
    return hn::Load(kTag, lanes);
  }
  static HWY_INLINE void store(Vec value, const MutableRows& rows, int64_t row, int64_t column,
                               int64_t count) {
    if (count >= kLanes) {
      if (rows.type == Element::kF32)
        return WholeVectors<Element::kF32>::store(value, rows, row, column, count);
      return WholeVectors<Element::kBF16>::store(value, rows, row, column, count);
    }
    const int64_t at = row * rows.stride + column;
    HWY_ALIGN float lanes[kLanes];
    hn::Store(value, kTag, lanes);
    for (int64_t i = 0; i < count; ++i) {
      if (rows.type == Element::kF32) {
        static_cast<float*>(rows.data)[at + i] = lanes[i];
      } else {
        static_cast<uint16_t*>(rows.data)[at + i] = f32_to_bf16(lanes[i]);
      }
    }
  }
  static HWY_INLINE void prefetch(const void*, int64_t, int64_t, int64_t, int64_t) {}
};

// Calls use(access) with the fastest access for these rows, ignoring absent ones; `whole` = full vectors only.
template <class Use, class... AnyRows>
HWY_INLINE void with_access(bool whole, const Use& use, const AnyRows&... rows) {
  const bool no_bf16 = ((rows.data == nullptr || rows.type == Element::kF32) && ...);
  const bool all_bf16 = ((rows.data == nullptr || rows.type == Element::kBF16) && ...);
  if (whole && no_bf16) {
    use(WholeVectors<Element::kF32>());
  } else if (whole && all_bf16) {
    use(WholeVectors<Element::kBF16>());
  } else {
    use(AnyVectors());
  }
}

HWY_INLINE Vec load_row(const Rows& rows, int64_t row, int64_t column, int64_t count) {
  return AnyVectors::load(rows, row, column, count);
}
HWY_INLINE void store_row(Vec value, const MutableRows& rows, int64_t row, int64_t column, int64_t count) {
  AnyVectors::store(value, rows, row, column, count);
}

// The lane sums of four vectors, as four floats.
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE void store_four_sums(Vec v0, Vec v1, Vec v2, Vec v3, float* to) {
  const Vec sums[] = {v0, v1, v2, v3};
  for (int i = 0; i < 4; ++i) store(sums[i], to + i);
}
#else
template <class Quad, class DAny>
HWY_INLINE void store_block_sum(Quad quad, DAny d, float* to) {
  if constexpr (hn::MaxLanes(d) <= 4) {
    hn::StoreU(quad, d, to);
  } else {
    const hn::Half<DAny> half;
    store_block_sum(hn::Add(hn::LowerHalf(half, quad), hn::UpperHalf(half, quad)), half, to);
  }
}
HWY_INLINE void store_four_sums(Vec v0, Vec v1, Vec v2, Vec v3, float* to) {
  const hn::RepartitionToWide<Tag> wide;
  const Vec s01 = hn::Add(hn::InterleaveLower(kTag, v0, v1), hn::InterleaveUpper(kTag, v0, v1));
  const Vec s23 = hn::Add(hn::InterleaveLower(kTag, v2, v3), hn::InterleaveUpper(kTag, v2, v3));
  const auto w01 = hn::BitCast(wide, s01), w23 = hn::BitCast(wide, s23);
  store_block_sum(hn::Add(hn::BitCast(kTag, hn::InterleaveLower(wide, w01, w23)),
                          hn::BitCast(kTag, hn::InterleaveUpper(wide, w01, w23))),
                  kTag, to);
}
#endif

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
