// Discrete tokens through a network whose mixers have a decode step (nn/decode_step.h; Mamba's is nn/mamba_decode.cpp):
// one of each of a few sequences at the speed of memory, every weight read once, in whole rows, by threads that stay
// together over the whole token; one of each of many sequences, which threads have divided among them; or several of each,
// with the bits of the network itself and without the time its operators take. Decoupled projections are those of the weight
// set of each token.
//
// S sequences, V vocabulary. Weights are copies of the model's own in f32, bf16 or 8 bits, in an order in which they are
// multiplied fast (kernels/matvec.h); embeddings are rounded alike; activations, states and sums are f32. A sequence's
// numbers have the same bits whatever other sequences and however many threads there are.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "mom/kernels/matvec.h"
#include "mom/models/model.h"

namespace mom::generate {

class MambaDecoder {
 public:
  // Whether every block of the network has a decode step (nn/decode_step.h); and it is on a CPU.
  static bool supports(const models::ModelImpl& model);
  // `panels`: of the model's parameters; f32 weights are taken from there. UserError where it does not support the model.
  MambaDecoder(models::Model model, kernels::WeightType weights, const ops::PackedWeights& panels);
  ~MambaDecoder();
  MambaDecoder(MambaDecoder&&) noexcept;

  // Feeds each sequence its token of the joint vocabulary, which is discrete; the next token's logits, f32
  // [S, V]. `state` as models::Model carries it; tensors that others hold, too, are
  // replaced, not written into.
  at::Tensor step(const std::vector<int32_t>& tokens_S, models::ModelState& state) const;
  // Feeds each sequence its tokens, at least one; f32 weights. The bits of step() in step.h, which differ from this step()'s
  // in the last places: it sums over a state's slots in another order.
  at::Tensor read(const std::vector<std::vector<int32_t>>& tokens_S, models::ModelState& state) const;
  // What one token of one sequence reads: weights in their type, states.
  int64_t bytes_per_token() const;

 private:
  struct Network;
  // The sequences in so many parts side by side, each on a thread of its own if there are several.
  at::Tensor run(const std::vector<int32_t>& tokens_R, const std::vector<int64_t>& offsets_S1,
                 models::ModelState& state, int64_t num_parts, bool reads) const;
  // The state's sequences from `first_sequence` on, as many as the batch has.
  void advance(std::span<const int32_t> tokens_R, const nn::DecodeBatch& batch, int64_t first_sequence,
               models::ModelState& state, const at::Tensor& logits_SV, bool reads) const;
  models::Model model_;
  std::unique_ptr<Network> network_;
};

}  // namespace mom::generate
