// Who looks at whom in a flat batch: each position at the earlier ones of its sequence and at itself, and each patch of
// an image at the whole image (Transfusion, arXiv 2408.11039, section 3.2). Written as rectangles and triangles of the
// score matrix, so that no mask is ever in memory. Made once per batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "mom/ops/row_map.h"

namespace mom::ops {

// Queries [q_begin, q_end) look at keys [k_begin, k_end): all of them, or (causal, as many keys as queries)
// at their own and the earlier ones.
struct AttentionPart {
  int64_t q_begin, q_end, k_begin, k_end;
  bool causal;
};

struct AttentionPlan : torch::CustomClassHolder {
  std::vector<AttentionPart> parts;     // those of one query range stand together, and those of one sequence
  std::vector<int64_t> first_part_S1;   // sequence s has parts [first[s], first[s + 1])
  std::vector<int64_t> offsets_S1;      // its positions, as queries
  std::vector<int64_t> key_offsets_S1;  // its keys: those it has from earlier calls, then one per position
  RowMapPtr order;                      // slot = position, source = row

  int64_t num_sequences() const { return static_cast<int64_t>(offsets_S1.size()) - 1; }
  int64_t num_cached(size_t s) const {
    return key_offsets_S1[s + 1] - key_offsets_S1[s] - (offsets_S1[s + 1] - offsets_S1[s]);
  }
  double num_pairs() const;  // of a query and a key it looks at
};

// Positions in these rows are items of `span` positions each; none: begin = end.
struct BidirectionalRows {
  int64_t begin = 0, end = 0, span = 1;
};

// num_cached_S: keys each sequence has already; empty = none.
c10::intrusive_ptr<AttentionPlan> make_attention_plan(const at::Tensor& order_T, const at::Tensor& offsets_S1,
                                                      const std::vector<int64_t>& num_cached_S,
                                                      const std::vector<BidirectionalRows>& images);

}  // namespace mom::ops
