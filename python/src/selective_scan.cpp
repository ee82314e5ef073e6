// mixture_of_mamba::selective_scan and its backward: mom/kernels/selective_scan.h for LibTorch's stable ABI. The equation,
// shapes and precision are in mom/ops/selective_scan.h.
#include "mom/kernels/selective_scan.h"

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <tuple>

#include "mom/kernels/scan_plan.h"
#include "tensors.h"

namespace mom::python {
namespace {

constexpr const char* kOp = "selective_scan";

// The arguments, checked and converted to what the kernels read; must outlive the call.
struct Scan {
  Scan(const Tensor& u_TD, const Tensor& dt_TD, const Tensor& a_DN, const Tensor& b_TN, const Tensor& c_TN,
       const OptionalTensor& skip_D, const OptionalTensor& gate_TD, const OptionalTensor& dt_bias_D,
       bool dt_softplus, const OptionalTensor& offsets_S1, const OptionalTensor& initial_state_SDN,
       const OptionalTensor& order_T)
      : num_tokens(rows_checked(u_TD)), positions(kOp, offsets_S1, order_T, num_tokens) {
    const int64_t num_channels = u_TD.size(1);
    check(kOp, "a_DN", a_DN, {num_channels, -1});
    const int64_t num_states = a_DN.size(1), num_sequences = positions.num_sequences();
    check(kOp, "dt_TD", dt_TD, {num_tokens, num_channels});
    check(kOp, "b_TN", b_TN, {num_tokens, num_states});
    check(kOp, "c_TN", c_TN, {num_tokens, num_states});
    check(kOp, "skip_D", skip_D, {num_channels});
    check(kOp, "gate_TD", gate_TD, {num_tokens, num_channels});
    check(kOp, "dt_bias_D", dt_bias_D, {num_channels});
    check(kOp, "initial_state_SDN", initial_state_SDN, {num_sequences, num_channels, num_states});
    u = with_dense_rows(u_TD), dt = with_dense_rows(dt_TD);
    b = with_dense_rows(b_TN), c = with_dense_rows(c_TN), gate = with_dense_rows(gate_TD);
    a = as_f32(a_DN), skip = as_f32(skip_D), dt_bias = as_f32(dt_bias_D), initial = as_f32(initial_state_SDN);
    in.num_tokens = num_tokens, in.num_channels = num_channels;
    in.num_states = num_states, in.num_sequences = num_sequences;
    in.u = rows_of(u), in.dt = rows_of(dt), in.b = rows_of(b), in.c = rows_of(c), in.gate = rows_of(gate);
    in.a = floats_of(a), in.skip = floats_of(skip), in.dt_bias = floats_of(dt_bias);
    in.dt_softplus = dt_softplus;
    in.offsets = positions.offsets(), in.order = positions.order();
    in.initial = floats_of(initial);
  }

  const int64_t num_tokens;
  const Positions positions;
  Tensor u, dt, b, c, a;
  OptionalTensor gate, skip, dt_bias, initial;
  kernels::ScanInputs in;

