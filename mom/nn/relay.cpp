#include "mom/nn/relay.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

namespace mom::nn {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

void keep(AutogradContext* ctx, const RelayPtr& relay, const at::Tensor& states) {
  ctx->saved_data["relay"] = c10::IValue::make_capsule(relay);
  ctx->saved_data["sizes"] = states.sizes().vec();
  ctx->saved_data["type"] = states.scalar_type();
  ctx->set_materialize_grads(false);
}
RelayPtr relay_of(AutogradContext* ctx) {
  return c10::static_intrusive_pointer_cast<Relay>(ctx->saved_data["relay"].toCapsule());
}
// Of the states that were kept.
at::Tensor zero_gradient(AutogradContext* ctx) {
  return torch::zeros(ctx->saved_data["sizes"].toIntVector(), ctx->saved_data["type"].toScalarType());
}

}  // namespace

struct InitialStatesFunction : torch::autograd::Function<InitialStatesFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& rows_TD, const at::Tensor& states,
                            const RelayPtr& relay) {
    keep(ctx, relay, states);
    (void)rows_TD;  // an input, so that backward comes here before it leaves the block
    return states;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const RelayPtr relay = relay_of(ctx);
    const at::Tensor gradient = grads[0].defined() ? grads[0] : zero_gradient(ctx);
    relay->send_gradient(gradient.select(0, 0).contiguous());
    return {at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

struct PassOnFunction : torch::autograd::Function<PassOnFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& rows_TD, const at::Tensor& final_states,
                            const RelayPtr& relay) {
    keep(ctx, relay, final_states);
    return rows_TD;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const RelayPtr relay = relay_of(ctx);
    const at::Tensor gradient = zero_gradient(ctx);
    relay->receive_gradient(gradient.select(0, gradient.size(0) - 1));
    return {grads[0], relay->goes_on() ? gradient : at::Tensor(), at::Tensor()};
  }
};

at::Tensor Relay::initial_states(int64_t block, Place place, at::IntArrayRef sizes, at::ScalarType type,
                                 const at::Tensor& rows_TD) {
  at::Tensor& states = received_[{block, place}];
  if (!states.defined()) {
    states = torch::zeros(sizes, rows_TD.options().dtype(type).requires_grad(false));
    receive_state(states.select(0, 0));
  }
  return InitialStatesFunction::apply(rows_TD, states, RelayPtr::reclaim_copy(this));
}

at::Tensor Relay::pass_on(int64_t block, Place place, const at::Tensor& rows_TD,
                          const at::Tensor& final_states) {
  bool& sent = sent_[{block, place}];
  if (!sent) send_state(final_states.detach().select(0, final_states.size(0) - 1).contiguous());
  sent = true;
  return PassOnFunction::apply(rows_TD, final_states, RelayPtr::reclaim_copy(this));
}

}  // namespace mom::nn
