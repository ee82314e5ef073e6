// Weights in panels times a few tokens, for matvec.cpp: a vector holds one column of a panel's rows and is multiplied by one
// activation, so that no lanes have to be added up, and every sum is a chain of its own, over the columns in their order:
// the same bits for any number of tokens, in vectors of any width.

#if defined(MOM_KERNELS_MATVEC_PANELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MOM_KERNELS_MATVEC_PANELS_INL_H_
#undef MOM_KERNELS_MATVEC_PANELS_INL_H_
#else
#define MOM_KERNELS_MATVEC_PANELS_INL_H_
#endif

#include <algorithm>
#include <span>

#include "mom/base/rounding.h"
#include "mom/kernels/matvec.h"
#include "mom/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mom::kernels::HWY_NAMESPACE {

constexpr int kPanelVectors = static_cast<int>(kPanelRows / kLanes);  // of one column
// Vectors of sums in a tile, as registers allow, and its tokens at most; panels at most: streams of memory.
constexpr int kTileVectors = kLanes >= 16 ? 16 : 8, kTileTokens = kLanes >= 16 ? 8 : 4, kTilePanels = 4;
// Sums of so many columns are added to those before: rounding errors grow with a chain's length.
constexpr int64_t kChainColumns = 256;

constexpr int panels_of_tile(int num_tokens) {
  const int panels = kTileVectors / (kPanelVectors * num_tokens);
  return panels >= kTilePanels ? kTilePanels : panels >= 4 ? 4 : panels >= 2 ? 2 : 1;
}

template <class Element>
HWY_INLINE Vec load_weights(const Element* from) {
  constexpr auto kType = sizeof(Element) == 4 ? kernels::Element::kF32 : kernels::Element::kBF16;
  return WholeVectors<kType>::load({from, 0}, 0, 0, kLanes);
}

// totals[panel][token][row] of the panels from `panels` on.
template <class Element, int kPanels, int kTokens>
void sum_tile(const Element* panels, int64_t num_columns, const float* const* x, float* totals) {
  for (int64_t begin = 0; begin < num_columns; begin += kChainColumns) {
    Vec sums[kPanels][kTokens][kPanelVectors];
    for (auto& panel : sums)
      for (auto& token : panel)
        for (Vec& sum : token) sum = zero();
    const int64_t end = std::min(num_columns, begin + kChainColumns);
    for (int64_t c = begin; c < end; ++c) {
      Vec weights[kPanels][kPanelVectors];
      for (int p = 0; p < kPanels; ++p)
        for (int v = 0; v < kPanelVectors; ++v)
          weights[p][v] = load_weights(panels + (p * num_columns + c) * kPanelRows + v * kLanes);
      for (int t = 0; t < kTokens; ++t) {
        const Vec activation = set(x[t][c]);
        for (int p = 0; p < kPanels; ++p)
          for (int v = 0; v < kPanelVectors; ++v)
            sums[p][t][v] = fma(weights[p][v], activation, sums[p][t][v]);
      }
    }
    for (int p = 0; p < kPanels; ++p) {
      for (int t = 0; t < kTokens; ++t) {
        for (int v = 0; v < kPanelVectors; ++v) {
          float* to = totals + (p * kTokens + t) * kPanelRows + v * kLanes;
          store(begin == 0 ? sums[p][t][v] : hn::Add(load(to), sums[p][t][v]), to);
        }
      }
    }
  }
}

// Rows [begin, end) of one panel to y, with their bias.
HWY_INLINE void write_panel(const WeightMatrix& m, int64_t begin, int64_t end, int64_t panel,
                            const float* totals, float* y) {
  const int64_t first = std::max(begin, panel * kPanelRows), last = std::min(end, (panel + 1) * kPanelRows);
  const float* from = totals - panel * kPanelRows;
  if (last - first < kPanelRows) {
    for (int64_t row = first; row < last; ++row)
      y[row] = from[row] + (m.bias != nullptr ? m.bias[row] : 0.0f);
    return;
  }
  for (int64_t row = first; row < last; row += kLanes) {
    const Vec bias = m.bias != nullptr ? hn::LoadU(kTag, m.bias + row) : zero();
    hn::StoreU(hn::Add(load(from + row), bias), kTag, y + row);
  }
}

// Panels [first, last) for kTokens tokens, so many of them at a time, and the rest in fewer.
template <class Element, int kTokens, int kPanels>
void panels_of_tokens(const WeightMatrix& m, int64_t begin, int64_t end, int64_t first, int64_t last,
                      const float* const* x, float* const* y) {
  HWY_ALIGN float totals[kPanels * kTokens * kPanelRows];
  for (; first + kPanels <= last; first += kPanels) {
    sum_tile<Element, kPanels, kTokens>(
        static_cast<const Element*>(m.data) + first * kPanelRows * m.num_columns, m.num_columns, x, totals);
    for (int p = 0; p < kPanels; ++p)
      for (int t = 0; t < kTokens; ++t)
        write_panel(m, begin, end, first + p, totals + (p * kTokens + t) * kPanelRows, y[t]);
  }
  if constexpr (kPanels > 1)
    panels_of_tokens<Element, kTokens, kPanels / 2>(m, begin, end, first, last, x, y);
}

template <class Element, int kTokens>
void panels_of_group(int64_t count, const WeightMatrix& m, int64_t begin, int64_t end, int64_t first,
                     int64_t last, const float* const* x, float* const* y) {
  if (count == kTokens)
    return panels_of_tokens<Element, kTokens, panels_of_tile(kTokens)>(m, begin, end, first, last, x, y);
  if constexpr (kTokens > 1) panels_of_group<Element, kTokens - 1>(count, m, begin, end, first, last, x, y);
}

// A few panels for all tokens, in groups of about equal size, then the next, so that their weights come from the nearest
// cache.
template <class Element>
void panel_range(const WeightMatrix& m, int64_t begin, int64_t end, std::span<const float* const> x,
                 std::span<float* const> y) {
  const auto num_tokens = static_cast<int64_t>(x.size());
  const int64_t num_groups = ceil_div(num_tokens, kTileTokens), last = ceil_div(end, kPanelRows);
  const int64_t at_once = num_groups == 1 ? last : panels_of_tile(kTileTokens);
  for (int64_t first = begin / kPanelRows; first < last; first += at_once) {
    for (int64_t group = 0; group < num_groups; ++group) {
      const int64_t token = num_tokens * group / num_groups, next = num_tokens * (group + 1) / num_groups;
      panels_of_group<Element, kTileTokens>(next - token, m, begin, end, first,
                                            std::min(last, first + at_once), x.data() + token,
                                            y.data() + token);
    }
  }
}

}  // namespace mom::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
