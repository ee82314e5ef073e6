// A linear layer with one weight, or with one weight per modality. Rows are modality-major, so that each
// modality is one GEMM on a contiguous slice of the input straight into a slice of the output. Parameters:
// shared `weight` [O, I] (and `bias` [O]); decoupled `MODALITY.weight` (and `MODALITY.bias`). Where the routing has
// random sets, rows are brought together by set and back, and parameters are `set_0.weight`, ...
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <string>
#include <vector>

#include "mom/nn/mixer_config.h"
#include "mom/nn/parameter.h"
#include "mom/nn/routing.h"

namespace mom::nn {

struct ModalityLinearOptions {
  int64_t in_features = 0, out_features = 0;
  bool bias = false;
  std::vector<std::string> groups;  // a weight each; empty: one weight for all
  bool groups_are_modalities = true;
  // Of every weight and bias; `init` undefined: Kaiming-uniform (init_fan_in) and zeros.
  ParameterTraits weight = {}, bias_traits = {.init = {}, .decay = false};
};

class ModalityLinearImpl : public Module {
 public:
  explicit ModalityLinearImpl(const ModalityLinearOptions& options);
  // x_TI -> [T, O]. The bias is added unless add_bias is false (a caller that fuses it reads bias() itself).
  at::Tensor forward(const at::Tensor& x_TI, const Routing& routing, bool add_bias = true);
  bool decoupled() const { return !options_.groups.empty(); }
  bool has_bias() const { return options_.bias; }
  const at::Tensor& weight(size_t group) const { return weights_[group]; }
  const at::Tensor& bias(size_t group) const { return biases_[group]; }
  size_t num_weights() const { return weights_.size(); }

 private:
  ModalityLinearOptions options_;
  std::vector<at::Tensor> weights_, biases_;  // the registered parameters, in the order of groups
};
TORCH_MODULE(ModalityLinear);

// Of a mixer's projection: a weight per modality, or per random set, where `trunk` says that the part is decoupled.
// Biases start at zero.
ModalityLinearOptions projection_options(const Trunk& trunk, const std::string& part, int64_t in, int64_t out,
                                         bool bias = false);
// Of the projection back into the residual stream: the same with init_residual.
ModalityLinearOptions residual_options(const Trunk& trunk, const std::string& part, int64_t in, int64_t out,
                                       bool bias = false);

}  // namespace mom::nn
