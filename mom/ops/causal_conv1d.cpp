#include "mom/ops/causal_conv1d.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "mom/kernels/causal_conv1d.h"
#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/causal_conv1d_reference.h"
#include "mom/ops/compare.h"
#include "mom/ops/device_kernels.h"
#include "mom/ops/kernel_views.h"

namespace mom::ops {
namespace {

constexpr const char* kCausalConv1d = "causal_conv1d";
const std::vector<std::string> kConvNames = {"x_TD", "weight_DK", "bias_D", "initial_state_SDK"};

// The arguments, absent tensors undefined. `offsets_S1` is always there.
struct ConvArguments {
  at::Tensor x, weight, bias, initial, offsets_S1, order_T;
  bool silu = false;

  std::vector<at::Tensor> floats() const { return {x, weight, bias, initial}; }
  int64_t num_taps() const { return weight.size(1); }
  int64_t num_sequences() const { return offsets_S1.numel() - 1; }
};

// Converted to what the kernels read; must outlive the call. Taps and state slots come first, channels last.
struct ConvKernelArguments {
  explicit ConvKernelArguments(const ConvArguments& a)
      : x(with_dense_rows(a.x)),
        weight_KD(as_f32(a.weight.t())),
        bias(as_f32(a.bias)),
        initial_SKD(a.initial.defined() ? as_f32(a.initial.transpose(1, 2)) : at::Tensor()) {
    in.num_tokens = x.size(0);
    in.num_channels = x.size(1);
    in.num_taps = a.num_taps();
    in.num_sequences = a.num_sequences();
    in.x = rows_of(x);
    in.weight = floats_of(weight_KD);
    in.bias = floats_of(bias);
    in.silu = a.silu;
    in.offsets = a.offsets_S1.const_data_ptr<int64_t>();
    in.order = a.order_T.defined() ? a.order_T.const_data_ptr<int64_t>() : nullptr;
    in.initial = floats_of(initial_SKD);
  }
  at::Tensor x, weight_KD, bias, initial_SKD;
  kernels::ConvInputs in;
};

TensorFunction reference_of(const ConvArguments& a) {
  return [offsets = a.offsets_S1, order = a.order_T, silu = a.silu](const std::vector<at::Tensor>& t) {
    auto [y, state] = causal_conv1d_reference(t[0], t[1], if_defined(t[2]), silu, offsets, if_defined(t[3]),
                                              if_defined(order));
    return std::vector<at::Tensor>{y, state};
  };
}

torch::autograd::variable_list run_forward(const ConvArguments& a, bool check) {
  const ConvKernelArguments kernel(a);
  const auto f32 = a.x.options().dtype(at::kFloat);
  at::Tensor y = at::empty(a.x.sizes(), a.x.options());
  at::Tensor final_SKD = at::empty({a.num_sequences(), a.num_taps() - 1, a.x.size(1)}, f32);
  kernels_of(a.x).causal_conv1d_forward(kernel.in, mutable_rows_of(y), mutable_floats_of(final_SKD));
  at::Tensor final_SDK = final_SKD.transpose(1, 2).contiguous().to(a.x.scalar_type());
  if (check)
    check_values(kCausalConv1d, {"y_TD", "final_state_SDK"}, {y, final_SDK}, reference_of(a), a.floats());
  return {y, final_SDK};
}

// Gradients in the order of ConvArguments::floats().
torch::autograd::variable_list run_backward(const ConvArguments& a, const at::Tensor& dy,
                                            const at::Tensor& dfinal, bool check) {
  const ConvKernelArguments kernel(a);
  const auto f32 = a.x.options().dtype(at::kFloat);
  const at::Tensor dy_rows = dy.defined() ? with_dense_rows(dy) : at::zeros(a.x.sizes(), a.x.options());
  const at::Tensor dfinal_SKD = dfinal.defined() ? as_f32(dfinal.transpose(1, 2)) : at::Tensor();
  at::Tensor dx = at::empty(a.x.sizes(), a.x.options());
  at::Tensor dweight_KD = at::empty(kernel.weight_KD.sizes(), f32), dbias, dinitial_SKD;
  if (a.bias.defined()) dbias = at::empty(a.bias.sizes(), f32);
  if (a.initial.defined()) dinitial_SKD = at::empty(kernel.initial_SKD.sizes(), f32);
  kernels_of(a.x).causal_conv1d_backward(
      kernel.in, {rows_of(dy_rows), floats_of(dfinal_SKD), mutable_rows_of(dx), mutable_floats_of(dweight_KD),
                  mutable_floats_of(dbias), mutable_floats_of(dinitial_SKD)});
  torch::autograd::variable_list grads{dx, dweight_KD.t(), dbias,
                                       dinitial_SKD.defined() ? dinitial_SKD.transpose(1, 2) : at::Tensor()};
  if (check) check_gradients(kCausalConv1d, kConvNames, grads, reference_of(a), a.floats(), {dy, dfinal});
  return grads;
}

struct ConvFunction : torch::autograd::Function<ConvFunction> {
  using Optional = std::optional<at::Tensor>;  // autograd takes no undefined tensors
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                                                const at::Tensor& weight, const Optional& bias,
                                                const Optional& initial, const at::Tensor& offsets,
                                                const Optional& order, bool silu, bool check) {
    const ConvArguments a{
        x, weight, or_undefined(bias), or_undefined(initial), offsets, or_undefined(order), silu};
    ctx->save_for_backward({a.x, a.weight, a.bias, a.initial, a.offsets_S1, a.order_T});
    ctx->saved_data["silu"] = silu;
    ctx->saved_data["check"] = check;
    ctx->set_materialize_grads(false);
    return run_forward(a, check);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list output_grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kCausalConv1d,
                "] the kernels have no second derivative: use backend reference");
    const auto t = ctx->get_saved_variables();
    const ConvArguments a{t[0], t[1], t[2], t[3], t[4], t[5], ctx->saved_data["silu"].toBool()};
    auto grads = run_backward(a, output_grads[0], output_grads[1], ctx->saved_data["check"].toBool());
    grads.resize(8);  // offsets, order, silu, check
    return grads;
  }
};

