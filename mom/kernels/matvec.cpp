#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mom/kernels/matvec.cpp"
#include "mom/base/rounding.h"
#include "mom/kernels/foreach_target.h"
// After the target loop:
#include <cmath>

#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/matvec.h"
#include "mom/kernels/matvec_panels-inl.h"
#include "mom/kernels/scratch.h"
#include "mom/kernels/simd-inl.h"

#ifndef MOM_KERNELS_MATVEC_SHAPE
#define MOM_KERNELS_MATVEC_SHAPE
namespace mom::kernels {
constexpr int kMatvecStreams = 2;              // rows that are read side by side, far from each other
constexpr int kMatvecRows = 4;                 // rows whose lane sums are joined at once
constexpr int64_t kMatvecColumns = 64;         // packed rows of kInt8 are a multiple of it
constexpr int64_t kMatvecExactColumns = 2048;  // as many products of kInt8 as 32 bits can sum in any lane
}  // namespace mom::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

HWY_INLINE void fill_zero(Vec* sums, int count) {
  for (int i = 0; i < count; ++i) sums[i] = zero();
}

// A token's activations as 16-bit integers, and their scale.
struct Prepared {
  const int16_t* x;
  float scale = 1;
};

int64_t floats_to_prepare(int64_t count) { return packed_columns(count) / 2; }

Prepared prepare(const float* x, int64_t count, float* memory) {
  auto* to = reinterpret_cast<int16_t*>(memory);
  float largest = 0;
  for (int64_t c = 0; c < count; ++c) largest = std::max(largest, std::abs(x[c]));
  const float scale = largest / 32767.0f, inverse = largest > 0 ? 32767.0f / largest : 0.0f;
  for (int64_t c = 0; c < count; ++c) to[c] = static_cast<int16_t>(std::lrintf(x[c] * inverse));
  std::fill(to + count, to + packed_columns(count), int16_t{0});
  return {to, scale};
}

// Two rows times kTokens tokens: the lanes of sums[row][t] add up to the result.
//
// A thread reads two streams of memory, the two halves of its rows: a processor prefetches in each stream separately, and
// one stream alone leaves a fifth of the memory bandwidth unused (bench/results).
template <int kTokens>
using LaneSums = Vec[kMatvecStreams][kTokens];

#if HWY_TARGET == HWY_SCALAR
template <int kTokens>
void dot(const int8_t* const* rows, int64_t count, const int16_t* const* x, LaneSums<kTokens>& sums) {
  for (int s = 0; s < kMatvecStreams; ++s) {
    for (int t = 0; t < kTokens; ++t) {
      int64_t sum = 0;
      for (int64_t c = 0; c < count; ++c) sum += rows[s][c] * x[t][c];
      sums[s][t] = set(static_cast<float>(sum));
    }
  }
}
#else
template <int kTokens>
HWY_INLINE void dot(const int8_t* const* rows, int64_t count, const int16_t* const* x,
                    LaneSums<kTokens>& sums) {
  const hn::Repartition<int16_t, Tag> d16;
  const hn::Rebind<int8_t, decltype(d16)> d8;
  const hn::RebindToSigned<Tag> d32;
  constexpr int64_t kStep = 2 * kLanes;
  fill_zero(&sums[0][0], kMatvecStreams * kTokens);
  for (int64_t first = 0; first < count; first += kMatvecExactColumns) {
    hn::Vec<decltype(d32)> sum[kMatvecStreams][kTokens];
    for (int s = 0; s < kMatvecStreams; ++s)
      for (int t = 0; t < kTokens; ++t) sum[s][t] = hn::Zero(d32);
    const int64_t end = std::min(count, first + kMatvecExactColumns);
    for (int64_t column = first; column < end; column += kStep) {
      for (int s = 0; s < kMatvecStreams; ++s) {
        const auto w = hn::PromoteTo(d16, hn::LoadU(d8, rows[s] + column));
        for (int t = 0; t < kTokens; ++t) {
          auto unused = hn::Zero(d32);
          sum[s][t] = hn::ReorderWidenMulAccumulate(d32, w, hn::LoadU(d16, x[t] + column), sum[s][t], unused);
        }
      }
    }
    for (int s = 0; s < kMatvecStreams; ++s)
      for (int t = 0; t < kTokens; ++t) sums[s][t] = hn::Add(sums[s][t], hn::ConvertTo(kTag, sum[s][t]));
  }
}
#endif

