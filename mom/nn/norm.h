// RMS norm before each mixer and before the heads, fused with the residual addition; one weight, or one per
// modality. T rows, E width.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <string>
#include <vector>

#include "mom/nn/parameter.h"
#include "mom/nn/routing.h"

namespace mom::nn {

class RmsNormImpl : public Module {
 public:
  // `modalities` empty: one weight for all.
  RmsNormImpl(int64_t width, double epsilon, const std::vector<std::string>& modalities = {});
  // (norm(x + residual), x + residual); an undefined residual counts as zero. The sum stays in f32.
  std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& x_TE, const at::Tensor& residual_TE,
                                             const Routing& routing);

  const std::vector<at::Tensor>& weights() const { return weights_; }  // one, or one per modality

 private:
  double epsilon_;
  std::vector<at::Tensor> weights_;
};
TORCH_MODULE(RmsNorm);

}  // namespace mom::nn
