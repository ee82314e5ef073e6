#include "mom/nn/mamba.h"

#include "mom/nn/parameter.h"
#include "mom/nn/split_columns.h"
#include "mom/ops/arguments.h"
#include "mom/ops/selective_scan.h"

namespace mom::nn {

ModalityLinear MambaMixerImpl::projection(const std::string& name, int64_t in, int64_t out, bool bias) {
  return register_module(name, ModalityLinear(linear_options(options_, name, in, out, bias)));
}

MambaMixerImpl::MambaMixerImpl(const MixerOptions& options) : options_(options) {
  const auto& o = options_;
  conv_ = register_module("conv1d", CausalConv(o.d_inner, o.conv_kernel, o.conv_bias));
  A_log_ = register_parameter("A_log", empty_parameter({o.d_inner, o.state_size}));
  D_ = register_parameter("D", empty_parameter({o.d_inner}));
  in_proj_ = projection("in_proj", o.d_model, 2 * o.d_inner, o.proj_bias);
  x_proj_ = projection("x_proj", o.d_inner, o.dt_rank + 2 * o.state_size, false);
  dt_proj_ = projection("dt_proj", o.dt_rank, o.d_inner, true);
  out_proj_ = projection("out_proj", o.d_inner, o.d_model, o.proj_bias);
}

at::Tensor MambaMixerImpl::forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) {
  const auto& o = options_;
  const Routing& routing = context.routing;
  const auto x_and_gate = split_columns(in_proj_->forward(x_TE, routing), {o.d_inner, o.d_inner});
  const at::Tensor x_TD = conv_->forward(x_and_gate[0], routing, state);
  const auto dt_b_c = split_columns(x_proj_->forward(x_TD, routing), {o.dt_rank, o.state_size, o.state_size});
  // A shared dt bias is fused into the scan; a bias of each modality's own belongs to its rows and is added
  // with its GEMM.
  const bool fuse_bias = !dt_proj_->decoupled();
  const at::Tensor dt_TD = dt_proj_->forward(dt_b_c[0], routing, /*add_bias=*/!fuse_bias);
  auto [y_TD, scan_state] = ops::selective_scan(
      x_TD, dt_TD, -A_log_.exp(), dt_b_c[1], dt_b_c[2], D_, x_and_gate[1],
      fuse_bias ? std::optional<at::Tensor>(dt_proj_->bias(0)) : std::nullopt, /*dt_softplus=*/true,
      routing.offsets_S1, state ? ops::if_defined(state->recurrent_SDN) : std::nullopt, routing.order_T);
  if (state) state->recurrent_SDN = scan_state;
  return out_proj_->forward(y_TD, routing);
}

MixerState MambaMixerImpl::initial_state(int64_t num_sequences) const {
  const auto& o = options_;
  return {torch::zeros({num_sequences, o.d_inner, o.conv_kernel - 1}),
          torch::zeros({num_sequences, o.d_inner, o.state_size}),
          {},
          {}};
}

MixerCosts MambaMixerImpl::costs() const {
  const auto& o = options_;
  const double e = static_cast<double>(o.d_model), d = static_cast<double>(o.d_inner),
               n = static_cast<double>(o.state_size), r = static_cast<double>(o.dt_rank),
               k = static_cast<double>(o.conv_kernel);
  MixerCosts costs;
  costs.gemm = 2 * (e * 2 * d + d * (r + 2 * n) + r * d + d * e);
  costs.conv = 2 * k * d;
  // 7 a channel and state slot (step * a, exp, b * (step u), two multiply-adds), and 8 a channel.
  costs.scan = d * (7 * n + 8);
  costs.state_bytes = 4 * o.d_inner * (o.state_size + o.conv_kernel - 1);
  // in_proj's output (2 D), what the convolution, dt_proj and the scan make of it (3 D), x_proj's output; the
  // scan's state every 32 positions.
  costs.kept = 5 * d + r + 2 * n;
  costs.kept_f32 = n * d / 32;
  // Gradients of the scan's and the convolution's inputs and outputs; partial sums of b and c from each 64
  // channels.
  costs.passing = 6 * d;
  costs.passing_f32 = 2 * n * (d / 64);
  return costs;
}

}  // namespace mom::nn
