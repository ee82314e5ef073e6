"""Encoded data in Python: `Encoded`, `ShardWriter`, `describe_codec` of the package mixture_of_mamba_engine."""

from ._engine import module as _module

Encoded, ShardWriter, describe_codec = (getattr(_module().data, name) for name in ("Encoded", "ShardWriter", "describe_codec"))

__all__ = ["Encoded", "ShardWriter", "describe_codec"]
