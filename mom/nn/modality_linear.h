// A linear layer with one weight, or with one weight per modality. Rows are modality-major, so that each
// modality is one GEMM on a contiguous slice of the input straight into a slice of the output. Parameters:
// shared `weight` [O, I] (and `bias` [O]); decoupled `MODALITY.weight` (and `MODALITY.bias`).
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "mom/nn/mixer.h"
#include "mom/nn/routing.h"

namespace mom::nn {

struct ModalityLinearOptions {
  int64_t in_features = 0, out_features = 0;
  bool bias = false;
  std::vector<std::string> modalities;  // empty: one weight for all
};

class ModalityLinearImpl : public torch::nn::Module {
 public:
  explicit ModalityLinearImpl(const ModalityLinearOptions& options);
  // x_TI -> [T, O]. The bias is added unless add_bias is false (a caller that fuses it reads bias() itself).
  at::Tensor forward(const at::Tensor& x_TI, const Routing& routing, bool add_bias = true);
  bool decoupled() const { return !options_.modalities.empty(); }
  bool has_bias() const { return options_.bias; }
  const at::Tensor& weight(size_t modality) const { return weights_[modality]; }
  const at::Tensor& bias(size_t modality) const { return biases_[modality]; }
  size_t num_weights() const { return weights_.size(); }
  const ModalityLinearOptions& options() const { return options_; }

 private:
  ModalityLinearOptions options_;
  std::vector<at::Tensor> weights_, biases_;  // the registered parameters, in modality order
};
TORCH_MODULE(ModalityLinear);

// Of a mixer's projection: with own weights per modality where the options say that it is decoupled.
ModalityLinearOptions linear_options(const MixerOptions& options, const std::string& name, int64_t in,
                                     int64_t out, bool bias = false);

}  // namespace mom::nn
