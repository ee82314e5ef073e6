"""The ops on packed sequences: rows of tokens of all sequences, one after the other, without padding.

T packed tokens, S sequences, D channels, N state slots, K taps. Rows may be views with any row stride.

float32 and bfloat16 run on the kernels, on the CPU; bfloat16 is computed in float32 inside. float64 runs on plain tensor
ops (mixture_of_mamba.reference). Gradients reach all floating point arguments, also through returned states. Results have
the same bits for any number of threads.
"""

import torch

from . import _library, reference
from ._checks import Checker, activation_is_silu

_ops = torch.ops.mixture_of_mamba


def _wants_gradient(*tensors):
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def equal_offsets(batch, length, device=None):
    """Offsets [batch + 1] of sequences of one length."""
    return torch.arange(batch + 1, device=device) * length


def selective_scan(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, *, offsets=None,
                   initial_states=None, order=None, return_last_state=False):
    """The recurrence inside a Mamba mixer (arXiv 2312.00752).

    For each sequence, channel and state slot, forward in position t, from initial_states or zero::

        step = softplus(delta[t] + delta_bias)        # or delta[t] + delta_bias
        h    = exp(step * A) * h + step * B[t] * u[t]
        y    = sum_n C[t] * h + D * u[t];   out = y * silu(z[t])

    u, delta, z: [T, D].   A: [D, N], below 0.   B, C: [T, N].   D, delta_bias: [D].
    offsets: [S + 1] int64, rising from 0 to T: where sequences begin; None for one sequence.
    initial_states: [S, D, N] float32 (float64 beside float64).
    order: [T] int64, the row of each position, where rows are not in the order of positions (say by modality).

    Returns out [T, D], with return_last_state also the states after each sequence [S, D, N] float32.
    """
    check = Checker("selective_scan", "u", u)
    check.tensor("u", u, (None, None))
    num_tokens, num_channels = u.shape
    check.tensor("A", A, (num_channels, None))
    num_states, num_sequences = A.shape[1], check.offsets(offsets, num_tokens)
    check.tensor("delta", delta, (num_tokens, num_channels))
    for name, value in (("B", B), ("C", C)):
        check.tensor(name, value, (num_tokens, num_states))
    check.tensor("z", z, (num_tokens, num_channels), optional=True)
    for name, value in (("D", D), ("delta_bias", delta_bias)):
        check.tensor(name, value, (num_channels,), optional=True)
    check.tensor("initial_states", initial_states, (num_sequences, num_channels, num_states), optional=True)
    check.integers("order", order, num_tokens)
    if check.is_reference:
        out, state = reference.selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, offsets, initial_states, order)
    else:
        keep = _wants_gradient(u, delta, A, B, C, D, z, delta_bias, initial_states)
        out, state, _ = _ops.selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, offsets, initial_states, order, keep)
    return (out, state) if return_last_state else out


def causal_conv1d(x, weight, bias=None, activation=None, *, offsets=None, initial_states=None, order=None,
                  return_final_states=False):
    """Causal depthwise convolution::

        out[t] = act(bias + sum_k weight[k] * x[t - (K - 1) + k])

    Inputs before a sequence's start come from initial_states, or are zero.

    x: [T, D].   weight: [D, K], K at most 8 (any number in float64).   bias: [D].   activation: None, "silu" or "swish".
    offsets: [S + 1] int64, rising from 0 to T: where sequences begin; None for one sequence.
    initial_states: [S, D, K - 1], oldest first.
    order: [T] int64, the row of each position, where rows are not in the order of positions (say by modality).

    Returns out [T, D], with return_final_states also the last K - 1 inputs of each sequence [S, D, K - 1].
    """
    silu = activation_is_silu("causal_conv1d", activation)
    check = Checker("causal_conv1d", "x", x)
    check.tensor("x", x, (None, None))
    num_tokens, num_channels = x.shape
    check.tensor("weight", weight, (num_channels, None))
    num_taps, num_sequences = weight.shape[1], check.offsets(offsets, num_tokens)
    if num_taps < 1 or (num_taps > _library.MOST_TAPS and not check.is_reference):
        raise ValueError(f"[causal_conv1d] weight: expected 1 to {_library.MOST_TAPS} taps, got {num_taps}")
    check.tensor("bias", bias, (num_channels,), optional=True)
    check.tensor("initial_states", initial_states, (num_sequences, num_channels, num_taps - 1), optional=True)
    check.integers("order", order, num_tokens)
    if check.is_reference:
        out, states = reference.causal_conv1d(x, weight, bias, silu, offsets, initial_states, order)
    else:
        out, states = _ops.causal_conv1d(x, weight, bias, silu, offsets, initial_states, order)
    return (out, states) if return_final_states else out
