// Parameters, FLOPs and state size, from the spec alone: the network is built on the meta device, without
// memory. FLOPs are forward, multiply-add = 2; a training step is taken as three forwards.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mom/models/model_spec.h"
#include "mom/nn/mixer.h"
#include "mom/nn/patch_net.h"

namespace mom::models {

struct ParameterCounts {
  int64_t total = 0;
  int64_t embedding = 0;        // token tables: input, and output when untied
  std::vector<int64_t> active;  // by modality: what one of its tokens passes through
  // Of the blocks, those that take weight decay, nearly all: of all blocks, and of the largest.
  int64_t in_blocks = 0, largest_block = 0;
  int64_t factors = 0;  // weights of projections in the blocks (nn/parameter.h)
};
ParameterCounts count_parameters(const ModelSpec& spec);

// Terms of docs/flops.md.
struct TokenFlops {
  double gemm = 0;    // projections, embeddings of patches, heads
  double conv = 0;    // 2 K per channel
  double scan = 0;    // 7 per channel and state slot, and 8 per channel
  double router = 0;  // scores of experts
  double pair = 0;    // attention, for each position a token looks at; not in total()
  double total() const { return gemm + conv + scan + router; }
};
// By modality. A token passes the language-model head; a picture's patch passes patch_in and patch_out.
std::vector<TokenFlops> flops_per_token(const ModelSpec& spec);
// Pairs of positions and positions they look at, in a batch: what TokenFlops::pair counts. 0 without attention.
double attended_pairs(const ModelSpec& spec, const nn::Routing& routing);

// Of one sequence after `num_tokens`, f32: recurrent states, and the keys and values of attention.
int64_t state_bytes(const ModelSpec& spec, int64_t num_tokens);

// What all blocks together cost per token.
nn::MixerCosts block_costs(const ModelSpec& spec);

// What a U-Net costs per item; zeros without one.
nn::UNetCosts unet_costs(const ModelSpec& spec, size_t latents = 0);  // of a modality of latents, by number

// The object of `mom inspect --json`. Attention's FLOPs and state are those of a sequence of this length.
OrderedJson inspect_json(const ModelSpec& spec, int64_t sequence_tokens);

}  // namespace mom::models
