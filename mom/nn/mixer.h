// A mixer is what stands inside a block: something that mixes positions (Mamba, a linear state-space model,
// attention) or something that mixes channels (a feed-forward, experts). A backbone is a list of blocks, each
// a norm and a mixer (block.h), so everything around them is the same for all: trainer, generator, checkpoints, counts.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mom/nn/decode_step.h"
#include "mom/nn/mixer_config.h"
#include "mom/nn/parameter.h"
#include "mom/nn/relay.h"
#include "mom/nn/routing.h"
#include "mom/nn/scan_order.h"
#include "mom/ops/attention_plan.h"

namespace mom::nn {

// How one block's router spread one batch. A block leaves the tensors on the device that computes, so that the host need not wait; the
// three sums are read where they are in host memory.
struct ExpertLoad {
  int64_t num_tokens = 0, num_choices = 0;
  at::Tensor choices_ME;  // i64: choices of expert E by tokens of modality M, before any is dropped
  at::Tensor sums_3;      // f64
  double num_dropped() const { return sum(0); }   // choices, or where experts choose tokens, without a place
  double entropy_nats() const { return sum(1); }  // of the router's distribution, summed over tokens
  double balance() const { return sum(2); }       // E * sum f_e P_e, 1 where all is even; times num_tokens
  void add(const ExpertLoad& other);

 private:
  double sum(int64_t i) const { return sums_3.const_data_ptr<double>()[i]; }
};
using ExpertReport = std::map<int64_t, ExpertLoad>;  // by block

// What one forward pass says to all of its blocks.
struct BlockContext {
  // `routing` in a mixer's scan order, made once for all blocks.
  const Routing& routing_in(ScanOrder order) const;

  Routing routing;
  std::vector<ItemGrid> grids;  // of latents, by number of their modality
  int64_t block = 0;
  // Where norms are adaptive: of each item of latents in the order of rows, the row of the token before it (-1: it begins the block that a
  // sequence is fed, and the token is in the state), and its sequence.
  std::vector<int64_t> before_I, sequence_I;
  RelayPtr relay;         // where sequences were cut into stretches; else null
  bool training = false;  // experts: with capacity and balance loss
  // Backbones with attention only.
  c10::intrusive_ptr<ops::AttentionPlan> attention;
  at::Tensor rotary_TW;  // f32 [T, head width]: cosines, then sines, by position
  // Backbones with experts only; the balance loss times this weight joins the gradient.
  double balance_weight = 0;
  std::shared_ptr<ExpertReport> experts;  // may be null
  std::shared_ptr<std::map<ScanOrder, Routing>> visited = std::make_shared<std::map<ScanOrder, Routing>>();
};

// What a mixer costs per token, the same for every modality. FLOPs: forward, multiply-add = 2.
struct MixerCosts {
  double gemm = 0, conv = 0, scan = 0, router = 0;
  double gemm_per_item = 0;  // of latents
  double pair = 0;           // FLOPs for each position a token looks at (attention)
  // Bytes of one sequence's state, and bytes more for each token it has seen; f32.
  int64_t state_bytes = 0, state_bytes_per_token = 0;
  // Numbers a token leaves for backward, and numbers in flight while backward passes through; in the training
  // precision and in f32.
  double kept = 0, kept_f32 = 0, passing = 0, passing_f32 = 0;
};

class Mixer : public Module {
 public:
  // x_TE -> [T, E], rows as in routing. `state` (may be null): read where defined, and replaced by the state
  // after the last position.
  virtual at::Tensor forward(const at::Tensor& x_TE, const BlockContext& context,
                             MixerState* state = nullptr) = 0;
  virtual MixerCosts costs() const = 0;
  // The state of sequences of which nothing has been seen: zeros, and no keys.
  virtual MixerState initial_state(int64_t /*num_sequences*/) const { return {}; }
  // The fast ways without gradients, and whether there are any. `weights` packs the mixer's matrices.
  virtual bool has_decode_step() const { return false; }
  virtual std::unique_ptr<DecodeStep> decode_step(WeightPacker& /*weights*/) const { return nullptr; }
};

}  // namespace mom::nn
