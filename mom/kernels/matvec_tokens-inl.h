// Rows of f32 weights times many tokens, for matvec.cpp: a vector holds one column of all tokens and is multiplied by one
// weight, so that no lanes have to be added up. The products of a row and a token are added in the very order of
// FloatWeights::dot and store_four_sums, so that a token's result has the same bits whatever else is computed beside it.

#if defined(MOM_KERNELS_MATVEC_TOKENS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MOM_KERNELS_MATVEC_TOKENS_INL_H_
#undef MOM_KERNELS_MATVEC_TOKENS_INL_H_
#else
#define MOM_KERNELS_MATVEC_TOKENS_INL_H_
#endif

#include "mom/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

constexpr int kTokenRows = kLanes >= 16 ? 8 : 4;  // rows that share a load of the tokens, as registers allow

// The lane of FloatWeights::dot whose sum store_four_sums adds as number i, when its additions are walked depth first: within four
// lanes, and then of groups of four, the bits of the number are reversed.
constexpr int64_t lane_at(int64_t i) {
  constexpr int64_t kReversed[] = {0, 2, 1, 3};
  const int64_t group = i / 4;
  return 4 * (kLanes >= 16 ? kReversed[group] : group) + kReversed[i % 4];
}

#if HWY_TARGET != HWY_SCALAR
// Four floats of each of four rows as four floats of each of four columns.
HWY_INLINE void transpose_four(const float* const* from, float* const* to) {
  const hn::CappedTag<float, 4> quad;
  const hn::RepartitionToWide<decltype(quad)> wide;
  const auto a = hn::LoadU(quad, from[0]), b = hn::LoadU(quad, from[1]), c = hn::LoadU(quad, from[2]),
             d = hn::LoadU(quad, from[3]);
  const auto ab = hn::BitCast(wide, hn::InterleaveLower(quad, a, b)),
             cd = hn::BitCast(wide, hn::InterleaveLower(quad, c, d)),
             ab_up = hn::BitCast(wide, hn::InterleaveUpper(quad, a, b)),
             cd_up = hn::BitCast(wide, hn::InterleaveUpper(quad, c, d));
  hn::StoreU(hn::BitCast(quad, hn::InterleaveLower(wide, ab, cd)), quad, to[0]);
  hn::StoreU(hn::BitCast(quad, hn::InterleaveUpper(wide, ab, cd)), quad, to[1]);
  hn::StoreU(hn::BitCast(quad, hn::InterleaveLower(wide, ab_up, cd_up)), quad, to[2]);
  hn::StoreU(hn::BitCast(quad, hn::InterleaveUpper(wide, ab_up, cd_up)), quad, to[3]);
}
#endif

// x_CT[c][t] of up to kLanes tokens; zeros where there is none.
HWY_INLINE void columns_of_tokens(const float* const* x, int64_t num_tokens, int64_t count, float* x_CT) {
  for (int64_t t = 0; t < kLanes; t += 4) {
    int64_t c = 0;
#if HWY_TARGET != HWY_SCALAR
    for (; t + 4 <= num_tokens && c + 4 <= count; c += 4) {
      const float* from[] = {x[t] + c, x[t + 1] + c, x[t + 2] + c, x[t + 3] + c};
      float* at = x_CT + c * kLanes + t;
      float* to[] = {at, at + kLanes, at + 2 * kLanes, at + 3 * kLanes};
      transpose_four(from, to);
    }
#endif
    for (; c < count; ++c)
      for (int64_t i = t; i < t + 4; ++i) x_CT[c * kLanes + i] = i < num_tokens ? x[i][c] : 0.0f;
  }
}

// sums[r][t], of vectors, to y[t][row + r]: the compiler's own way scatters numbers one by one.
HWY_INLINE void rows_to_tokens(const float* sums, int64_t num_rows, int64_t num_tokens, int64_t row,
                               float* const* y) {
  int64_t t = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; num_rows == kTokenRows && t + 4 <= num_tokens; t += 4) {
    for (int r = 0; r < kTokenRows; r += 4) {
      const float* at = sums + r * kLanes + t;
      const float* from[] = {at, at + kLanes, at + 2 * kLanes, at + 3 * kLanes};
      float* to[] = {y[t] + row + r, y[t + 1] + row + r, y[t + 2] + row + r, y[t + 3] + row + r};
      transpose_four(from, to);
    }
  }
#endif
  for (; t < num_tokens; ++t)
    for (int64_t r = 0; r < num_rows; ++r) y[t][row + r] = sums[r * kLanes + t];
}

struct TokenSums {
  Vec of[kTokenRows];
};

// What FloatWeights::dot adds up in one lane: every kLanes-th column, in two chains.
HWY_INLINE TokenSums lane_sums(const float* const* rows, int64_t count, const float* x_CT, int64_t lane) {
  TokenSums first, second;
  for (int r = 0; r < kTokenRows; ++r) first.of[r] = second.of[r] = zero();
  int64_t c = lane;
  for (const int64_t pairs = count / (2 * kLanes) * (2 * kLanes); c < pairs; c += 2 * kLanes) {
    const auto x = load(x_CT + c * kLanes), next = load(x_CT + (c + kLanes) * kLanes);
    for (int r = 0; r < kTokenRows; ++r) {
      first.of[r] = fma(set(rows[r][c]), x, first.of[r]);
      second.of[r] = fma(set(rows[r][c + kLanes]), next, second.of[r]);
    }
  }
  for (; c < count; c += kLanes) {
    const auto x = load(x_CT + c * kLanes);
    for (int r = 0; r < kTokenRows; ++r) first.of[r] = fma(set(rows[r][c]), x, first.of[r]);
  }
  for (int r = 0; r < kTokenRows; ++r) first.of[r] = hn::Add(first.of[r], second.of[r]);
  return first;
}

// sums[r][t] of kTokenRows rows and all tokens, with a bias for each row; x_CT [count, tokens] aligned.
inline void token_sums(const float* const* rows, int64_t count, const float* x_CT, const float* bias,
                       float* sums) {
  constexpr int kMaxDepth = 5;
  // Sums of 2, 4 ... lanes that wait for as many more.
  HWY_ALIGN float waiting[kMaxDepth][kTokenRows * kLanes];
  int depth = 0;
  TokenSums sum;
  for (int64_t pair = 1; pair <= kLanes / 2; ++pair) {
    const TokenSums first = lane_sums(rows, count, x_CT, lane_at(2 * pair - 2)),
                    second = lane_sums(rows, count, x_CT, lane_at(2 * pair - 1));
    for (int r = 0; r < kTokenRows; ++r) sum.of[r] = hn::Add(first.of[r], second.of[r]);
    for (int64_t n = pair; n % 2 == 0; n /= 2) {
      --depth;
      for (int r = 0; r < kTokenRows; ++r) sum.of[r] = hn::Add(load(waiting[depth] + r * kLanes), sum.of[r]);
    }
    for (int r = 0; r < kTokenRows; ++r) store(sum.of[r], waiting[depth] + r * kLanes);
    ++depth;
  }
  for (int r = 0; r < kTokenRows; ++r) store(hn::Add(sum.of[r], set(bias[r])), sums + r * kLanes);
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
