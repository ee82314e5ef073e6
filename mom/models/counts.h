// Parameters, FLOPs and state size, from the spec alone (nothing is allocated).
// FLOPs are forward, multiply-add = 2; a training step is taken as three forwards.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mom/models/model_config.h"

namespace mom::models {

struct ParameterCounts {
  int64_t total = 0;
  int64_t embedding = 0;        // token tables: input, and output when untied
  std::vector<int64_t> active;  // by modality: what one of its tokens passes through
};
ParameterCounts count_parameters(const ModelSpec& spec);

struct TokenFlops {
  double gemm = 0;  // projections, embeddings of patches, heads
  double conv = 0;  // 2 K a channel
  double scan =
      0;  // 7 a channel and state slot (step * a, exp, b * (step u), two multiply-adds), and 8 a channel
  double total() const { return gemm + conv + scan; }
};
// By modality. A token passes the language-model head; a picture's patch passes patch_in and patch_out.
std::vector<TokenFlops> flops_per_token(const ModelSpec& spec);

// Recurrent state of one sequence, f32.
int64_t state_bytes(const ModelSpec& spec);

// The object of `mom inspect --json`.
OrderedJson inspect_json(const ModelSpec& spec);

}  // namespace mom::models
