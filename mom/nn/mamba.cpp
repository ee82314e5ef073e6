#include "mom/nn/mamba.h"

#include <cmath>

#include "mom/base/rounding.h"
#include "mom/config/schema.h"
#include "mom/nn/split_columns.h"
#include "mom/ops/arguments.h"
#include "mom/ops/selective_scan.h"

namespace mom::nn {

namespace {

// The step sizes that the bias of dt_proj starts at: log-uniform in [1e-3, 1e-1], as softplus gives them (mamba-ssm).
void init_dt_bias(at::Tensor& bias, const at::Generator& generator) {
  constexpr double kStepMin = 1e-3, kStepMax = 1e-1, kStepFloor = 1e-4;
  bias.uniform_(0, 1, generator)
      .mul_(std::log(kStepMax) - std::log(kStepMin))
      .add_(std::log(kStepMin))
      .exp_()
      .clamp_min_(kStepFloor);
  bias.copy_(bias + torch::log(-torch::expm1(-bias)));  // the inverse of softplus
}

// -exp(A_log) = -1, -2, ... -N in every channel.
void init_a_log(at::Tensor& a_log_DN, const at::Generator&) {
  a_log_DN.copy_(torch::arange(1, a_log_DN.size(1) + 1, torch::kFloat32).log().expand_as(a_log_DN));
}

}  // namespace

void MambaConfig::describe(config::Table& table) {
  describe_recurrence(table);
  table.field("time_step_rank", dt_rank, "rank of the step projection; 0: d_model / 16, rounded up")
      .range(0, config::kMaxWidth);
}

void MambaConfig::resolve(int64_t d_model) {
  resolve_width(d_model);
  if (dt_rank == 0) dt_rank = ceil_div(d_model, 16);
}

MambaMixerImpl::MambaMixerImpl(const MambaConfig& config, const Trunk& trunk)
    : config_(config), d_model_(trunk.d_model), order_(scan_order(config.image_scan, trunk.turn)) {
  const auto& o = config_;
  const double dt_bound = 1 / std::sqrt(static_cast<double>(o.dt_rank));
  conv_ = register_module("conv1d", CausalConv(o.d_inner, o.conv_kernel, o.conv_bias));
  A_log_ = add_parameter("A_log", {o.d_inner, o.state_size}, {.init = init_a_log, .decay = false});
  D_ = add_parameter("D", {o.d_inner}, {.init = init_constant(1), .decay = false});
  auto add = [&](const char* name, const ModalityLinearOptions& options) {
    return register_module(name, ModalityLinear(options));
  };
  in_proj_ = add("in_proj", projection_options(trunk, "in_proj", d_model_, 2 * o.d_inner, o.proj_bias));
  x_proj_ = add("x_proj", projection_options(trunk, "x_proj", o.d_inner, o.dt_rank + 2 * o.state_size));
  ModalityLinearOptions dt = projection_options(trunk, "dt_proj", o.dt_rank, o.d_inner, /*bias=*/true);
  dt.weight.init = init_uniform(-dt_bound, dt_bound);
  dt.bias_traits.init = init_dt_bias;
  dt_proj_ = add("dt_proj", dt);
  out_proj_ = add("out_proj", residual_options(trunk, "out_proj", o.d_inner, d_model_, o.proj_bias));
}

at::Tensor MambaMixerImpl::forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) {
  const auto& o = config_;
  const Routing& routing = context.routing_in(order_);
  const auto x_and_gate = split_columns(in_proj_->forward(x_TE, routing), {o.d_inner, o.d_inner});
  const at::Tensor x_TD = conv_->forward(x_and_gate[0], routing, context, state);
  const auto dt_b_c = split_columns(x_proj_->forward(x_TD, routing), {o.dt_rank, o.state_size, o.state_size});
  // A shared dt bias is fused into the scan; a bias of each modality's own belongs to its rows and is added
  // with its GEMM.
  const bool fuse_bias = !dt_proj_->decoupled();
  const at::Tensor dt_TD = dt_proj_->forward(dt_b_c[0], routing, /*add_bias=*/!fuse_bias);
  at::Tensor initial_SDN = state ? state->recurrent_SDN : at::Tensor();
  if (context.relay)
    initial_SDN = context.relay->initial_states(
        context.block, Relay::Place::kScan, {routing.num_sequences(), o.d_inner, o.state_size},
        x_TD.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32, x_TD);
  auto [y_TD, scan_state] = ops::selective_scan(
      x_TD, dt_TD, -A_log_.exp(), dt_b_c[1], dt_b_c[2], D_, x_and_gate[1],
      fuse_bias ? std::optional<at::Tensor>(dt_proj_->bias(0)) : std::nullopt, /*dt_softplus=*/true,
      routing.offsets_on(x_TD.device()), ops::if_defined(initial_SDN), routing.order_on(x_TD.device()));
  if (state) state->recurrent_SDN = scan_state;
  if (context.relay) y_TD = context.relay->pass_on(context.block, Relay::Place::kScan, y_TD, scan_state);
  return out_proj_->forward(y_TD, routing);
}

MixerState MambaMixerImpl::initial_state(int64_t num_sequences) const {
  const auto& o = config_;
  return {torch::zeros({num_sequences, o.d_inner, o.conv_kernel - 1}),
          torch::zeros({num_sequences, o.d_inner, o.state_size}),
          {},
          {}};
}

MixerCosts MambaMixerImpl::costs() const {
  const auto& o = config_;
  const double e = static_cast<double>(d_model_), d = static_cast<double>(o.d_inner),
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
