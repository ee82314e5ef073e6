// The Mamba block, dense or Mixture-of-Mamba: a pre-norm residual branch around a Mamba-1 mixer whose four
// projections may each have their own weights a modality, while convolution, state transition and recurrent
// state are shared. T packed tokens, S sequences, E model width, D inner width (expand * E), N state slots, R
// dt rank, K conv taps.
//
// For a token of modality m, W^m its own weight where the projection is decoupled:
//   x, z = W_in^m norm(h);   x = silu(conv1d(x));   dt, b, c = W_x^m x;   dt = W_dt^m dt + bias_dt^m
//   y = selective_scan(x, dt, -exp(A_log), b, c, D, gate z);   h = h + W_out^m y
// Source: Gu & Dao 2023 (arXiv 2312.00752) and the Mixture-of-Mamba paper (arXiv 2501.16295).
#pragma once

#include <torch/torch.h>

#include <set>
#include <string>
#include <vector>

#include "mom/nn/modality_linear.h"
#include "mom/nn/routing.h"

namespace mom::nn {

struct MambaOptions {
  int64_t d_model = 0, d_inner = 0, state_size = 16, conv_kernel = 4, dt_rank = 0;
  bool conv_bias = true, proj_bias = false;
  double norm_epsilon = 1e-5;
  std::vector<std::string> modalities;
  std::set<std::string> decoupled;  // any of in_proj, x_proj, dt_proj, out_proj
};

// What one block carries from one call to the next: the last K - 1 convolution inputs and the scan's state.
struct MambaState {
  at::Tensor conv_SDK;  // [S, D, K - 1]
  at::Tensor scan_SDN;  // [S, D, N] f32
};

class MambaMixerImpl : public torch::nn::Module {
 public:
  explicit MambaMixerImpl(const MambaOptions& options);
  // x_TE -> [T, E]. `state` (may be null): read where defined, and replaced by the state after the last
  // position.
  at::Tensor forward(const at::Tensor& x_TE, const Routing& routing, MambaState* state = nullptr);

  ModalityLinear in_proj{nullptr}, x_proj{nullptr}, dt_proj{nullptr}, out_proj{nullptr};
  at::Tensor A_log, D;  // named on disk as the published checkpoints name them
  at::Tensor conv_weight, conv_bias;

 private:
  ModalityLinear projection(const std::string& name, int64_t in, int64_t out, bool bias);
  MambaOptions options_;
};
TORCH_MODULE(MambaMixer);

class RmsNormImpl : public torch::nn::Module {
 public:
  RmsNormImpl(int64_t width, double epsilon) : epsilon_(epsilon) {
    weight = register_parameter("weight", torch::ones({width}));
  }
  // (norm(x + residual), x + residual); an undefined residual counts as zero. The sum stays in f32.
  std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& x_TE, const at::Tensor& residual_TE);
  at::Tensor weight;

 private:
  double epsilon_;
};
TORCH_MODULE(RmsNorm);

class MambaBlockImpl : public torch::nn::Module {
 public:
  explicit MambaBlockImpl(const MambaOptions& options);
  // (branch, residual) -> (branch, residual): the addition is left to the next norm, which fuses it.
  std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& branch_TE, const at::Tensor& residual_TE,
                                             const Routing& routing, MambaState* state = nullptr);
  RmsNorm norm{nullptr};
  MambaMixer mixer{nullptr};
};
TORCH_MODULE(MambaBlock);

}  // namespace mom::nn
