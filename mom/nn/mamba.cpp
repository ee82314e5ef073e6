#include "mom/nn/mamba.h"

#include "mom/nn/split_columns.h"
#include "mom/ops/causal_conv1d.h"
#include "mom/ops/rms_norm.h"
#include "mom/ops/selective_scan.h"

namespace mom::nn {
namespace {

std::optional<at::Tensor> if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

struct DepthwiseConvImpl : torch::nn::Module {  // holds conv1d.weight [D, 1, K] and conv1d.bias [D]
  DepthwiseConvImpl(int64_t channels, int64_t taps, bool with_bias) {
    weight = register_parameter("weight", torch::empty({channels, 1, taps}));
    if (with_bias) bias = register_parameter("bias", torch::empty({channels}));
  }
  at::Tensor weight, bias;
};
TORCH_MODULE(DepthwiseConv);

}  // namespace

ModalityLinear MambaMixerImpl::projection(const std::string& name, int64_t in, int64_t out, bool bias) {
  ModalityLinearOptions options{in, out, bias, {}};
  if (options_.decoupled.count(name)) options.modalities = options_.modalities;
  return register_module(name, ModalityLinear(options));
}

MambaMixerImpl::MambaMixerImpl(const MambaOptions& options) : options_(options) {
  const auto& o = options_;
  DepthwiseConv conv = register_module("conv1d", DepthwiseConv(o.d_inner, o.conv_kernel, o.conv_bias));
  conv_weight = conv->weight;
  conv_bias = conv->bias;
  A_log = register_parameter("A_log", torch::empty({o.d_inner, o.state_size}));
  D = register_parameter("D", torch::empty({o.d_inner}));
  in_proj = projection("in_proj", o.d_model, 2 * o.d_inner, o.proj_bias);
  x_proj = projection("x_proj", o.d_inner, o.dt_rank + 2 * o.state_size, false);
  dt_proj = projection("dt_proj", o.dt_rank, o.d_inner, true);
  out_proj = projection("out_proj", o.d_inner, o.d_model, o.proj_bias);
}

at::Tensor MambaMixerImpl::forward(const at::Tensor& x_TE, const Routing& routing, MambaState* state) {
  const auto& o = options_;
  at::Tensor xz = in_proj->forward(x_TE, routing);
  const auto x_and_gate = split_columns(xz, {o.d_inner, o.d_inner});
  auto [x_TD, conv_state] = ops::causal_conv1d(
      x_and_gate[0], conv_weight.squeeze(1), if_defined(conv_bias), /*silu=*/true, routing.offsets_S1,
      state ? if_defined(state->conv_SDK) : std::nullopt, routing.order_T);
  const auto dt_b_c = split_columns(x_proj->forward(x_TD, routing), {o.dt_rank, o.state_size, o.state_size});
  // A shared dt bias is fused into the scan; a bias of each modality's own belongs to its rows and is added
  // with its GEMM.
  const bool fuse_bias = !dt_proj->decoupled();
  at::Tensor dt_TD = dt_proj->forward(dt_b_c[0], routing, /*add_bias=*/!fuse_bias);
  auto [y_TD, scan_state] = ops::selective_scan(
      x_TD, dt_TD, -A_log.exp(), dt_b_c[1], dt_b_c[2], D, x_and_gate[1],
      fuse_bias ? std::optional<at::Tensor>(dt_proj->bias(0)) : std::nullopt, /*dt_softplus=*/true,
      routing.offsets_S1, state ? if_defined(state->scan_SDN) : std::nullopt, routing.order_T);
  if (state) *state = {conv_state, scan_state};
  return out_proj->forward(y_TD, routing);
}

std::tuple<at::Tensor, at::Tensor> RmsNormImpl::forward(const at::Tensor& x_TE,
                                                        const at::Tensor& residual_TE) {
  return ops::add_rms_norm(x_TE, if_defined(residual_TE), weight, epsilon_);
}

MambaBlockImpl::MambaBlockImpl(const MambaOptions& options) {
  norm = register_module("norm", RmsNorm(options.d_model, options.norm_epsilon));
  mixer = register_module("mixer", MambaMixer(options));
}

std::tuple<at::Tensor, at::Tensor> MambaBlockImpl::forward(const at::Tensor& branch_TE,
                                                           const at::Tensor& residual_TE,
                                                           const Routing& routing, MambaState* state) {
  auto [normed, residual] = norm->forward(branch_TE, residual_TE);
  return {mixer->forward(normed, routing, state), residual};
}

}  // namespace mom::nn
