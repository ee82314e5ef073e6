"""One peer of the scan: selective scan in PyTorch, forward and backward, with all that our kernel does (softplus, skip, gate).

Letters: S sequences, L tokens of each, D inner width, N state slots. Prints one JSON object, of the forward and the backward.
"""

import argparse

import torch
from mambapy.pscan import pscan
from torch.nn import functional as F

import measure


def scan_pscan(decay_SLDN, input_SLDN, c_SLN):
    """As mambapy's model: all states by a parallel scan over L."""
    return (pscan(decay_SLDN, input_SLDN) @ c_SLN.unsqueeze(-1)).squeeze(-1)


def scan_unbind(decay_SLDN, input_SLDN, c_SLN):
    """A loop over time steps that are unbound once: its backward stacks them once."""
    state_SDN, y_SD = torch.zeros_like(input_SLDN[:, 0]), []
    for decay_SDN, input_SDN, c_SN in zip(decay_SLDN.unbind(1), input_SLDN.unbind(1), c_SLN.unbind(1)):
        state_SDN = decay_SDN * state_SDN + input_SDN
        y_SD.append((state_SDN @ c_SN.unsqueeze(-1)).squeeze(-1))
    return torch.stack(y_SD, dim=1)


def scan_index(decay_SLDN, input_SLDN, c_SLN):
    """A loop that indexes every time step, as published references do: each step's backward fills a tensor of all steps."""
    state_SDN, y_SD = torch.zeros_like(input_SLDN[:, 0]), []
    for t in range(input_SLDN.size(1)):
        state_SDN = decay_SLDN[:, t] * state_SDN + input_SLDN[:, t]
        y_SD.append((state_SDN @ c_SLN[:, t].unsqueeze(-1)).squeeze(-1))
    return torch.stack(y_SD, dim=1)


SCANS = {"pscan": scan_pscan, "unbind": scan_unbind, "index": scan_index}


def selective_scan(scan, u_SLD, dt_SLD, a_DN, b_SLN, c_SLN, skip_D, gate_SLD, dt_bias_D):
    step_SLD = F.softplus(dt_SLD + dt_bias_D)
    decay_SLDN = torch.exp(step_SLD.unsqueeze(-1) * a_DN)
    input_SLDN = step_SLD.unsqueeze(-1) * b_SLN.unsqueeze(2) * u_SLD.unsqueeze(-1)
    y_SLD = scan(decay_SLDN, input_SLDN, c_SLN)
    return (y_SLD + skip_D * u_SLD) * F.silu(gate_SLD)


def arguments(S, L, D, N):
    """As bench/scan_bench.cpp: gate, b and c are halves of wider rows."""
    torch.manual_seed(1)
    gate_SLD = torch.randn(S, L, 2 * D).chunk(2, -1)[1]
    b_SLN, c_SLN = torch.randn(S, L, 2 * N).chunk(2, -1)
    a_DN = -torch.arange(1.0, N + 1).repeat(D, 1)
    leaves = [torch.randn(S, L, D), torch.randn(S, L, D) - 4, a_DN, b_SLN, c_SLN, torch.ones(D), gate_SLD, torch.zeros(D)]
    return [leaf.detach().requires_grad_() for leaf in leaves]


def check(scan):
    """Values and gradients as those of the index loop, on a small odd size."""
    leaves = arguments(2, 37, 5, 3)
    ours, loop = (selective_scan(each, *leaves) for each in (scan, scan_index))
    torch.testing.assert_close(ours, loop)
    weight = torch.randn_like(loop)
    for got, expected in zip(torch.autograd.grad(ours, leaves, weight), torch.autograd.grad(loop, leaves, weight)):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", choices=SCANS)
    parser.add_argument("--size", type=int, nargs=4, metavar=("S", "L", "D", "N"), required=True)
    parser.add_argument("--warmup", type=int, required=True, help="runs before the clock starts")
    parser.add_argument("--steps", type=int, required=True, help="timed runs")
    options = parser.parse_args()
    scan = SCANS[options.scan]
    check(scan)
    leaves = arguments(*options.size)
    dy_SLD = torch.randn_like(leaves[0])
    graph = []  # the output of the forward, until its backward

    def forward():
        graph.append(selective_scan(scan, *leaves))

    def backward():
        torch.autograd.grad(graph.pop(), leaves, dy_SLD)

    measure.report(measure.timed([forward, backward], options.warmup, options.steps))


if __name__ == "__main__":
    main()