template <int kTokens>
void all_rows(const WeightMatrix& m, int64_t begin, int64_t end, const Prepared* tokens, float* const* y) {
  const auto* weights = static_cast<const int8_t*>(m.data);
  const int16_t* x[kTokens];
  for (int t = 0; t < kTokens; ++t) x[t] = tokens[t].x;
  const int64_t half = (end - begin + 1) / 2;
  for (int64_t first = 0; first < half; first += kMatvecRows / 2) {
    // Two rows of each half. Where a half has no second row its first stands in, and is written twice.
    int64_t row[kMatvecRows];
    Vec lanes[kMatvecRows][kTokens];
    for (int r = 0; r < kMatvecRows / 2; ++r) {
      row[2 * r] = begin + std::min(first + r, half - 1);
      row[2 * r + 1] = std::min(row[2 * r] + half, end - 1);
      const int8_t* rows[] = {weights + row[2 * r] * m.stride, weights + row[2 * r + 1] * m.stride};
      LaneSums<kTokens> sums;
      dot<kTokens>(rows, m.stride, x, sums);
      for (int s = 0; s < kMatvecStreams; ++s)
        for (int t = 0; t < kTokens; ++t) lanes[2 * r + s][t] = sums[s][t];
    }
    for (int t = 0; t < kTokens; ++t) {
      HWY_ALIGN float sums[kMatvecRows];
      store_four_sums(lanes[0][t], lanes[1][t], lanes[2][t], lanes[3][t], sums);
      for (int r = 0; r < kMatvecRows; ++r) {
        const float scale = m.scales != nullptr ? m.scales[row[r]] * tokens[t].scale : 1.0f;
        const float bias = m.bias != nullptr ? m.bias[row[r]] : 0.0f;
        y[t][row[r]] = sums[r] * scale + bias;
      }
    }
  }
}

// A few rows for all tokens, then the next, so that their weights come from the nearest cache.
void all_tokens(const WeightMatrix& m, int64_t begin, int64_t end, std::span<const float* const> x,
                std::span<float* const> y) {
  constexpr int64_t kRowsInCache = 4 * kMatvecRows;
  const auto num_tokens = static_cast<int64_t>(x.size());
  const int64_t floats = floats_to_prepare(m.num_columns);
  Scratch scratch((floats + 16) * num_tokens);
  std::vector<Prepared> tokens;
  for (const float* token : x) tokens.push_back(prepare(token, m.num_columns, scratch.take(floats)));
  const int64_t rows_at_once = num_tokens == 1 ? end - begin : kRowsInCache;
  for (int64_t row = begin; row < end; row += rows_at_once) {
    const int64_t last = std::min(end, row + rows_at_once);
    int64_t t = 0;
    for (; t + 4 <= num_tokens; t += 4) all_rows<4>(m, row, last, tokens.data() + t, y.data() + t);
    for (; t + 2 <= num_tokens; t += 2) all_rows<2>(m, row, last, tokens.data() + t, y.data() + t);
    for (; t < num_tokens; ++t) all_rows<1>(m, row, last, tokens.data() + t, y.data() + t);
  }
}

void matvec_range(const WeightMatrix& m, int64_t begin, int64_t end, std::span<const float* const> x,
                  std::span<float* const> y) {
  switch (m.type) {
    case WeightType::kF32:
      return panel_range<float>(m, begin, end, x, y);
    case WeightType::kBF16:
      return panel_range<uint16_t>(m, begin, end, x, y);
    case WeightType::kInt8:
      return all_tokens(m, begin, end, x, y);
  }
}

