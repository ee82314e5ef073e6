"""Mamba and Mixture-of-Mamba on the CPU, for `torch` from 2.10 on.

selective_scan, causal_conv1d            ops on packed sequences, with offsets
selective_scan_fn, causal_conv1d_fn      the same with the signatures of mamba_ssm and causal_conv1d
MixtureOfMambaBlock                      a block for models of your own
MixtureOfMambaConfig,                    with transformers: what `mom convert to-hf` writes; known to AutoConfig and
MixtureOfMambaForCausalLM                AutoModelForCausalLM
accelerate                               makes transformers' Mamba run on the kernels
Engine, data                             with mixture_of_mamba_engine: what trained models write; training batches, and a writer of data
"""

import importlib as _importlib


import torch as _torch

if tuple(int(part) for part in _torch.__version__.split(".")[:2]) < (2, 10):
    raise ImportError(f"mixture_of_mamba needs torch 2.10 or newer, found {_torch.__version__}")

from . import _engine, _transformers  # noqa: E402
from ._accelerate import accelerate  # noqa: E402
from .block import MixtureOfMambaBlock  # noqa: E402
from .ops import causal_conv1d, selective_scan  # noqa: E402
from .published import causal_conv1d_fn, selective_scan_fn  # noqa: E402

__all__ = ["MixtureOfMambaBlock", "accelerate", "causal_conv1d", "causal_conv1d_fn", "selective_scan", "selective_scan_fn"]

_transformers.register_when_needed()


def __getattr__(name):
    if name in ("MixtureOfMambaConfig", "MixtureOfMambaForCausalLM"):
        return _transformers.classes()[name]
    if name == "Engine":
        return _engine.module().Engine
    if name == "data":
        return _importlib.import_module(".data", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
