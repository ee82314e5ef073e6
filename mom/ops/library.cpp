// The ops as torch operators `mom::*`, for Python and TorchScript: torch.ops.load_library("libmom_ops.so").
#include <ATen/ATen.h>
#include <torch/library.h>

#include "mom/ops/causal_conv1d.h"
#include "mom/ops/modality_linear.h"
#include "mom/ops/rms_norm.h"
#include "mom/ops/selective_scan.h"

namespace {

using OptionalTensor = std::optional<at::Tensor>;

// CompositeImplicitAutograd: the functions themselves record their autograd nodes.
TORCH_LIBRARY(mom, m) {
  m.def(
      "selective_scan(Tensor u_TD, Tensor dt_TD, Tensor a_DN, Tensor b_TN, Tensor c_TN, Tensor? skip_D, "
      "Tensor? gate_TD, Tensor? dt_bias_D, bool dt_softplus, Tensor? offsets_S1, Tensor? initial_state_SDN, "
      "Tensor? order_T=None) -> (Tensor y_TD, Tensor final_state_SDN)",
      &mom::ops::selective_scan);
  m.def(
      "causal_conv1d(Tensor x_TD, Tensor weight_DK, Tensor? bias_D, bool silu, Tensor? offsets_S1, "
      "Tensor? initial_state_SDK, Tensor? order_T=None) -> (Tensor y_TD, Tensor final_state_SDK)",
      &mom::ops::causal_conv1d);
  m.def(
      "modality_linear(Tensor x_TI, Tensor[] weights_OI, Tensor[] biases_O, Tensor group_offsets_M1) -> "
      "Tensor y_TO",
      &mom::ops::modality_linear);
  m.def(
      "add_rms_norm(Tensor x_TE, Tensor? residual_TE, Tensor weight_E, float eps) -> (Tensor normed_TE, "
      "Tensor new_residual_TE)",
      &mom::ops::add_rms_norm);
}

}  // namespace
