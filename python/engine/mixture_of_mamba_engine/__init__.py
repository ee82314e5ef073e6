"""Models that `mom` trained, in Python: text, images and sounds as `mom generate` writes them, the batches of `mom train`, and a
writer of its data.

Engine      what a model writes, piece by piece, many answers side by side
data        Encoded: training batches as a dataset; ShardWriter: encoded data from arrays; describe_codec: what the arrays mean
"""

import pathlib as _pathlib

import torch as _torch

BUILT_FOR = "2.13"  # of torch
if _torch.__version__.split("+")[0].rsplit(".", 1)[0] != BUILT_FOR:
    raise ImportError(f"mixture_of_mamba_engine was built for torch {BUILT_FOR}, found {_torch.__version__}")
_torch.classes.load_library(str(_pathlib.Path(__file__).with_name("libmixture_of_mamba_engine.so")))

from . import data  # noqa: E402
from .engine import Engine, Sound, Stream  # noqa: E402

__all__ = ["Engine", "Sound", "Stream", "data"]
