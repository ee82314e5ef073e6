#include "mom/nn/routing.h"

#include <torch/types.h>

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

at::Tensor last_rows(const at::Tensor& rows_TE, const Routing& routing) {
  return rows_TE.index_select(0, routing.order_T.index_select(0, routing.offsets_S1.slice(0, 1) - 1));
}

}  // namespace mom::nn
