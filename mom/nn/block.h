// A block: pre-norm residual branch around a mixer. The one table of mixers is in block.cpp.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "mom/nn/mixer.h"
#include "mom/nn/norm.h"

namespace mom::nn {

class BlockImpl : public torch::nn::Module {
 public:
  // `mixer`: a name out of mixer_names().
  BlockImpl(const std::string& mixer, const MixerOptions& options);
  // (branch, residual) -> (branch, residual): the addition is left to the next norm, which fuses it.
  std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& branch_TE, const at::Tensor& residual_TE,
                                             const BlockContext& context, MixerState* state = nullptr);
  MixerCosts costs() const { return mixer->costs(); }

  RmsNorm norm{nullptr};
  std::shared_ptr<Mixer> mixer;
};
TORCH_MODULE(Block);

std::vector<std::string> mixer_names();

}  // namespace mom::nn
