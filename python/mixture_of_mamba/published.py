"""The ops with the signatures of the packages mamba_ssm and causal_conv1d: [B, D, L].

B sequences, D channels, L positions, N state slots, K taps, G groups of channels. The kernels read rows of channels: input
whose channels lie side by side in memory ([B, L, D] transposed) is not copied, and that is how results lie.
"""

import torch
import torch.nn.functional as F

from . import ops
from ._checks import Checker, activation_is_silu, describe


def _rows(tensor_BDL):
    return tensor_BDL.transpose(1, 2).reshape(-1, tensor_BDL.shape[1])


def _whole(rows_TD, batch):
    return rows_TD.view(batch, rows_TD.shape[0] // batch if batch else 0, rows_TD.shape[1]).transpose(1, 2)


def _groups_of(check, name, value, batch, dim, length, states):
    """Checks B or C -> its number of groups; 0 where it is constant in time."""
    if value.dim() == 2:
        check.tensor(name, value, (dim, states))
        return 0
    if value.dim() == 3:
        check.tensor(name, value, (batch, states, length))
        return 1
    check.tensor(name, value, (batch, None, states, length))
    if value.shape[1] == 0 or dim % value.shape[1] != 0:
        raise ValueError(f"[{check.op}] {name}: expected a number of groups that divides {dim} channels, got {describe(value)}")
    return value.shape[1]


def _of_group(value, group, num_groups):
    """Rows [T, N] of B or C for one of num_groups groups of channels."""
    if value.dim() == 4:
        value = value[:, group * value.shape[1] // num_groups]
    return _rows(value)


def _of_channels(value, dim):
    """[T or 1, D, N] of B or C."""
    if value.dim() == 2:
        return value[None]
    groups = value.shape[1] if value.dim() == 4 else 1
    return torch.stack([_of_group(value, group, groups) for group in range(groups)], 1).repeat_interleave(dim // groups, 1)


def _scan_slot_by_slot(u, delta, A, B, C, D, z, delta_bias, delta_softplus, offsets):
    """Every state slot of every channel as a channel of its own, for B or C that belong to channels and not to positions."""
    wide = torch.float64 if u.dtype == torch.float64 else torch.float32
    (dim, states), dtype = A.shape, u.dtype
    u = u.to(wide)
    slots = lambda t: t.to(wide)[..., None].expand(*t.shape, states).flatten(-2)
    ones = u.new_ones(u.shape[0], 1)
    y, state = ops.selective_scan((u[..., None] * _of_channels(B, dim)).flatten(1), slots(delta), A.reshape(-1, 1), ones, ones,
                                  delta_bias=None if delta_bias is None else slots(delta_bias), delta_softplus=delta_softplus, offsets=offsets,
                                  return_last_state=True)
    y = (y.view(-1, dim, states) * _of_channels(C, dim)).sum(-1)
    y = y if D is None else y + D * u
    y = y if z is None else y * F.silu(z.to(wide))
    return y.to(dtype), state.view(-1, dim, states)


def selective_scan_fn(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False):
    """mamba_ssm's selective_scan_fn; the equation is that of mixture_of_mamba.selective_scan.

    u, delta, z: [B, D, L].   A: [D, N], real.   B, C: [D, N], [B, N, L] or [B, G, N, L], where G divides D.
    D, delta_bias: [D].   Returns out [B, D, L], with return_last_state also the last state [B, D, N] in float32.

    Constant B or C ([D, N]) take N times the memory and time.
    """
    check = Checker("selective_scan_fn", "u", u)
    check.tensor("u", u, (None, None, None))
    batch, dim, length = u.shape
    check.tensor("A", A, (dim, None))
    states = A.shape[1]
    for name, value in (("B", B), ("C", C)):
        check.tensor(name, value, None)
    groups_b, groups_c = (_groups_of(check, name, value, batch, dim, length, states) for name, value in (("B", B), ("C", C)))
    check.tensor("delta", delta, (batch, dim, length))
    check.tensor("z", z, (batch, dim, length), optional=True)
    for name, value in (("D", D), ("delta_bias", delta_bias)):
        check.tensor(name, value, (dim,), optional=True)

    offsets = ops.equal_offsets(batch, length, u.device)
    u, delta, z = (None if t is None else _rows(t) for t in (u, delta, z))
    if 0 in (groups_b, groups_c):
        out, state = _scan_slot_by_slot(u, delta, A, B, C, D, z, delta_bias, delta_softplus, offsets)
    else:
        groups = groups_b  # the least common multiple; math.lcm is not traced
        while groups % groups_c != 0:
            groups += groups_b
        own = dim // groups
        parts = []
        for group in range(groups):
            mine = slice(group * own, (group + 1) * own)
            of = lambda t: None if t is None else t[..., mine]
            parts.append(ops.selective_scan(of(u), of(delta), A[mine], _of_group(B, group, groups), _of_group(C, group, groups), of(D), of(z),
                                            of(delta_bias), delta_softplus, offsets=offsets, return_last_state=True))
        out, state = parts[0] if groups == 1 else (torch.cat(part, 1) for part in zip(*parts))
    out = _whole(out, batch)
    return (out, state) if return_last_state else out


def _runs(seq_idx):
    """Where runs of equal ids begin in [B, L], as offsets into B * L positions."""
    begins = torch.ones_like(seq_idx, dtype=torch.bool)
    begins[:, 1:] = seq_idx[:, 1:] != seq_idx[:, :-1]
    return torch.cat([begins.flatten().nonzero()[:, 0], torch.tensor([seq_idx.numel()], device=seq_idx.device)])


def causal_conv1d_fn(x, weight, bias=None, seq_idx=None, initial_states=None, return_final_states=False, final_states_out=None, activation=None):
    """causal_conv1d's causal_conv1d_fn; the equation is that of mixture_of_mamba.causal_conv1d.

    x: [B, D, L].   weight: [D, K].   bias: [D].   activation: None, "silu" or "swish".
    seq_idx: [B, L] int32 or int64: runs of equal ids are sequences of their own; below 0 is padding, whose output is 0. Not together with
    initial_states or return_final_states.   initial_states, final_states_out (written to): [B, D, K - 1].

    Returns out [B, D, L], with return_final_states also the last K - 1 inputs [B, D, K - 1].
    """
    op = "causal_conv1d_fn"
    activation_is_silu(op, activation)
    check = Checker(op, "x", x)
    check.tensor("x", x, (None, None, None))
    batch, dim, length = x.shape
    check.tensor("weight", weight, (dim, None))
    check.tensor("bias", bias, (dim,), optional=True)
    for name, value in (("initial_states", initial_states), ("final_states_out", final_states_out)):
        check.tensor(name, value, (batch, dim, weight.shape[1] - 1), optional=True)
    if final_states_out is not None and not return_final_states:
        raise ValueError(f"[{op}] final_states_out: needs return_final_states=True")
    if seq_idx is None:
        offsets = ops.equal_offsets(batch, length, x.device)
    else:
        if not isinstance(seq_idx, torch.Tensor) or seq_idx.dtype not in (torch.int32, torch.int64) or seq_idx.shape != (batch, length):
            got = describe(seq_idx) if isinstance(seq_idx, torch.Tensor) else type(seq_idx).__name__
            raise ValueError(f"[{op}] seq_idx: expected [{batch}, {length}] int32 or int64, got {got}")
        if initial_states is not None or return_final_states:
            raise ValueError(f"[{op}] seq_idx: not together with initial_states or return_final_states")
        offsets = _runs(seq_idx)
    out, states = ops.causal_conv1d(_rows(x), weight, bias, activation, offsets=offsets, initial_states=initial_states, return_final_states=True)
    out = _whole(out, batch)
    if seq_idx is not None:
        out = torch.where(seq_idx[:, None] < 0, 0, out)
    if final_states_out is not None:
        states = final_states_out.copy_(states)
    return (out, states) if return_final_states else out