 private:
  static int64_t rows_checked(const Tensor& u_TD) {
    check(kOp, "u_TD", u_TD, {-1, -1});
    return u_TD.size(0);
  }
};

// -> y_TD, final_state_SDN, chunk_states (empty unless a backward follows).
std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& u_TD, const Tensor& dt_TD, const Tensor& a_DN,
                                           const Tensor& b_TN, const Tensor& c_TN,
                                           const OptionalTensor& skip_D, const OptionalTensor& gate_TD,
                                           const OptionalTensor& dt_bias_D, bool dt_softplus,
                                           const OptionalTensor& offsets_S1,
                                           const OptionalTensor& initial_state_SDN,
                                           const OptionalTensor& order_T, bool keep_chunk_states) {
  const Scan scan(u_TD, dt_TD, a_DN, b_TN, c_TN, skip_D, gate_TD, dt_bias_D, dt_softplus, offsets_S1,
                  initial_state_SDN, order_T);
  const Tensor y = empty_as(u_TD);
  const Tensor final_state =
      empty_f32(u_TD, {scan.in.num_sequences, scan.in.num_channels, scan.in.num_states});
  // Of the size that the fake implementation states, which knows no offsets.
  const Tensor chunk_states =
      empty_f32(u_TD, {keep_chunk_states ? kernels::ScanPlan::most_chunk_state_size(scan.in) : 0});
  if (keep_chunk_states) {
    float* states = mutable_floats_of(chunk_states);
    std::fill(states + kernels::scan_chunk_state_size(scan.in), states + chunk_states.numel(), 0.0f);
  }
  kernels::selective_scan_forward(scan.in,
                                  {mutable_rows_of(y), mutable_floats_of(final_state),
                                   keep_chunk_states ? mutable_floats_of(chunk_states) : nullptr},
                                  parallel_tiles);
  return {y, final_state, chunk_states};
}

// -> gradients of u, dt, a, b, c, skip, gate, dt_bias and the initial state; empty where that is absent. Those of u, dt
// and gate have their dtype, the others are f32.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> backward(
    const OptionalTensor& dy_TD, const OptionalTensor& dfinal_SDN, const Tensor& chunk_states,
    const Tensor& u_TD, const Tensor& dt_TD, const Tensor& a_DN, const Tensor& b_TN, const Tensor& c_TN,
    const OptionalTensor& skip_D, const OptionalTensor& gate_TD, const OptionalTensor& dt_bias_D,
    bool dt_softplus, const OptionalTensor& offsets_S1, const OptionalTensor& initial_state_SDN,
    const OptionalTensor& order_T) {
  const Scan scan(u_TD, dt_TD, a_DN, b_TN, c_TN, skip_D, gate_TD, dt_bias_D, dt_softplus, offsets_S1,
                  initial_state_SDN, order_T);
  const kernels::ScanInputs& in = scan.in;
  check("selective_scan_backward", "dy_TD", dy_TD, {in.num_tokens, in.num_channels});
  check("selective_scan_backward", "dfinal_SDN", dfinal_SDN,
        {in.num_sequences, in.num_channels, in.num_states});
  STD_TORCH_CHECK(chunk_states.is_contiguous() && chunk_states.scalar_type() == ScalarType::Float &&
                      chunk_states.numel() >= kernels::scan_chunk_state_size(in),
                  "[selective_scan_backward] chunk_states: expected those of a forward that kept them, got ",
                  describe(chunk_states));
  const Tensor dy = dy_TD ? with_dense_rows(*dy_TD) : torch::stable::new_zeros(u_TD, u_TD.sizes());
  const OptionalTensor dfinal = as_f32(dfinal_SDN);
  const Tensor du = empty_as(u_TD), ddt = empty_as(dt_TD), da = empty_as(scan.a);
  const Tensor db = empty_f32(b_TN, {in.num_tokens, in.num_states}),
               dc = empty_f32(c_TN, {in.num_tokens, in.num_states});
  const Tensor dskip = empty_as(scan.skip, scan.a), dgate = empty_as(gate_TD, u_TD);
  const Tensor ddt_bias = empty_as(scan.dt_bias, scan.a), dinitial = empty_as(scan.initial, scan.a);
  kernels::ScanGradients grad;
  grad.y = rows_of(dy);
  grad.final_state = floats_of(dfinal);
  grad.chunk_states = floats_of(chunk_states);
  grad.u = mutable_rows_of(du);
  grad.dt = mutable_rows_of(ddt);
  if (gate_TD) grad.gate = mutable_rows_of(dgate);
  grad.a = mutable_floats_of(da);
  grad.b = mutable_floats_of(db);
  grad.c = mutable_floats_of(dc);
  if (skip_D) grad.skip = mutable_floats_of(dskip);
  if (dt_bias_D) grad.dt_bias = mutable_floats_of(ddt_bias);
  if (initial_state_SDN) grad.initial = mutable_floats_of(dinitial);
  kernels::selective_scan_backward(in, grad, parallel_tiles);
  return {du, ddt, da, db, dc, dskip, dgate, ddt_bias, dinitial};
}

STABLE_TORCH_LIBRARY_FRAGMENT(mixture_of_mamba, m) {
  m.def(
      "selective_scan(Tensor u_TD, Tensor dt_TD, Tensor a_DN, Tensor b_TN, Tensor c_TN, Tensor? skip_D, "
      "Tensor? gate_TD, Tensor? dt_bias_D, bool dt_softplus, Tensor? offsets_S1, Tensor? initial_state_SDN, "
      "Tensor? order_T, bool keep_chunk_states) -> (Tensor y_TD, Tensor final_state_SDN, Tensor "
      "chunk_states)");
  m.def(
      "selective_scan_backward(Tensor? dy_TD, Tensor? dfinal_SDN, Tensor chunk_states, Tensor u_TD, Tensor "
      "dt_TD, Tensor a_DN, Tensor b_TN, Tensor c_TN, Tensor? skip_D, Tensor? gate_TD, Tensor? dt_bias_D, "
      "bool "
      "dt_softplus, Tensor? offsets_S1, Tensor? initial_state_SDN, Tensor? order_T) -> (Tensor, Tensor, "
      "Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(mixture_of_mamba, CPU, m) {
  m.impl("selective_scan", TORCH_BOX(&forward));
  m.impl("selective_scan_backward", TORCH_BOX(&backward));
}

}  // namespace
}  // namespace mom::python
