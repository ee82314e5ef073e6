// Which row a token lives in. Rows are modality-major: all positions of modality 0 first, then modality 1,
// ..., each in sequence order, so that a projection of one modality is one GEMM on one contiguous slice. Made
// once per batch, in host memory; a device that computes has copies. T packed tokens, S sequences, M modalities.
//
// A token's weight set in projections that have several is its modality's, or, as a control, one of M chosen at random
// (`random` below): as many weights, each for as many tokens, but what shares a set has nothing else in common. The
// random set is a hash of the token's position in its sequence and of nothing else. A hash of its id would sort by
// content, which is a known way to gain by experts (hash layers, Roller et al. 2021, arXiv 2106.04426), and patches have
// no ids. A position has one set in every sequence, whatever is packed beside it and however often it is read, so
// training, evaluation, single steps and the rounds of a denoiser agree. What it does say, where in its sequence a token
// stands, can only help the control.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "mom/ops/device_copies.h"
#include "mom/ops/row_map.h"

namespace mom::nn {

struct Routing {
  at::Tensor order_T;           // i64 [T]      row of each sequence position
  at::Tensor group_offsets_M1;  // i64 [M + 1]  rows of modality m are [offset[m], offset[m + 1])
  at::Tensor offsets_S1;        // i64 [S + 1]  sequence s is positions [offset[s], offset[s + 1])
  // With random sets: the rows sorted by set, and set m at [offset[m], offset[m + 1]) of them. Null: sets are modalities.
  ops::RowMapPtr rows_by_set;
  at::Tensor set_offsets_M1;

  ops::DeviceCopies copies;

  at::Tensor order_on(c10::Device device) const { return copies.of(order_T, device); }
  at::Tensor offsets_on(c10::Device device) const { return copies.of(offsets_S1, device); }
  int64_t num_tokens() const { return order_T.size(0); }
  int64_t num_modalities() const { return group_offsets_M1.size(0) - 1; }
  int64_t num_sequences() const { return offsets_S1.size(0) - 1; }
  int64_t group_begin(int64_t modality) const { return group_offsets_M1.const_data_ptr<int64_t>()[modality]; }
  int64_t group_size(int64_t modality) const { return group_begin(modality + 1) - group_begin(modality); }
};

// A stable counting sort of the positions by modality. modality_T: i64 [T], values below num_modalities.
Routing make_routing(const at::Tensor& modality_T, const at::Tensor& offsets_S1, int64_t num_modalities);

// The random set, below num_sets, of a token at this position of its sequence.
int64_t random_set(int64_t position, int64_t num_sets);
// `routing` with random sets, as many as modalities. seen_S: positions of each sequence before this batch; empty: none.
Routing with_random_sets(Routing routing, const std::vector<int64_t>& seen_S = {});

// The row of each sequence's last position, [S, E].
at::Tensor last_rows(const at::Tensor& rows_TE, const Routing& routing);

}  // namespace mom::nn
