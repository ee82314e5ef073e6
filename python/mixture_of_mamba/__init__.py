"""Mamba and Mixture-of-Mamba on the CPU: ops, for `torch` from 2.10 on."""

import torch as _torch

if tuple(int(part) for part in _torch.__version__.split(".")[:2]) < (2, 10):
    raise ImportError(f"mixture_of_mamba needs torch 2.10 or newer, found {_torch.__version__}")

from .ops import causal_conv1d, selective_scan  # noqa: E402
from .published import causal_conv1d_fn, selective_scan_fn  # noqa: E402

__all__ = ["causal_conv1d", "causal_conv1d_fn", "selective_scan", "selective_scan_fn"]
