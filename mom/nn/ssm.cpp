#include "mom/nn/ssm.h"

#include <cmath>

#include "mom/config/schema.h"
#include "mom/nn/split_columns.h"
#include "mom/ops/arguments.h"
#include "mom/ops/diagonal_ssm.h"
#include "mom/ops/swiglu.h"

namespace mom::nn {

namespace {

// Frequencies of the state slots: S4D-Lin pi n, S4D-Inv (N / pi) (N / (2 n + 1) - 1) (arXiv 2206.11893).
Initialiser init_frequencies(const SsmConfig& config) {
  return [inverse = config.init == "s4d_inv", n = static_cast<double>(config.state_size)](
             at::Tensor& A_imag, const at::Generator&) {
    const double pi = 3.14159265358979323846;
    const at::Tensor slot = torch::arange(A_imag.size(1), torch::kFloat64);
    A_imag.copy_((inverse ? n / pi * (n / (2 * slot + 1) - 1) : pi * slot).expand_as(A_imag));
  };
}

}  // namespace

void SsmConfig::describe(config::Table& table) {
  describe_recurrence(table);
  table.field("discretisation", discretisation, "how ssm is sampled: zero-order hold or bilinear")
      .one_of({"zoh", "bilinear"});
  table.field("ssm_init", init, "frequencies ssm starts from: S4D-Lin or S4D-Inv")
      .one_of({"s4d_lin", "s4d_inv"});
}

std::string SsmConfig::problem(int64_t) const {
  if (state_size % 2 == 0) return "";
  return "state_size: expected an even number (conjugate pairs), found " + std::to_string(state_size);
}

SsmMixerImpl::SsmMixerImpl(const SsmConfig& config, const Trunk& trunk)
    : config_(config), d_model_(trunk.d_model), order_(scan_order(config.image_scan, trunk.turn)) {
  const auto& o = config_;
  const int64_t pairs = o.state_size / 2;
  auto add = [&](const char* name, at::IntArrayRef sizes, Initialiser init, bool decay = false) {
    return add_parameter(name, sizes, {.init = std::move(init), .decay = decay});
  };
  conv_ = register_module("conv1d", CausalConv(o.d_inner, o.conv_kernel, o.conv_bias));
  log_dt_ = add("log_dt", {o.d_inner}, init_uniform(std::log(1e-3), std::log(1e-1)));
  A_log_ = add("A_log", {o.d_inner, pairs}, init_constant(std::log(0.5)));
  A_imag_ = add("A_imag", {o.d_inner, pairs}, init_frequencies(o));
  C_ = add("C", {o.d_inner, pairs, 2}, init_normal(std::sqrt(0.5)), /*decay=*/true);  // complex of variance 1
  D_ = add("D", {o.d_inner}, init_constant(1));
  in_proj_ = register_module(
      "in_proj", ModalityLinear(projection_options(trunk, "in_proj", d_model_, 2 * o.d_inner, o.proj_bias)));
  out_proj_ = register_module(
      "out_proj", ModalityLinear(residual_options(trunk, "out_proj", o.d_inner, d_model_, o.proj_bias)));
}

at::Tensor SsmMixerImpl::forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) {
  const Routing& routing = context.routing_in(order_);
  const auto x_and_gate = split_columns(in_proj_->forward(x_TE, routing), {config_.d_inner, config_.d_inner});
  const at::Tensor x_TD = conv_->forward(x_and_gate[0], routing, context, state);
  const ops::DiagonalSsm ssm{log_dt_.exp(), torch::complex(-A_log_.exp(), A_imag_),
                             torch::view_as_complex(C_), D_,
                             ops::parse_discretisation(config_.discretisation)};
  at::Tensor y_TD;
  if (state) {
    std::tie(y_TD, state->recurrent_SDN) = ops::diagonal_ssm_recurrence(
        x_TD, ssm, routing.offsets_S1, ops::if_defined(state->recurrent_SDN), routing.order_T);
  } else {
    y_TD = ops::diagonal_ssm_convolution(x_TD, ssm, routing.offsets_S1, routing.order_T);
  }
  return out_proj_->forward(ops::swiglu(x_and_gate[1], y_TD), routing);
}

MixerState SsmMixerImpl::initial_state(int64_t num_sequences) const {
  const auto& o = config_;
  return {torch::zeros({num_sequences, o.d_inner, o.conv_kernel - 1}),
          torch::zeros({num_sequences, o.d_inner, o.state_size / 2}, torch::kComplexFloat),
          {},
          {}};
}

MixerCosts SsmMixerImpl::costs() const {
  const auto& o = config_;
  const double e = static_cast<double>(d_model_), d = static_cast<double>(o.d_inner),
               n = static_cast<double>(o.state_size), k = static_cast<double>(o.conv_kernel);
  MixerCosts costs;
  costs.gemm = 2 * (2 * e * d + d * e);
  costs.conv = 2 * k * d;
  // By recurrence, a conjugate pair: a complex multiply-add (8), b u (2 of them shared with it), c h (4);
  // and skip, gate and their sums.
  costs.scan = d * (7 * n + 8);
  costs.state_bytes = 4 * o.d_inner * (o.state_size + o.conv_kernel - 1);
  // in_proj's output (2 D), the convolution's, the state-space model's and the gate's.
  costs.kept = 5 * d;
  // Padded to a power of two: the input, its spectrum and the product's, twice as long as the sequence.
  costs.kept_f32 = 9 * d;
  costs.passing = 6 * d;
  costs.passing_f32 = 8 * d;
  return costs;
}

}  // namespace mom::nn
