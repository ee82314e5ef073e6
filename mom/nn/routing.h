// Which row a token lives in. Rows are modality-major: all positions of modality 0 first, then modality 1,
// ..., each in sequence order, so that a projection of one modality is one GEMM on one contiguous slice. Made
// once per batch. T packed tokens, S sequences, M modalities.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace mom::nn {

struct Routing {
  at::Tensor order_T;           // i64 [T]      row of each sequence position
  at::Tensor group_offsets_M1;  // i64 [M + 1]  rows of modality m are [offset[m], offset[m + 1])
  at::Tensor offsets_S1;        // i64 [S + 1]  sequence s is positions [offset[s], offset[s + 1])

  int64_t num_tokens() const { return order_T.size(0); }
  int64_t num_modalities() const { return group_offsets_M1.size(0) - 1; }
  int64_t num_sequences() const { return offsets_S1.size(0) - 1; }
  int64_t group_begin(int64_t modality) const { return group_offsets_M1.const_data_ptr<int64_t>()[modality]; }
  int64_t group_size(int64_t modality) const { return group_begin(modality + 1) - group_begin(modality); }
};

// A stable counting sort of the positions by modality. modality_T: i64 [T], values below num_modalities.
Routing make_routing(const at::Tensor& modality_T, const at::Tensor& offsets_S1, int64_t num_modalities);

// The row of each sequence's last position, [S, E].
at::Tensor last_rows(const at::Tensor& rows_TE, const Routing& routing);

}  // namespace mom::nn
