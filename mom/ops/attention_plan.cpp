#include "mom/ops/attention_plan.h"

#include <ATen/ATen.h>

namespace mom::ops {
namespace {

// Adds the parts of queries [begin, end) of a sequence that has `before` keys in front of them, its first key
// being `first_key`.
void add_range(AttentionPlan& plan, int64_t begin, int64_t end, int64_t first_key, int64_t before,
               bool image) {
  const int64_t own = first_key + before;
  if (image) {
    plan.parts.push_back({begin, end, first_key, own + (end - begin), false});
    return;
  }
  if (before > 0) plan.parts.push_back({begin, end, first_key, own, false});
  plan.parts.push_back({begin, end, own, own + (end - begin), true});
}

}  // namespace

double AttentionPlan::num_pairs() const {
  double pairs = 0;
  for (const AttentionPart& part : parts) {
    const double queries = static_cast<double>(part.q_end - part.q_begin),
                 keys = static_cast<double>(part.k_end - part.k_begin);
    pairs += part.causal ? queries * (queries + 1) / 2 : queries * keys;
  }
  return pairs;
}

c10::intrusive_ptr<AttentionPlan> make_attention_plan(const at::Tensor& order_T, const at::Tensor& offsets_S1,
                                                      const std::vector<int64_t>& num_cached_S,
                                                      const std::vector<BidirectionalRows>& images) {
  auto plan = c10::make_intrusive<AttentionPlan>();
  const int64_t* order = order_T.const_data_ptr<int64_t>();
  const int64_t* offsets = offsets_S1.const_data_ptr<int64_t>();
  const int64_t num_sequences = offsets_S1.size(0) - 1;
  plan->order = make_row_map(order_T, order_T.size(0));
  plan->offsets_S1.assign(offsets, offsets + num_sequences + 1);
  plan->first_part_S1.push_back(0);
  plan->key_offsets_S1.push_back(0);
  // Positions of the item at t; 0: it is no patch.
  const auto span_at = [&](int64_t t) {
    for (const BidirectionalRows& of : images)
      if (order[t] >= of.begin && order[t] < of.end) return of.span;
    return int64_t{0};
  };
  for (int64_t s = 0; s < num_sequences; ++s) {
    const int64_t cached = num_cached_S.empty() ? 0 : num_cached_S[static_cast<size_t>(s)];
    const int64_t first_key = plan->key_offsets_S1.back(), last = offsets[s + 1];
    for (int64_t t = offsets[s]; t < last;) {
      const int64_t span = span_at(t);
      const bool image = span > 0;
      int64_t end = t + 1;
      while (end < last && span_at(end) == span && !(image && end - t == span)) ++end;
      TORCH_CHECK(!image || end - t == span, "[attention_plan] an image at position ", t, ": expected ", span,
                  " patches in one call, got ", end - t);
      add_range(*plan, t, end, first_key, cached + t - offsets[s], image);
      t = end;
    }
    plan->first_part_S1.push_back(static_cast<int64_t>(plan->parts.size()));
    plan->key_offsets_S1.push_back(first_key + cached + last - offsets[s]);
  }
  return plan;
}

}  // namespace mom::ops
