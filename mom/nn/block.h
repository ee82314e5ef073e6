// A block: pre-norm residual branch around a mixer. The one table of mixers is in block.cpp.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <memory>
#include <string>

#include "mom/nn/item_condition.h"
#include "mom/nn/mixer.h"
#include "mom/nn/norm.h"

namespace mom::nn {

class BlockImpl : public Module {
 public:
  BlockImpl(const MixerConfig& mixer, const Trunk& trunk);
  // (branch, residual) -> (branch, residual): the addition is left to the next norm, which fuses it. time_IE: the items'
  // embedded timesteps, where norms are adaptive.
  std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& branch_TE, const at::Tensor& residual_TE,
                                             const at::Tensor& time_IE, const BlockContext& context,
                                             MixerState* state = nullptr);
  MixerCosts costs() const;

  RmsNorm norm{nullptr};
  ItemCondition condition{nullptr};  // where the trunk says so
  std::shared_ptr<Mixer> mixer;
};
TORCH_MODULE(Block);

}  // namespace mom::nn
