"""Loads libmom_ops.so into Python, calls every op and compares values and gradients with plain PyTorch in float64.

Usage: python_ops_test.py PATH_TO_libmom_ops.so
"""

import sys

import torch
import torch.nn.functional as F


def scan(u, dt, a, b, c, skip, gate, bias):
    step = F.softplus(dt + bias, threshold=1e9)
    h, y = torch.zeros_like(a), []
    for t in range(u.shape[0]):
        h = torch.exp(step[t][:, None] * a) * h + (step[t] * u[t])[:, None] * b[t]
        y.append(h @ c[t])
    return (torch.stack(y) + skip * u) * F.silu(gate), h


def conv(x, weight, bias):
    taps = weight.shape[1]
    padded = F.pad(x.t()[None], (taps - 1, 0))
    return F.silu(F.conv1d(padded, weight[:, None], bias, groups=x.shape[1]))[0].t(), x[1 - taps:].t()


def linear(x, w0, w1, b0, b1):
    return torch.cat([x[:5] @ w0.t() + b0, x[5:] @ w1.t() + b1])


def norm(x, residual, weight):
    total = x + residual
    return total * torch.rsqrt(total.square().mean(-1, keepdim=True) + 1e-5) * weight, total


def check(name, op, reference, inputs):
    ours = [x.clone().requires_grad_() for x in inputs]
    theirs = [x.double().requires_grad_() for x in inputs]
    outputs = [op(*ours), reference(*theirs)]
    outputs = [(o,) if torch.is_tensor(o) else tuple(o) for o in outputs]
    weights = [torch.randn_like(o) for o in outputs[1]]
    for group in outputs:
        sum((o * w).sum() for o, w in zip(group, weights)).backward()
    pairs = [(f"output {i}", *p) for i, p in enumerate(zip(*outputs))]
    pairs += [(f"gradient {i}", x.grad, y.grad) for i, (x, y) in enumerate(zip(ours, theirs))]
    for what, got, expected in pairs:
        error = ((got.double() - expected).square().sum() / expected.square().sum()).item()
        if not error <= 1e-10:
            sys.exit(f"{name}: {what} has NMSE {error}, more than 1e-10")
    print(f"{name}: ok")


def main():
    torch.ops.load_library(sys.argv[1])
    torch.manual_seed(3)
    mom, r = torch.ops.mom, torch.randn
    T, D, N = 37, 20, 8
    check("selective_scan",
          lambda u, dt, a, b, c, skip, gate, bias: mom.selective_scan(u, dt, a, b, c, skip, gate, bias, True, None, None),
          scan, [r(T, D), r(T, D), -torch.rand(D, N) - 0.1, r(T, N), r(T, N), r(D), r(T, D), r(D)])
    check("causal_conv1d", lambda x, w, b: mom.causal_conv1d(x, w, b, True, None, None), conv, [r(T, D), r(D, 4), r(D)])
    offsets = torch.tensor([0, 5, T])
    check("modality_linear", lambda x, w0, w1, b0, b1: mom.modality_linear(x, [w0, w1], [b0, b1], offsets), linear,
          [r(T, D), r(9, D), r(9, D), r(9), r(9)])
    check("add_rms_norm", lambda x, s, w: mom.add_rms_norm(x, s, w, 1e-5), norm, [r(T, D), r(T, D), r(D)])
    order = torch.randperm(T)
    x, w = r(T, D), r(D, 4)
    plain, permuted = mom.causal_conv1d(x, w, None, False, None, None), torch.empty(T, D)
    permuted[order] = x
    through = mom.causal_conv1d(permuted, w, None, False, None, None, order)
    assert torch.equal(through[0][order], plain[0]), "order_T"


if __name__ == "__main__":
    main()
