// Adaptive norm of latents: the rows of an item are scaled and shifted, after a block's norm, by what the item's
// timestep and the token before the item say. That token has read the caption, so that every patch hears of it in every
// block, however far it stands from the text (adaLN of DiT, Peebles & Xie 2023, arXiv 2212.09748; there the caption is a
// class). Causal: a token before the item sees nothing of it. I items, Q patches of each, E width.
//
//   n' = n * (1 + scale) + shift,   [scale, shift] = W silu(n_before + time) + b,   W and b start at zero
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "mom/nn/mixer.h"
#include "mom/nn/modality_linear.h"

namespace mom::nn {

// Fills in before_I and sequence_I of `context` from its routing and grids.
void find_items(BlockContext& context);

// Of each item the row of `rows_TE` of the token before it, [I, E]; `last_SE` (may be undefined): such rows of the last
// tokens before this batch. Zeros where nothing stands before.
at::Tensor rows_before_items(const at::Tensor& rows_TE, const BlockContext& context,
                             const at::Tensor& last_SE);
class ItemConditionImpl : public Module {
 public:
  explicit ItemConditionImpl(int64_t width);
  double flops_per_item() const { return 4.0 * static_cast<double>(width_ * width_); }
  int64_t state_bytes() const { return 4 * width_; }  // of one sequence
  // normed_TE with the rows of items changed. `last_SE`: the normed last token of each sequence before this batch;
  // undefined: none was seen. An item at the very start of its sequence is conditioned on its timestep alone.
  at::Tensor forward(const at::Tensor& normed_TE, const at::Tensor& time_IE, const BlockContext& context,
                     const at::Tensor& last_SE);

 private:
  int64_t width_;
  ModalityLinear modulation_{nullptr};
};
TORCH_MODULE(ItemCondition);

}  // namespace mom::nn
