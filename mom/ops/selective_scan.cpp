#include "mom/ops/selective_scan.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/compare.h"
#include "mom/ops/device_kernels.h"
#include "mom/ops/kernel_views.h"
#include "mom/ops/selective_scan_reference.h"

namespace mom::ops {
namespace {

constexpr const char* kSelectiveScan = "selective_scan";
const std::vector<std::string> kScanNames = {
    "u_TD", "dt_TD", "a_DN", "b_TN", "c_TN", "skip_D", "gate_TD", "dt_bias_D", "initial_state_SDN"};

// The arguments, absent tensors undefined. `offsets_S1` is always there.
struct ScanArguments {
  at::Tensor u, dt, a, b, c, skip, gate, dt_bias, initial, offsets_S1, order_T;
  bool dt_softplus = false;

  std::vector<at::Tensor> floats() const { return {u, dt, a, b, c, skip, gate, dt_bias, initial}; }
  static ScanArguments from(const torch::autograd::variable_list& t, bool softplus) {
    return {t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], softplus};
  }
  int64_t num_sequences() const { return offsets_S1.numel() - 1; }
};

// Converted to what the kernels read; must outlive the call. Row matrices stay as they are.
struct ScanKernelArguments {
  explicit ScanKernelArguments(const ScanArguments& x)
      : u(with_dense_rows(x.u)),
        dt(with_dense_rows(x.dt)),
        b(with_dense_rows(x.b)),
        c(with_dense_rows(x.c)),
        gate(with_dense_rows(x.gate)),
        a(as_f32(x.a)),
        skip(as_f32(x.skip)),
        dt_bias(as_f32(x.dt_bias)),
        initial(as_f32(x.initial)) {
    in.num_tokens = u.size(0);
    in.num_channels = u.size(1);
    in.num_states = a.size(1);
    in.num_sequences = x.num_sequences();
    in.u = rows_of(u);
    in.dt = rows_of(dt);
    in.b = rows_of(b);
    in.c = rows_of(c);
    in.gate = rows_of(gate);
    in.a = floats_of(a);
    in.skip = floats_of(skip);
    in.dt_bias = floats_of(dt_bias);
    in.dt_softplus = x.dt_softplus;
    in.offsets = x.offsets_S1.const_data_ptr<int64_t>();
    in.order = x.order_T.defined() ? x.order_T.const_data_ptr<int64_t>() : nullptr;
    in.initial = floats_of(initial);
  }
  at::Tensor u, dt, b, c, gate, a, skip, dt_bias, initial;
  kernels::ScanInputs in;
};

TensorFunction reference_of(const ScanArguments& x) {
  return [offsets = x.offsets_S1, order = x.order_T,
          softplus = x.dt_softplus](const std::vector<at::Tensor>& t) {
    auto [y, state] =
        selective_scan_reference(t[0], t[1], t[2], t[3], t[4], if_defined(t[5]), if_defined(t[6]),
                                 if_defined(t[7]), softplus, offsets, if_defined(t[8]), if_defined(order));
    return std::vector<at::Tensor>{y, state};
  };
}

struct Forward {
  at::Tensor y, final_state, chunk_states;  // chunk_states only where a backward follows
};

Forward run_forward(const ScanArguments& x, bool keep_chunk_states, bool check) {
  const ScanKernelArguments kernel(x);
  const auto f32 = x.u.options().dtype(at::kFloat);
  Forward result{at::empty(x.u.sizes(), x.u.options()),
                 at::empty({x.num_sequences(), x.a.size(0), x.a.size(1)}, f32),
                 {}};
  if (keep_chunk_states)
    result.chunk_states = at::empty({kernels_of(x.u).scan_chunk_state_size(kernel.in)}, f32);
  kernels_of(x.u).selective_scan_forward(kernel.in,
                                         {mutable_rows_of(result.y), mutable_floats_of(result.final_state),
                                          mutable_floats_of(result.chunk_states)});
  if (check)
    check_values(kSelectiveScan, {"y_TD", "final_state_SDN"}, {result.y, result.final_state}, reference_of(x),
                 x.floats());
  return result;
}

at::Tensor empty_for(const at::Tensor& wanted, at::ScalarType type) {
  return wanted.defined() ? at::empty(wanted.sizes(), wanted.options().dtype(type)) : at::Tensor();
}

// Gradients in the order of ScanArguments::floats().
std::vector<at::Tensor> run_backward(const ScanArguments& x, const at::Tensor& chunk_states,
                                     const at::Tensor& dy, const at::Tensor& dfinal, bool check) {
  const ScanKernelArguments kernel(x);
  const at::Tensor dy_rows =
      dy.defined() ? with_dense_rows(dy) : at::zeros_like(x.u, at::MemoryFormat::Contiguous);
  const at::Tensor dfinal_f32 = as_f32(dfinal);
  std::vector<at::Tensor> grads;
  for (const at::Tensor& input : {x.u, x.dt}) grads.push_back(empty_for(input, input.scalar_type()));
  for (const at::Tensor& input : {x.a, x.b, x.c, x.skip}) grads.push_back(empty_for(input, at::kFloat));
  grads.push_back(x.gate.defined() ? empty_for(x.gate, x.gate.scalar_type()) : at::Tensor());
  for (const at::Tensor& input : {x.dt_bias, x.initial}) grads.push_back(empty_for(input, at::kFloat));
  kernels::ScanGradients grad;
  grad.y = rows_of(dy_rows);
  grad.final_state = floats_of(dfinal_f32);
  grad.chunk_states = floats_of(chunk_states);
  grad.u = mutable_rows_of(grads[0]);
  grad.dt = mutable_rows_of(grads[1]);
  grad.a = mutable_floats_of(grads[2]);
  grad.b = mutable_floats_of(grads[3]);
  grad.c = mutable_floats_of(grads[4]);
  grad.skip = mutable_floats_of(grads[5]);
  grad.gate = mutable_rows_of(grads[6]);
  grad.dt_bias = mutable_floats_of(grads[7]);
  grad.initial = mutable_floats_of(grads[8]);
  kernels_of(x.u).selective_scan_backward(kernel.in, grad);
  if (check) check_gradients(kSelectiveScan, kScanNames, grads, reference_of(x), x.floats(), {dy, dfinal});
  return grads;
}

struct ScanFunction : torch::autograd::Function<ScanFunction> {
  using Optional = std::optional<at::Tensor>;  // autograd takes no undefined tensors
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const at::Tensor& u,
                                                const at::Tensor& dt, const at::Tensor& a,
                                                const at::Tensor& b, const at::Tensor& c,
                                                const Optional& skip, const Optional& gate,
                                                const Optional& dt_bias, const Optional& initial,
                                                const at::Tensor& offsets, const Optional& order,
                                                bool softplus, bool check) {
    const ScanArguments x{u,
                          dt,
                          a,
                          b,
                          c,
                          or_undefined(skip),
                          or_undefined(gate),
                          or_undefined(dt_bias),
                          or_undefined(initial),
                          offsets,
                          or_undefined(order),
                          softplus};
    Forward result = run_forward(x, /*keep_chunk_states=*/true, check);
    ctx->save_for_backward({x.u, x.dt, x.a, x.b, x.c, x.skip, x.gate, x.dt_bias, x.initial, x.offsets_S1,
                            x.order_T, result.chunk_states});
    ctx->saved_data["dt_softplus"] = softplus;
    ctx->saved_data["check"] = check;
    ctx->set_materialize_grads(false);
    return {result.y, result.final_state};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list output_grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kSelectiveScan,
                "] the kernels have no second derivative: use backend reference");
    const auto saved = ctx->get_saved_variables();
    const ScanArguments x = ScanArguments::from(saved, ctx->saved_data["dt_softplus"].toBool());
    auto grads =
        run_backward(x, saved[11], output_grads[0], output_grads[1], ctx->saved_data["check"].toBool());
    grads.resize(13);  // offsets, order, softplus, check
    return grads;
  }
};