void round_to_bf16(const float* from, int64_t count, uint16_t* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = f32_to_bf16(from[i]);
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mom::kernels {

HWY_EXPORT(matvec_range);
HWY_EXPORT(round_to_bf16);

int64_t packed_columns(int64_t num_columns) { return round_up(num_columns, kMatvecColumns); }

namespace {
int64_t packed_rows(int64_t num_rows) { return round_up(num_rows, kPanelRows); }
}  // namespace

int64_t packed_elements(int64_t num_rows, int64_t num_columns, WeightType type) {
  return type == WeightType::kInt8 ? num_rows * packed_columns(num_columns)
                                   : packed_rows(num_rows) * num_columns;
}

int64_t row_bytes(const WeightMatrix& matrix) {
  if (matrix.type == WeightType::kInt8) return packed_columns(matrix.num_columns);
  return matrix.num_columns * (matrix.type == WeightType::kF32 ? 4 : 2);
}

void matvec(const WeightMatrix& matrix, int64_t begin, int64_t end, std::span<const float* const> x,
            std::span<float* const> y) {
  apply_cpu_capability_from_environment();
  HWY_DYNAMIC_DISPATCH(matvec_range)(matrix, begin, end, x, y);
}

void quantize_rows(const float* weights, int64_t num_rows, int64_t num_columns, int8_t* quantized,
                   float* scales) {
  const int64_t stride = packed_columns(num_columns);
  for (int64_t r = 0; r < num_rows; ++r) {
    const float* row = weights + r * num_columns;
    int8_t* to = quantized + r * stride;
    float largest = 0;
    for (int64_t c = 0; c < num_columns; ++c) largest = std::max(largest, std::abs(row[c]));
    scales[r] = largest / 127.0f;
    for (int64_t c = 0; c < num_columns; ++c)
      to[c] = largest > 0 ? static_cast<int8_t>(std::lround(row[c] / scales[r])) : int8_t{0};
    std::fill(to + num_columns, to + stride, int8_t{0});
  }
}

namespace {

// A row, or null for zeros, as row `r` of a panel.
template <class Element>
void put_into_panel(const Element* row, int64_t num_columns, int64_t r, Element* panel) {
  for (int64_t c = 0; c < num_columns; ++c) panel[c * kPanelRows + r] = row != nullptr ? row[c] : Element{0};
}

}  // namespace

void pack_panels(const float* weights, int64_t num_rows, int64_t num_columns, float* panels) {
  for (int64_t r = 0; r < packed_rows(num_rows); ++r)
    put_into_panel(r < num_rows ? weights + r * num_columns : nullptr, num_columns, r % kPanelRows,
                   panels + r / kPanelRows * kPanelRows * num_columns);
}

void pack_panels(const float* weights, int64_t num_rows, int64_t num_columns, uint16_t* panels) {
  std::vector<uint16_t> row(static_cast<size_t>(num_columns));
  for (int64_t r = 0; r < packed_rows(num_rows); ++r) {
    if (r < num_rows) HWY_DYNAMIC_DISPATCH(round_to_bf16)(weights + r * num_columns, num_columns, row.data());
    put_into_panel(r < num_rows ? row.data() : nullptr, num_columns, r % kPanelRows,
                   panels + r / kPanelRows * kPanelRows * num_columns);
  }
}

void round_row(const float* row, int64_t num_columns, WeightType type, float* rounded) {
  if (type == WeightType::kF32) {
    std::copy_n(row, num_columns, rounded);
  } else if (type == WeightType::kBF16) {
    std::vector<uint16_t> bits(static_cast<size_t>(num_columns));
    HWY_DYNAMIC_DISPATCH(round_to_bf16)(row, num_columns, bits.data());
    std::transform(bits.begin(), bits.end(), rounded,
                   [](uint16_t each) { return std::bit_cast<float>(static_cast<uint32_t>(each) << 16); });
  } else {
    std::vector<int8_t> quantized(static_cast<size_t>(packed_columns(num_columns)));
    float scale = 0;
    quantize_rows(row, 1, num_columns, quantized.data(), &scale);
    std::transform(quantized.begin(), quantized.begin() + num_columns, rounded,
                   [&](int8_t each) { return static_cast<float>(each) * scale; });
  }
}

}  // namespace mom::kernels
#endif
