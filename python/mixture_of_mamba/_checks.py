"""What is wrong with an argument, said before anything is computed."""

import torch

_KERNEL_TYPES = (torch.float32, torch.bfloat16)


def describe(tensor):
    """"[64, 512] float32" for a message."""
    where = "" if tensor.device.type == "cpu" else f" on {tensor.device}"
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}{where}"


class Checker:
    """Checks the arguments of one call against its first tensor, which decides dtype and device."""

    def __init__(self, op, name, first):
        self.op, self.name, self.first = op, name, first
        self.is_reference = False
        self.tensor(name, first, None)
        if first.dtype == torch.float64:
            self.is_reference = True
        elif first.dtype not in _KERNEL_TYPES:
            raise TypeError(f"[{op}] {name}: expected float32, bfloat16 or float64, got {describe(first)}")
        elif first.device.type not in ("cpu", "meta"):
            raise ValueError(f"[{op}] {name}: expected a tensor on the CPU, got {describe(first)}; float64 runs on any device, slowly")

    def tensor(self, name, value, shape, *, optional=False):
        """`shape`: a number for each dimension, None for any; None instead of a shape for any shape."""
        if value is None and optional:
            return
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"[{self.op}] {name}: expected a tensor, got {type(value).__name__}")
        if value.is_complex():
            raise TypeError(f"[{self.op}] {name}: complex numbers are not supported, got {describe(value)}")
        if not value.is_floating_point():
            raise TypeError(f"[{self.op}] {name}: expected floating point numbers, got {describe(value)}")
        if (value.dtype == torch.float64) != (self.first.dtype == torch.float64) or value.dtype == torch.float16:
            raise TypeError(f"[{self.op}] {name}: expected {'float64' if self.first.dtype == torch.float64 else 'float32 or bfloat16'} "
                            f"beside {self.name} of {describe(self.first)}, got {describe(value)}")
        if value.device != self.first.device:
            raise ValueError(f"[{self.op}] {name}: expected a tensor on {self.first.device}, as {self.name}, got {describe(value)}")
        if shape is not None and (value.dim() != len(shape) or any(n is not None and n != m for n, m in zip(shape, value.shape))):
            expected = ", ".join("any" if n is None else str(n) for n in shape)
            raise ValueError(f"[{self.op}] {name}: expected [{expected}], got {describe(value)}")

    def integers(self, name, value, shape):
        if value is None:
            return
        if not isinstance(value, torch.Tensor) or value.dtype != torch.int64:
            raise TypeError(f"[{self.op}] {name}: expected a tensor of int64, got "
                            f"{describe(value) if isinstance(value, torch.Tensor) else type(value).__name__}")
        if value.device != self.first.device:
            raise ValueError(f"[{self.op}] {name}: expected a tensor on {self.first.device}, as {self.name}, got {describe(value)}")
        if value.dim() != 1 or (shape is not None and value.shape[0] != shape):
            raise ValueError(f"[{self.op}] {name}: expected {'a vector' if shape is None else [shape]}, got {describe(value)}")

    def offsets(self, value, num_tokens):
        """-> the number of sequences. That they rise from 0 to num_tokens the op checks."""
        self.integers("offsets", value, None)
        if value is not None and value.shape[0] < 1:
            raise ValueError(f"[{self.op}] offsets: expected [sequences + 1], got {describe(value)}")
        return 1 if value is None else value.shape[0] - 1


def activation_is_silu(op, activation):
    if activation not in (None, "silu", "swish"):
        raise ValueError(f"[{op}] activation: expected None, 'silu' or 'swish', got {activation!r}")
    return activation is not None