void check_arguments(const ScanArguments& x, const std::optional<at::Tensor>& offsets_S1) {
  check_float(kSelectiveScan, "u_TD", x.u, {-1, -1});
  const int64_t num_tokens = x.u.size(0), num_channels = x.u.size(1);
  check_float(kSelectiveScan, "dt_TD", x.dt, {num_tokens, num_channels});
  check_float(kSelectiveScan, "a_DN", x.a, {num_channels, -1});
  const int64_t num_states = x.a.size(1);
  check_float(kSelectiveScan, "b_TN", x.b, {num_tokens, num_states});
  check_float(kSelectiveScan, "c_TN", x.c, {num_tokens, num_states});
  check_float(kSelectiveScan, "skip_D", if_defined(x.skip), {num_channels});
  check_float(kSelectiveScan, "gate_TD", if_defined(x.gate), {num_tokens, num_channels});
  check_float(kSelectiveScan, "dt_bias_D", if_defined(x.dt_bias), {num_channels});
  const int64_t num_sequences = check_offsets(kSelectiveScan, "offsets_S1", offsets_S1, num_tokens);
  check_float(kSelectiveScan, "initial_state_SDN", if_defined(x.initial),
              {num_sequences, num_channels, num_states});
  check_order(kSelectiveScan, if_defined(x.order_T), num_tokens);
  const std::vector<at::Tensor> floats = x.floats();
  for (size_t i = 1; i < floats.size(); ++i)
    check_same_device(kSelectiveScan, kScanNames[i], if_defined(floats[i]), x.u);
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> selective_scan(
    const at::Tensor& u_TD, const at::Tensor& dt_TD, const at::Tensor& a_DN, const at::Tensor& b_TN,
    const at::Tensor& c_TN, const std::optional<at::Tensor>& skip_D, const std::optional<at::Tensor>& gate_TD,
    const std::optional<at::Tensor>& dt_bias_D, bool dt_softplus, const std::optional<at::Tensor>& offsets_S1,
    const std::optional<at::Tensor>& initial_state_SDN, const std::optional<at::Tensor>& order_T) {
  ScanArguments x{u_TD,
                  dt_TD,
                  a_DN,
                  b_TN,
                  c_TN,
                  or_undefined(skip_D),
                  or_undefined(gate_TD),
                  or_undefined(dt_bias_D),
                  or_undefined(initial_state_SDN),
                  {},
                  or_undefined(order_T),
                  dt_softplus};
  check_arguments(x, offsets_S1);
  const Backend backend = choose_backend(kSelectiveScan, x.floats());
  if (backend == Backend::kReference) {
    return selective_scan_reference(u_TD, dt_TD, a_DN, b_TN, c_TN, skip_D, gate_TD, dt_bias_D, dt_softplus,
                                    offsets_S1, initial_state_SDN, order_T);
  }
  x.offsets_S1 = offsets_on(offsets_S1, u_TD.size(0), u_TD.device());
  x.order_T = order_on(order_T, u_TD.device());
  const bool check = backend == Backend::kCheck;
  if (!any_requires_grad(x.floats())) {
    Forward result = run_forward(x, /*keep_chunk_states=*/false, check);
    return {result.y, result.final_state};
  }
  auto results = ScanFunction::apply(x.u, x.dt, x.a, x.b, x.c, skip_D, gate_TD, dt_bias_D, initial_state_SDN,
                                     x.offsets_S1, if_defined(x.order_T), dt_softplus, check);
  return {results[0], results[1]};
}

}  // namespace mom::ops
