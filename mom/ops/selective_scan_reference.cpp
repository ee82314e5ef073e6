#include "mom/ops/selective_scan_reference.h"

#include <ATen/ATen.h>

#include "mom/ops/arguments.h"

namespace mom::ops {
namespace {

// One sequence of L positions; everything already in the dtype of the state.
struct Sequence {
  at::Tensor u_LD, step_LD, b_LN, c_LN;
};

// -> y_LD and the state after the last position.
std::tuple<at::Tensor, at::Tensor> scan_sequence(const Sequence& seq, const at::Tensor& a_DN,
                                                 at::Tensor h_DN) {
  if (seq.u_LD.size(0) == 0) return {seq.u_LD, h_DN};
  std::vector<at::Tensor> y;
  const auto u = seq.u_LD.unbind(0), step = seq.step_LD.unbind(0);
  const auto b = seq.b_LN.unbind(0), c = seq.c_LN.unbind(0);
  for (size_t t = 0; t < u.size(); ++t) {
    h_DN = (step[t].unsqueeze(1) * a_DN).exp() * h_DN + (step[t] * u[t]).unsqueeze(1) * b[t];
    y.push_back(at::mv(h_DN, c[t]));
  }
  return {at::stack(y), h_DN};
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> selective_scan_reference(
    const at::Tensor& u_TD, const at::Tensor& dt_TD, const at::Tensor& a_DN, const at::Tensor& b_TN,
    const at::Tensor& c_TN, const std::optional<at::Tensor>& skip_D, const std::optional<at::Tensor>& gate_TD,
    const std::optional<at::Tensor>& dt_bias_D, bool dt_softplus, const std::optional<at::Tensor>& offsets_S1,
    const std::optional<at::Tensor>& initial_state_SDN, const std::optional<at::Tensor>& order_T) {
  const auto state_type = u_TD.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const std::vector<int64_t> offsets = offsets_or_whole(offsets_S1, u_TD.size(0));
  const auto num_sequences = static_cast<int64_t>(offsets.size()) - 1;
  auto in_order = [&](const at::Tensor& rows) {
    return (order_T ? rows.index_select(0, *order_T) : rows).to(state_type);
  };
  const at::Tensor u = in_order(u_TD), b = in_order(b_TN), c = in_order(c_TN), a = a_DN.to(state_type);
  at::Tensor step = in_order(dt_TD);
  if (dt_bias_D) step = step + dt_bias_D->to(state_type);
  // softplus without torch's switch to the identity at 20: right for every argument, and so is its derivative.
  if (dt_softplus) step = -at::log_sigmoid(-step);

  std::vector<at::Tensor> y, states;
  for (int64_t s = 0; s < num_sequences; ++s) {
    const int64_t begin = offsets[s], length = offsets[s + 1] - begin;
    const at::Tensor initial =
        initial_state_SDN ? initial_state_SDN->select(0, s).to(state_type) : at::zeros_like(a);
    auto [y_LD, final_DN] = scan_sequence({u.narrow(0, begin, length), step.narrow(0, begin, length),
                                           b.narrow(0, begin, length), c.narrow(0, begin, length)},
                                          a, initial);
    y.push_back(y_LD);
    states.push_back(final_DN);
  }
  at::Tensor y_TD = y.empty() ? u : at::cat(y);
  at::Tensor final_SDN =
      states.empty() ? at::zeros({0, a.size(0), a.size(1)}, a.options()) : at::stack(states);
  if (skip_D) y_TD = y_TD + skip_D->to(state_type) * u;
  if (gate_TD) y_TD = y_TD * at::silu(in_order(*gate_TD));
  if (order_T) y_TD = at::zeros_like(y_TD).index_copy(0, *order_T, y_TD);
  return {y_TD.to(u_TD.scalar_type()), final_SDN};
}

}  // namespace mom::ops
