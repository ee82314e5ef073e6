#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/matvec.cpp"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <cmath>

#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/matvec.h"
#include "mom/kernels/simd-inl.h"

#ifndef MOM_KERNELS_MATVEC_SHAPE
#define MOM_KERNELS_MATVEC_SHAPE
namespace mom::kernels {
constexpr int64_t kMatvecRows = 4;      // rows at once: their sums are independent
constexpr int64_t kMatvecTokens = 4;    // tokens at once, for one load of the weights
constexpr int64_t kMatvecAhead = 1024;  // bytes of a row asked for before they are read
}  // namespace mom::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

template <WeightType kType>
struct Weights {};

template <>
struct Weights<WeightType::kF32> {
  using Element = float;
  static HWY_INLINE Vec load(const float* from) { return hn::LoadU(kTag, from); }
  static HWY_INLINE float one(float weight) { return weight; }
};

template <>
struct Weights<WeightType::kBF16> {
  using Element = uint16_t;
  static HWY_INLINE Vec load(const uint16_t* from) {
    const hn::Rebind<uint16_t, Tag> d16;
    const hn::RebindToUnsigned<Tag> d32;
    return hn::BitCast(kTag, hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::LoadU(d16, from))));
  }
  static HWY_INLINE float one(uint16_t weight) { return bf16_to_f32(weight); }
};

template <>
struct Weights<WeightType::kInt8> {
  using Element = int8_t;
  static HWY_INLINE Vec load(const int8_t* from) {
    const hn::Rebind<int8_t, Tag> d8;
    const hn::RebindToSigned<Tag> d32;
    return hn::ConvertTo(kTag, hn::PromoteTo(d32, hn::LoadU(d8, from)));
  }
  static HWY_INLINE float one(int8_t weight) { return weight; }
};

// Dot products of kRows rows, `stride` elements apart, with kTokens tokens; sums[t * kMatvecRows + r].
template <WeightType kType, int kRows, int kTokens>
HWY_INLINE void dot_rows(const typename Weights<kType>::Element* weights, int64_t stride, int64_t count,
                         const float* const* x, float* sums) {
  using W = Weights<kType>;
  Vec sum[kTokens][kRows];
  for (int t = 0; t < kTokens; ++t)
    for (int r = 0; r < kRows; ++r) sum[t][r] = zero();
  int64_t column = 0;
  for (; column + kLanes <= count; column += kLanes) {
    Vec w[kRows];
    for (int r = 0; r < kRows; ++r) {
      __builtin_prefetch(reinterpret_cast<const char*>(weights + r * stride + column) + kMatvecAhead, 0, 3);
      w[r] = W::load(weights + r * stride + column);
    }
    for (int t = 0; t < kTokens; ++t) {
      const Vec u = hn::LoadU(kTag, x[t] + column);
      for (int r = 0; r < kRows; ++r) sum[t][r] = fma(w[r], u, sum[t][r]);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    const auto at = [&](int r) { return r < kRows ? sum[t][r < kRows ? r : 0] : zero(); };
    HWY_ALIGN float four[4];
    store_four_sums(at(0), at(1), at(2), at(3), four);
    for (int r = 0; r < kRows; ++r) sums[t * kMatvecRows + r] = four[r];
  }
  for (; column < count; ++column)
    for (int t = 0; t < kTokens; ++t)
      for (int r = 0; r < kRows; ++r)
        sums[t * kMatvecRows + r] += W::one(weights[r * stride + column]) * x[t][column];
}

template <WeightType kType, int kRows, int kTokens>
HWY_INLINE void some_rows(const WeightMatrix& m, int64_t row, const float* const* x, float* const* y) {
  float sums[kMatvecTokens * kMatvecRows];
  const auto* weights = static_cast<const typename Weights<kType>::Element*>(m.data) + row * m.num_columns;
  dot_rows<kType, kRows, kTokens>(weights, m.num_columns, m.num_columns, x, sums);
  for (int t = 0; t < kTokens; ++t) {
    for (int r = 0; r < kRows; ++r) {
      const float scale = kType == WeightType::kInt8 ? m.scales[row + r] : 1.0f;
      const float bias = m.bias != nullptr ? m.bias[row + r] : 0.0f;
      y[t][row + r] = sums[t * kMatvecRows + r] * scale + bias;
    }
  }
}

template <WeightType kType, int kTokens>
void all_rows(const WeightMatrix& m, int64_t begin, int64_t end, const float* const* x, float* const* y) {
  int64_t row = begin;
  for (; row + kMatvecRows <= end; row += kMatvecRows) some_rows<kType, kMatvecRows, kTokens>(m, row, x, y);
  for (; row < end; ++row) some_rows<kType, 1, kTokens>(m, row, x, y);
}

template <WeightType kType>
void all_tokens(const WeightMatrix& m, int64_t begin, int64_t end, std::span<const float* const> x,
                std::span<float* const> y) {
  // A few rows for all tokens, then the next: their weights are read from the nearest cache again.
  constexpr int64_t kRowsInCache = 4 * kMatvecRows;
  if (x.size() == 1) return all_rows<kType, 1>(m, begin, end, x.data(), y.data());
  for (int64_t row = begin; row < end; row += kRowsInCache) {
    const int64_t last = std::min(end, row + kRowsInCache);
    for (size_t t = 0; t < x.size();) {
      const size_t left = x.size() - t;
      if (left >= 4) {
        all_rows<kType, 4>(m, row, last, x.data() + t, y.data() + t);
        t += 4;
      } else if (left >= 2) {
        all_rows<kType, 2>(m, row, last, x.data() + t, y.data() + t);
        t += 2;
      } else {
        all_rows<kType, 1>(m, row, last, x.data() + t, y.data() + t);
        t += 1;
      }
    }
  }
}

void matvec_range(const WeightMatrix& m, int64_t begin, int64_t end, std::span<const float* const> x,
                  std::span<float* const> y) {
  switch (m.type) {
    case WeightType::kF32:
      return all_tokens<WeightType::kF32>(m, begin, end, x, y);
    case WeightType::kBF16:
      return all_tokens<WeightType::kBF16>(m, begin, end, x, y);
    case WeightType::kInt8:
      return all_tokens<WeightType::kInt8>(m, begin, end, x, y);
  }
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {

HWY_EXPORT(matvec_range);

int64_t row_bytes(const WeightMatrix& matrix) {
  constexpr int64_t kBytes[] = {4, 2, 1};
  return matrix.num_columns * kBytes[static_cast<int>(matrix.type)];
}

void matvec(const WeightMatrix& matrix, int64_t begin, int64_t end, std::span<const float* const> x,
            std::span<float* const> y) {
  apply_cpu_capability_from_environment();
  HWY_DYNAMIC_DISPATCH(matvec_range)(matrix, begin, end, x, y);
}

void quantize_rows(const float* weights, int64_t num_rows, int64_t num_columns, int8_t* quantized,
                   float* scales) {
  for (int64_t r = 0; r < num_rows; ++r) {
    const float* row = weights + r * num_columns;
    float largest = 0;
    for (int64_t c = 0; c < num_columns; ++c) largest = std::max(largest, std::abs(row[c]));
    scales[r] = largest / 127.0f;
    for (int64_t c = 0; c < num_columns; ++c)
      quantized[r * num_columns + c] =
          largest > 0 ? static_cast<int8_t>(std::lround(row[c] / scales[r])) : int8_t{0};
  }
}

}  // namespace mom::kernels
#endif
