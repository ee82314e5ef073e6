"""The classes of the library, and bytes as they take them."""

import io

import numpy as np
import torch


def native(name):
    return getattr(torch.classes.mixture_of_mamba_engine, name)


def as_tensor(data: bytes) -> torch.Tensor:
    """uint8 [bytes]."""
    return torch.from_numpy(np.frombuffer(data, dtype=np.uint8).copy())


def npy_file(array) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array))
    return file.getvalue()


def signed(number: int) -> int:
    """A 64-bit seed as TorchScript has integers."""
    if not 0 <= number < 2**64:
        raise ValueError(f"a seed is 0 to 2**64 - 1, not {number}")
    return number - 2**64 if number >= 2**63 else number
