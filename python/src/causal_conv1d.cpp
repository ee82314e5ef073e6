// mixture_of_mamba::causal_conv1d and its backward: mom/kernels/causal_conv1d.h for LibTorch's stable ABI. The equation,
// shapes and precision are in mom/ops/causal_conv1d.h.
#include "mom/kernels/causal_conv1d.h"

#include <torch/csrc/stable/library.h>

#include <tuple>

#include "tensors.h"

namespace mom::python {
namespace {

constexpr const char* kOp = "causal_conv1d";

// [.., D, K] <-> [.., K, D]: the kernels have taps first, channels last.
Tensor swapped(const Tensor& tensor) {
  return torch::stable::transpose(tensor, tensor.dim() - 2, tensor.dim() - 1);
}

// The arguments, checked and converted to what the kernels read; must outlive the call.
struct Conv {
  Conv(const Tensor& x_TD, const Tensor& weight_DK, const OptionalTensor& bias_D, bool silu,
       const OptionalTensor& offsets_S1, const OptionalTensor& initial_state_SDK,
       const OptionalTensor& order_T)
      : num_tokens(rows_checked(x_TD)), positions(kOp, offsets_S1, order_T, num_tokens) {
    const int64_t num_channels = x_TD.size(1);
    check(kOp, "weight_DK", weight_DK, {num_channels, -1});
    const int64_t num_taps = weight_DK.size(1);
    STD_TORCH_CHECK(num_taps >= 1 && num_taps <= kernels::kMaxConvTaps, "[", kOp,
                    "] weight_DK: expected 1 to ", kernels::kMaxConvTaps, " taps, got ", num_taps);
    check(kOp, "bias_D", bias_D, {num_channels});
    check(kOp, "initial_state_SDK", initial_state_SDK,
          {positions.num_sequences(), num_channels, num_taps - 1});
    x = with_dense_rows(x_TD), weight_KD = as_f32(swapped(weight_DK)), bias = as_f32(bias_D);
    if (initial_state_SDK) initial_SKD = as_f32(swapped(*initial_state_SDK));
    in.num_tokens = num_tokens, in.num_channels = num_channels;
    in.num_taps = num_taps, in.num_sequences = positions.num_sequences();
    in.x = rows_of(x), in.weight = floats_of(weight_KD), in.bias = floats_of(bias);
    in.silu = silu;
    in.offsets = positions.offsets(), in.order = positions.order();
    in.initial = floats_of(initial_SKD);
  }

  const int64_t num_tokens;
  const Positions positions;
  Tensor x, weight_KD;
  OptionalTensor bias, initial_SKD;
  kernels::ConvInputs in;

 private:
  static int64_t rows_checked(const Tensor& x_TD) {
    check(kOp, "x_TD", x_TD, {-1, -1});
    return x_TD.size(0);
  }
};

// -> y_TD, final_state_SDK, both with the dtype of x.
std::tuple<Tensor, Tensor> forward(const Tensor& x_TD, const Tensor& weight_DK, const OptionalTensor& bias_D,
                                   bool silu, const OptionalTensor& offsets_S1,
                                   const OptionalTensor& initial_state_SDK, const OptionalTensor& order_T) {
  const Conv conv(x_TD, weight_DK, bias_D, silu, offsets_S1, initial_state_SDK, order_T);
  const Tensor y = empty_as(x_TD);
  const Tensor final_SKD =
      empty_f32(x_TD, {conv.in.num_sequences, conv.in.num_taps - 1, conv.in.num_channels});
  kernels::causal_conv1d_forward(conv.in, mutable_rows_of(y), mutable_floats_of(final_SKD), parallel_tiles);
  return {
      y, torch::stable::to(torch::stable::contiguous(swapped(final_SKD)), std::optional(x_TD.scalar_type()))};
}

// -> gradients of x (its dtype), weight, bias and the initial state (f32); empty where that is absent.
std::tuple<Tensor, Tensor, Tensor, Tensor> backward(const OptionalTensor& dy_TD,
                                                    const OptionalTensor& dfinal_SDK, const Tensor& x_TD,
                                                    const Tensor& weight_DK, const OptionalTensor& bias_D,
                                                    bool silu, const OptionalTensor& offsets_S1,
                                                    const OptionalTensor& initial_state_SDK,
                                                    const OptionalTensor& order_T) {
  const Conv conv(x_TD, weight_DK, bias_D, silu, offsets_S1, initial_state_SDK, order_T);
  const kernels::ConvInputs& in = conv.in;
  check("causal_conv1d_backward", "dy_TD", dy_TD, {in.num_tokens, in.num_channels});
  check("causal_conv1d_backward", "dfinal_SDK", dfinal_SDK,
        {in.num_sequences, in.num_channels, in.num_taps - 1});
  const Tensor dy = dy_TD ? with_dense_rows(*dy_TD) : torch::stable::new_zeros(x_TD, x_TD.sizes());
  OptionalTensor dfinal_SKD;
  if (dfinal_SDK) dfinal_SKD = as_f32(swapped(*dfinal_SDK));
  const Tensor dx = empty_as(x_TD), dweight_KD = empty_as(conv.weight_KD);
  const Tensor dbias = empty_as(conv.bias, conv.weight_KD);
  Tensor dinitial = empty_as(conv.initial_SKD, conv.weight_KD);
  kernels::causal_conv1d_backward(in,
                                  {rows_of(dy), floats_of(dfinal_SKD), mutable_rows_of(dx),
                                   mutable_floats_of(dweight_KD), bias_D ? mutable_floats_of(dbias) : nullptr,
                                   initial_state_SDK ? mutable_floats_of(dinitial) : nullptr},
                                  parallel_tiles);
  if (initial_state_SDK) dinitial = torch::stable::contiguous(swapped(dinitial));
  return {dx, torch::stable::contiguous(swapped(dweight_KD)), dbias, dinitial};
}

STABLE_TORCH_LIBRARY_FRAGMENT(mixture_of_mamba, m) {
  m.def(
      "causal_conv1d(Tensor x_TD, Tensor weight_DK, Tensor? bias_D, bool silu, Tensor? offsets_S1, Tensor? "
      "initial_state_SDK, Tensor? order_T) -> (Tensor y_TD, Tensor final_state_SDK)");
  m.def(
      "causal_conv1d_backward(Tensor? dy_TD, Tensor? dfinal_SDK, Tensor x_TD, Tensor weight_DK, Tensor? "
      "bias_D, bool silu, Tensor? offsets_S1, Tensor? initial_state_SDK, Tensor? order_T) -> (Tensor, "
      "Tensor, "
      "Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(mixture_of_mamba, CPU, m) {
  m.impl("causal_conv1d", TORCH_BOX(&forward));
  m.impl("causal_conv1d_backward", TORCH_BOX(&backward));
}

}  // namespace
}  // namespace mom::python