void check_arguments(const ConvArguments& a, const std::optional<at::Tensor>& offsets_S1) {
  check_float(kCausalConv1d, "x_TD", a.x, {-1, -1});
  const int64_t num_tokens = a.x.size(0), num_channels = a.x.size(1);
  check_float(kCausalConv1d, "weight_DK", a.weight, {num_channels, -1});
  TORCH_CHECK(a.num_taps() >= 1, "[", kCausalConv1d, "] weight_DK: expected at least one tap, got ",
              describe(a.weight));
  check_float(kCausalConv1d, "bias_D", if_defined(a.bias), {num_channels});
  const int64_t num_sequences = check_offsets(kCausalConv1d, "offsets_S1", offsets_S1, num_tokens);
  check_float(kCausalConv1d, "initial_state_SDK", if_defined(a.initial),
              {num_sequences, num_channels, a.num_taps() - 1});
  check_order(kCausalConv1d, if_defined(a.order_T), num_tokens);
  const std::vector<at::Tensor> floats = a.floats();
  for (size_t i = 1; i < floats.size(); ++i)
    check_same_device(kCausalConv1d, kConvNames[i], if_defined(floats[i]), a.x);
}

std::string why_not(const ConvArguments& a) {
  if (a.num_taps() > kernels::kMaxConvTaps) {
    return "the kernel takes at most " + std::to_string(kernels::kMaxConvTaps) + " taps, not " +
           std::to_string(a.num_taps());
  }
  return "";
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> causal_conv1d(const at::Tensor& x_TD, const at::Tensor& weight_DK,
                                                 const std::optional<at::Tensor>& bias_D, bool silu,
                                                 const std::optional<at::Tensor>& offsets_S1,
                                                 const std::optional<at::Tensor>& initial_state_SDK,
                                                 const std::optional<at::Tensor>& order_T) {
  ConvArguments a{
      x_TD, weight_DK, or_undefined(bias_D), or_undefined(initial_state_SDK), {}, or_undefined(order_T),
      silu};
  check_arguments(a, offsets_S1);
  const Backend backend = choose_backend(kCausalConv1d, a.floats(), why_not(a));
  if (backend == Backend::kReference) {
    return causal_conv1d_reference(x_TD, weight_DK, bias_D, silu, offsets_S1, initial_state_SDK, order_T);
  }
  a.offsets_S1 = offsets_on(offsets_S1, x_TD.size(0), x_TD.device());
  a.order_T = order_on(order_T, x_TD.device());
  const bool check = backend == Backend::kCheck;
  auto results = any_requires_grad(a.floats())
                     ? ConvFunction::apply(a.x, a.weight, bias_D, initial_state_SDK, a.offsets_S1,
                                           if_defined(a.order_T), silu, check)
                     : run_forward(a, check);
  return {results[0], results[1]};
}

}  // namespace mom::ops
