"""Loads the kernels, and makes their ops known to autograd and to tracing.

The ops of `torch.ops.mixture_of_mamba` read f32 and bf16 on the CPU; mixture_of_mamba.ops calls them.

T packed tokens, S sequences, D channels, N state slots, K taps.
"""

import pathlib

import torch

MOST_TAPS = 8  # of the kernels
_CHUNK, _BLOCK, _GROUP = 32, 64, 4  # of the scan: positions between two states kept, channels and states that go together

torch.ops.load_library(str(pathlib.Path(__file__).with_name("libmixture_of_mamba.so")))
_ops = torch.ops.mixture_of_mamba


def _num_sequences(offsets):
    return 1 if offsets is None else offsets.shape[0] - 1


def _rounded_up(number, step):
    return (number + step - 1) // step * step


def _none_if_empty(gradient, like):
    """What a backward op says of an absent argument, as autograd wants it."""
    return None if like is None else gradient.to(like.dtype)


@torch.library.register_fake("mixture_of_mamba::selective_scan")
def _(u, dt, a, b, c, skip, gate, dt_bias, dt_softplus, offsets, initial_state, order, keep_chunk_states):
    num_tokens, (num_channels, num_states), num_sequences = u.shape[0], a.shape, _num_sequences(offsets)
    size = 0
    if keep_chunk_states:
        chunks = (num_tokens + (_CHUNK - 1) * num_sequences) // _CHUNK
        size = chunks * _rounded_up(num_channels, _BLOCK) * _rounded_up(num_states, _GROUP)
    return (u.new_empty(u.shape), u.new_empty((num_sequences, num_channels, num_states), dtype=torch.float32),
            u.new_empty((size,), dtype=torch.float32))


@torch.library.register_fake("mixture_of_mamba::selective_scan_backward")
def _(dy, dfinal, chunk_states, u, dt, a, b, c, skip, gate, dt_bias, dt_softplus, offsets, initial_state, order):
    def wide(like):
        return u.new_empty((0,) if like is None else like.shape, dtype=torch.float32)

    dgate = wide(None) if gate is None else gate.new_empty(gate.shape)
    return (u.new_empty(u.shape), dt.new_empty(dt.shape), wide(a), wide(b), wide(c), wide(skip), dgate, wide(dt_bias), wide(initial_state))


def _save_scan(ctx, inputs, output):
    *tensors, ctx.dt_softplus, offsets, initial_state, order, ctx.kept = inputs
    ctx.save_for_backward(*tensors, offsets, initial_state, order, output[2])
    ctx.set_materialize_grads(False)


def _scan_backward(ctx, dy, dfinal, _):
    *tensors, offsets, initial_state, order, chunk_states = ctx.saved_tensors
    if not ctx.kept:
        raise RuntimeError("[selective_scan] no gradient: the forward was called with keep_chunk_states=False")
    if dy is None and dfinal is None:
        return (None,) * 13
    given = [*tensors, initial_state]
    gradients = _ops.selective_scan_backward(dy, dfinal, chunk_states, *tensors, ctx.dt_softplus, offsets, initial_state, order)
    *gradients, dinitial = [_none_if_empty(gradient, like) for gradient, like in zip(gradients, given)]
    return *gradients, None, None, dinitial, None, None


@torch.library.register_fake("mixture_of_mamba::causal_conv1d")
def _(x, weight, bias, silu, offsets, initial_state, order):
    return x.new_empty(x.shape), x.new_empty((_num_sequences(offsets), x.shape[1], weight.shape[1] - 1))


@torch.library.register_fake("mixture_of_mamba::causal_conv1d_backward")
def _(dy, dfinal, x, weight, bias, silu, offsets, initial_state, order):
    return (x.new_empty(x.shape), *(x.new_empty((0,) if like is None else like.shape, dtype=torch.float32)
                                    for like in (weight, bias, initial_state)))


def _save_conv(ctx, inputs, output):
    x, weight, bias, ctx.silu, offsets, initial_state, order = inputs
    ctx.save_for_backward(x, weight, bias, offsets, initial_state, order)
    ctx.set_materialize_grads(False)


def _conv_backward(ctx, dy, dfinal):
    x, weight, bias, offsets, initial_state, order = ctx.saved_tensors
    if dy is None and dfinal is None:
        return (None,) * 7
    gradients = _ops.causal_conv1d_backward(dy, dfinal, x, weight, bias, ctx.silu, offsets, initial_state, order)
    dx, dweight, dbias, dinitial = [_none_if_empty(gradient, like) for gradient, like in zip(gradients, (x, weight, bias, initial_state))]
    return dx, dweight, dbias, None, None, dinitial, None


def _no_second_derivative(ctx, *_):
    raise RuntimeError("[mixture_of_mamba] the kernels have no second derivative; in float64 plain tensor ops have one")


torch.library.register_autograd("mixture_of_mamba::selective_scan", _scan_backward, setup_context=_save_scan)
torch.library.register_autograd("mixture_of_mamba::causal_conv1d", _conv_backward, setup_context=_save_conv)
for _name in ("selective_scan_backward", "causal_conv1d_backward"):
    torch.library.register_autograd(f"mixture_of_mamba::{_name}", _no_second_derivative)
