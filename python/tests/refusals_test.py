"""Whatever is wrong with arguments is one Python exception that names the argument, what was expected and what came."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import mixture_of_mamba as mom
import torch
from ops_test import conv_arguments, scan_arguments

ops = torch.ops.mixture_of_mamba


class Refusals(unittest.TestCase):
    def refused(self, error, words, function, **changed):
        with self.assertRaises(error) as caught:
            function(**changed)
        message = str(caught.exception)
        for word in words:
            self.assertIn(word, message)
        self.assertEqual(message.count("\n"), 0, message)

    def scan(self, **changed):
        return mom.selective_scan(**{**scan_arguments(40, 20, 8), **changed})

    def conv(self, **changed):
        return mom.causal_conv1d(**{**conv_arguments(40, 20, 4), **changed})

    def test_shapes(self):
        for name, shape in (("u", (40,)), ("u", (1, 40, 20)), ("delta", (39, 20)), ("A", (20,)), ("A", (19, 8)), ("B", (40, 7)), ("C", (8, 40)), ("D", (8,)),
                            ("z", (20, 40)), ("delta_bias", (1, 20)), ("initial_states", (2, 20, 8))):
            self.refused(ValueError, [f"[selective_scan] ", ": expected [", str(list(shape))], self.scan, **{name: torch.zeros(shape)})
        for name, shape in (("x", (40,)), ("weight", (20, 1, 4)), ("weight", (4, 20)), ("bias", (19,)), ("initial_states", (1, 20, 4))):
            self.refused(ValueError, ["[causal_conv1d] ", ": expected [", str(list(shape))], self.conv, **{name: torch.zeros(shape)})
        self.refused(ValueError, ["weight: expected 1 to 8 taps, got 9"], self.conv, weight=torch.zeros(20, 9))
        self.refused(ValueError, ["weight: expected 1 to 8 taps, got 0"], self.conv, weight=torch.zeros(20, 0))

    def test_dtypes(self):
        for dtype in (torch.float16, torch.int64, torch.complex64, torch.bool):
            self.refused(TypeError, ["[selective_scan] u: ", str(dtype).removeprefix("torch.")], self.scan, u=torch.zeros(40, 20, dtype=dtype))
        self.refused(TypeError, ["A: complex numbers are not supported, got [20, 8] complex64"], self.scan, A=torch.zeros(20, 8, dtype=torch.complex64))
        self.refused(TypeError, ["delta: expected float32 or bfloat16 beside u of [40, 20] float32, got [40, 20] float64"], self.scan,
                     delta=torch.zeros(40, 20, dtype=torch.float64))
        self.refused(TypeError, ["weight: expected float32 or bfloat16"], self.conv, weight=torch.zeros(20, 4, dtype=torch.float16))
        self.refused(TypeError, ["bias: expected a tensor, got list"], self.conv, bias=[0.0] * 20)
        self.refused(TypeError, ["x: expected a tensor, got NoneType"], self.conv, x=None)

    def test_devices(self):
        self.refused(ValueError, ["delta: expected a tensor on cpu, as u, got [40, 20] float32 on meta"], self.scan, delta=torch.zeros(40, 20, device="meta"))
        self.refused(ValueError, ["weight: expected a tensor on cpu, as x, got"], self.conv, weight=torch.zeros(20, 4, device="meta"))
        self.refused(ValueError, ["offsets: expected a tensor on cpu"], self.conv, offsets=torch.zeros(2, dtype=torch.int64, device="meta"))

    def test_offsets_and_orders(self):
        for function in (self.scan, self.conv):
            one = {"initial_states": None}
            self.refused(TypeError, ["offsets: expected a tensor of int64, got [2] int32"], function, offsets=torch.tensor([0, 40], dtype=torch.int32))
            self.refused(TypeError, ["offsets: expected a tensor of int64, got list"], function, offsets=[0, 40])
            self.refused(ValueError, ["offsets: expected a vector"], function, offsets=torch.tensor([[0, 40]]))
            self.refused(ValueError, ["offsets: expected [sequences + 1]"], function, offsets=torch.zeros(0, dtype=torch.int64))
            for offsets in ([0, 39], [1, 40], [0, 30, 20, 40], [0, 50, 40]):
                self.refused(RuntimeError, ["offsets: expected to rise from 0 to 40"], function, offsets=torch.tensor(offsets), **one)
            self.refused(ValueError, ["order: expected [40], got [39] int64"], function, order=torch.arange(39))
            for order in (torch.zeros(40, dtype=torch.int64), torch.arange(40) + 1, torch.arange(40) - 1):
                self.refused(RuntimeError, ["order[", "expected each row from 0 to 39 once"], function, order=order)

    def test_activation(self):
        self.refused(ValueError, ["activation: expected None, 'silu' or 'swish', got 'gelu'"], self.conv, activation="gelu")

    def test_second_derivative(self):
        x, weight = torch.randn(5, 3, requires_grad=True), torch.randn(3, 4)
        gradient, = torch.autograd.grad(mom.causal_conv1d(x, weight, activation="silu").sum(), x, create_graph=True)
        self.refused(RuntimeError, ["no second derivative"], lambda: gradient.sum().backward())

    def test_ops_by_themselves(self):
        """What the kernels would read or write outside of is refused there, too."""
        t = scan_arguments(40, 20, 8)
        good = [t["u"], t["delta"], t["A"], t["B"], t["C"], t["D"], t["z"], t["delta_bias"], True, None, t["initial_states"], None]
        for place, bad in ((0, torch.zeros(41, 20)), (1, torch.zeros(40, 19)), (2, torch.zeros(20, 9)), (3, torch.zeros(40)), (4, torch.zeros(40, 8).double()),
                           (5, torch.zeros(1)), (6, torch.zeros(40, 20).half()), (7, torch.zeros(0)), (9, torch.tensor([0, 41])), (9, torch.tensor([0.0, 40.0])),
                           (10, torch.zeros(1, 8, 20)), (11, torch.arange(41))):
            with self.assertRaisesRegex(RuntimeError, r"\[selective_scan\] "):
                ops.selective_scan(*good[:place], bad, *good[place + 1 :], True)
        with self.assertRaisesRegex(RuntimeError, "chunk_states: expected those of a forward that kept them"):
            ops.selective_scan_backward(torch.zeros(40, 20), None, torch.zeros(7), *good)
        with self.assertRaisesRegex(RuntimeError, r"\[causal_conv1d\] weight_DK: expected 1 to 8 taps, got 9"):
            ops.causal_conv1d(torch.zeros(40, 20), torch.zeros(20, 9), None, True, None, None, None)
        u = torch.zeros(40, 20, requires_grad=True)
        with self.assertRaisesRegex(RuntimeError, "keep_chunk_states=False"):
            ops.selective_scan(u, *good[1:], False)[0].sum().backward()

    def test_an_old_torch(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "torch.py").write_text('__version__ = "2.9.1+cpu"\n')
            package = pathlib.Path(mom.__file__).parent.parent
            done = subprocess.run([sys.executable, "-c", "import mixture_of_mamba"], capture_output=True, text=True,
                                  env={**os.environ, "PYTHONPATH": f"{folder}:{package}"})
        self.assertEqual(done.stderr.splitlines()[-1], "ImportError: mixture_of_mamba needs torch 2.10 or newer, found 2.9.1+cpu")


if __name__ == "__main__":
    unittest.main(verbosity=2)
