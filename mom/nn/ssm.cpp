#include "mom/nn/ssm.h"

#include <cmath>

#include "mom/nn/parameter.h"
#include "mom/nn/split_columns.h"
#include "mom/ops/arguments.h"
#include "mom/ops/diagonal_ssm.h"
#include "mom/ops/swiglu.h"

namespace mom::nn {

SsmMixerImpl::SsmMixerImpl(const MixerOptions& options) : options_(options) {
  const auto& o = options_;
  const int64_t pairs = o.state_size / 2;
  conv_ = register_module("conv1d", CausalConv(o.d_inner, o.conv_kernel, o.conv_bias));
  log_dt_ = register_parameter("log_dt", empty_parameter({o.d_inner}));
  A_log_ = register_parameter("A_log", empty_parameter({o.d_inner, pairs}));
  A_imag_ = register_parameter("A_imag", empty_parameter({o.d_inner, pairs}));
  C_ = register_parameter("C", empty_parameter({o.d_inner, pairs, 2}));
  D_ = register_parameter("D", empty_parameter({o.d_inner}));
  in_proj_ = register_module(
      "in_proj", ModalityLinear(linear_options(o, "in_proj", o.d_model, 2 * o.d_inner, o.proj_bias)));
  out_proj_ = register_module(
      "out_proj", ModalityLinear(linear_options(o, "out_proj", o.d_inner, o.d_model, o.proj_bias)));
}

at::Tensor SsmMixerImpl::forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) {
  const Routing& routing = context.routing;
  const auto x_and_gate =
      split_columns(in_proj_->forward(x_TE, routing), {options_.d_inner, options_.d_inner});
  const at::Tensor x_TD = conv_->forward(x_and_gate[0], routing, state);
  const ops::DiagonalSsm ssm{log_dt_.exp(), torch::complex(-A_log_.exp(), A_imag_),
                             torch::view_as_complex(C_), D_,
                             ops::parse_discretisation(options_.discretisation)};
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
  const auto& o = options_;
  return {torch::zeros({num_sequences, o.d_inner, o.conv_kernel - 1}),
          torch::zeros({num_sequences, o.d_inner, o.state_size / 2}, torch::kComplexFloat),
          {},
          {}};
}

MixerCosts SsmMixerImpl::costs() const {
  const auto& o = options_;
  const double e = static_cast<double>(o.d_model), d = static_cast<double>(o.d_inner),
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
