#include "mom/nn/routing.h"

#include <torch/types.h>

#include "mom/base/random.h"

namespace mom::nn {

Routing make_routing(const at::Tensor& modality_T, const at::Tensor& offsets_S1, int64_t num_modalities) {
  TORCH_CHECK(modality_T.dim() == 1 && modality_T.scalar_type() == at::kLong && modality_T.is_contiguous(),
              "[make_routing] modality_T: expected contiguous i64 [T], got ", modality_T.sizes());
  TORCH_CHECK(offsets_S1.dim() == 1 && offsets_S1.scalar_type() == at::kLong && offsets_S1.numel() >= 1,
              "[make_routing] offsets_S1: expected i64 [S + 1], got ", offsets_S1.sizes());
  const int64_t num_tokens = modality_T.size(0);
  const int64_t* modality = modality_T.const_data_ptr<int64_t>();
  std::vector<int64_t> next(num_modalities + 1, 0);
  for (int64_t t = 0; t < num_tokens; ++t) {
    TORCH_CHECK(modality[t] >= 0 && modality[t] < num_modalities, "[make_routing] modality_T[", t,
                "]: expected below ", num_modalities, ", got ", modality[t]);
    ++next[modality[t] + 1];
  }
  for (int64_t m = 0; m < num_modalities; ++m) next[m + 1] += next[m];
  Routing routing;
  routing.group_offsets_M1 = torch::tensor(next, torch::kInt64);
  routing.offsets_S1 = offsets_S1.contiguous();
  routing.order_T = torch::empty({num_tokens}, torch::kInt64);
  int64_t* order = routing.order_T.mutable_data_ptr<int64_t>();
  for (int64_t t = 0; t < num_tokens; ++t) order[t] = next[modality[t]]++;
  return routing;
}

int64_t random_set(int64_t position, int64_t num_sets) {
  RandomStream stream(stream_key({fnv1a64("weight set"), static_cast<uint64_t>(position)}));
  return static_cast<int64_t>(stream.below(static_cast<uint64_t>(num_sets)));
}

Routing with_random_sets(Routing routing, const std::vector<int64_t>& seen_S) {
  const int64_t num_sets = routing.num_modalities(), num_tokens = routing.num_tokens();
  const int64_t *order = routing.order_T.const_data_ptr<int64_t>(),
                *offsets = routing.offsets_S1.const_data_ptr<int64_t>();
  std::vector<int64_t> set_T(static_cast<size_t>(num_tokens)), rows_T, offsets_M1 = {0};
  for (int64_t s = 0; s < routing.num_sequences(); ++s) {
    const int64_t seen = seen_S.empty() ? 0 : seen_S[static_cast<size_t>(s)];
    for (int64_t t = offsets[s]; t < offsets[s + 1]; ++t)
      set_T[static_cast<size_t>(order[t])] = random_set(seen + t - offsets[s], num_sets);
  }
  for (int64_t set = 0; set < num_sets; ++set) {
    for (int64_t row = 0; row < num_tokens; ++row)
      if (set_T[static_cast<size_t>(row)] == set) rows_T.push_back(row);
    offsets_M1.push_back(std::ssize(rows_T));
  }
  routing.rows_by_set = ops::make_row_map(std::move(rows_T), num_tokens);
  routing.set_offsets_M1 = torch::tensor(offsets_M1, torch::kInt64);
  return routing;
}

at::Tensor last_rows(const at::Tensor& rows_TE, const Routing& routing) {
  const at::Tensor last_S = routing.order_T.index_select(0, routing.offsets_S1.slice(0, 1) - 1);
  return rows_TE.index_select(0, ops::on_device(last_S, rows_TE.device()));
}

}  // namespace mom::nn
