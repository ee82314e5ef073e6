"""The ops in plain tensor ops, loops over positions: any float dtype and device, differentiable any number of times.

float64 arguments run here; the kernels are tested against it. Shapes as in mixture_of_mamba.ops.
"""

import torch
import torch.nn.functional as F


def _ends(offsets, num_tokens):
    values = [0, num_tokens] if offsets is None else offsets.tolist()
    if not values or values[0] != 0 or values[-1] != num_tokens or values != sorted(values):
        raise ValueError(f"offsets: expected to rise from 0 to {num_tokens} (the number of rows), got {values}")
    return list(zip(values, values[1:]))


def _in_order(rows, order):
    return rows if order is None else rows.index_select(0, order)


def _out_of_order(rows, order):
    return rows if order is None else torch.zeros_like(rows).index_copy(0, order, rows)


def selective_scan(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, offsets=None, initial_states=None, order=None):
    """-> out [T, D], last_state [S, D, N]."""
    wide = torch.float64 if u.dtype == torch.float64 else torch.float32
    A, (u_TD, step, B, C) = A.to(wide), (_in_order(rows, order).to(wide) for rows in (u, delta, B, C))
    if delta_bias is not None:
        step = step + delta_bias.to(wide)
    if delta_softplus:
        step = -F.logsigmoid(-step)  # softplus, without torch's switch to the identity at 20
    ys, states = [], []
    for s, (begin, end) in enumerate(_ends(offsets, u.shape[0])):
        h = torch.zeros_like(A) if initial_states is None else initial_states[s].to(wide)
        for t in range(begin, end):
            h = torch.exp(step[t, :, None] * A) * h + (step[t] * u_TD[t])[:, None] * B[t]
            ys.append(h @ C[t])
        states.append(h)
    y = torch.stack(ys) if ys else torch.zeros_like(u_TD)
    if D is not None:
        y = y + D.to(wide) * u_TD
    if z is not None:
        y = y * F.silu(_in_order(z, order).to(wide))
    return _out_of_order(y, order).to(u.dtype), torch.stack(states) if states else A.new_zeros((0, *A.shape))


def causal_conv1d(x, weight, bias=None, silu=False, offsets=None, initial_states=None, order=None):
    """-> out [T, D], final_states [S, D, K - 1]."""
    wide, num_taps = torch.float64 if x.dtype == torch.float64 else torch.float32, weight.shape[1]
    x_TD, weight = _in_order(x, order).to(wide), weight.to(wide)
    ys, states = [x_TD[:0]], []
    for s, (begin, end) in enumerate(_ends(offsets, x.shape[0])):
        before = x_TD.new_zeros(num_taps - 1, x.shape[1]) if initial_states is None else initial_states[s].t().to(wide)
        window = torch.cat([before, x_TD[begin:end]])
        ys.append(sum(window[k : k + end - begin] * weight[:, k] for k in range(num_taps)))
        states.append(window[window.shape[0] - (num_taps - 1) :].t())
    y = torch.cat(ys)
    if bias is not None:
        y = y + bias.to(wide)
    if silu:
        y = F.silu(y)
    states = torch.stack(states) if states else x_TD.new_zeros(0, x.shape[1], num_taps - 1)
    return _out_of_order(y, order).to(x.dtype), states.to(x.dtype)
