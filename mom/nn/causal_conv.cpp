#include "mom/nn/causal_conv.h"

#include "mom/config/schema.h"
#include "mom/ops/arguments.h"
#include "mom/ops/causal_conv1d.h"

namespace mom::nn {

void RecurrentConfig::describe_recurrence(config::Table& table) {
  table.field("state_size", state_size, "state slots per channel (N)").range(1, 4096);
  table.field("conv_kernel", conv_kernel, "taps of the causal convolution").range(1, 64);
  table.field("expand", expand, "inner width / d_model").range(1, 64);
  table
      .field(kScanKey, image_scan,
             "orders in which blocks in turn read an image's patches (latents only): by rows; that and its "
             "reverse; these and by columns, forwards and in reverse")
      .one_of(scan_patterns());
  table.field("intermediate_size", d_inner, "inner width").range(0, config::kMaxWidth).file_only();
  table.field("use_conv_bias", conv_bias, "a bias in the convolution").file_only();
  table.field("use_bias", proj_bias, "a bias in in_proj and out_proj").file_only();
}

void RecurrentConfig::resolve_width(int64_t d_model) {
  if (d_inner == 0) d_inner = expand * d_model;
}

std::string RecurrentConfig::scan_problem_without_latents() const {
  if (image_scan == kRasterScan) return "";
  std::string problem =
      kScanKey;  // appended to: GCC 12 takes a chain of + here for a write behind the string's end
  problem.append(": expected ").append(kRasterScan).append(", found \"").append(image_scan);
  return problem.append("\"; images are codes here, and each is predicted from those before it");
}

CausalConvImpl::CausalConvImpl(int64_t channels, int64_t taps, bool with_bias) {
  weight_ = add_parameter("weight", {channels, 1, taps}, {.init = init_fan_in(taps)});
  if (with_bias) bias_ = add_parameter("bias", {channels}, {.init = init_fan_in(taps), .decay = false});
}

at::Tensor CausalConvImpl::forward(const at::Tensor& x_TD, const Routing& routing,
                                   const BlockContext& context, MixerState* state) {
  const auto place = Relay::Place::kConvolution;
  at::Tensor first_inputs_SDK = state ? state->conv_SDK : at::Tensor();
  if (context.relay)
    first_inputs_SDK = context.relay->initial_states(
        context.block, place, {routing.num_sequences(), weight_.size(0), weight_.size(2) - 1},
        x_TD.scalar_type(), x_TD);
  auto [y_TD, last_inputs_SDK] = ops::causal_conv1d(
      x_TD, weight_.squeeze(1), ops::if_defined(bias_), /*silu=*/true, routing.offsets_on(x_TD.device()),
      ops::if_defined(first_inputs_SDK), routing.order_on(x_TD.device()));
  if (state) state->conv_SDK = last_inputs_SDK;
  return context.relay ? context.relay->pass_on(context.block, place, y_TD, last_inputs_SDK) : y_TD;
}

}  // namespace mom::nn
