"""The ops under torch.library.opcheck, torch.compile and torch.export."""

import unittest

import mixture_of_mamba as mom
import torch
from ops_test import conv_arguments, scan_arguments
from support import Comparing

ops = torch.ops.mixture_of_mamba


class Mixer(torch.nn.Module):
    """What stands between a Mamba mixer's projections, on packed rows."""

    def __init__(self, channels, states):
        super().__init__()
        self.weight, self.A = torch.nn.Parameter(torch.randn(channels, 4)), torch.nn.Parameter(-torch.rand(channels, states) - 0.1)

    def forward(self, x, delta, b, c, offsets):
        u = mom.causal_conv1d(x, self.weight, activation="silu", offsets=offsets)
        return mom.selective_scan(u, delta, self.A, b, c, z=x, delta_softplus=True, offsets=offsets)


def mixer_inputs(tokens, offsets):
    return torch.randn(tokens, 20), torch.randn(tokens, 20), torch.randn(tokens, 8), torch.randn(tokens, 8), torch.tensor(offsets)


class Opcheck(Comparing):
    def scans(self):
        for softplus, offsets, order, absent in ((True, torch.tensor([0, 5, 5, 40]), None, {}),
                                                 (False, None, torch.randperm(40), {"D": 0, "z": 0, "delta_bias": 0, "initial_states": 0})):
            tensors = scan_arguments(40, 20, 8, sequences=1 if offsets is None else 3, **absent)
            names = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")
            yield [tensors.get(name) for name in names], softplus, offsets, tensors.get("initial_states"), order

    def test_scan(self):
        for tensors, softplus, offsets, initial, order in self.scans():
            arguments = (*tensors, softplus, offsets, initial, order)
            with self.subTest("without gradients"):
                torch.library.opcheck(ops.selective_scan.default, (*arguments, False))
            states = ops.selective_scan(*arguments, True)[2]
            with self.subTest("backward"):
                for dfinal in (None, torch.randn(1 if offsets is None else 3, 20, 8)):
                    torch.library.opcheck(ops.selective_scan_backward.default, (torch.randn(40, 20), dfinal, states, *arguments))
            wanting = [None if t is None else t.requires_grad_() for t in tensors]
            with self.subTest("with gradients"):
                torch.library.opcheck(ops.selective_scan.default, (*wanting, softplus, offsets, None if initial is None else initial.requires_grad_(), order, True))

    def test_conv(self):
        for silu, offsets, order, absent in ((True, torch.tensor([0, 5, 5, 40]), None, {}), (False, None, torch.randperm(40), {"bias": 0, "initial_states": 0})):
            tensors = conv_arguments(40, 20, 4, sequences=1 if offsets is None else 3, **absent)
            arguments = (tensors["x"], tensors["weight"], tensors.get("bias"), silu, offsets, tensors.get("initial_states"), order)
            with self.subTest("backward"):
                torch.library.opcheck(ops.causal_conv1d_backward.default, (torch.randn(40, 20), None, *arguments))
            for tensor in tensors.values():
                tensor.requires_grad_()
            with self.subTest("forward"):
                torch.library.opcheck(ops.causal_conv1d.default, arguments)


class Tracing(Comparing):
    def check_compiled(self, backend, dynamic):
        model = Mixer(20, 8)
        compiled = torch.compile(model, fullgraph=True, backend=backend, dynamic=dynamic)
        for tokens, offsets in ((40, [0, 7, 40]), (70, [0, 31, 70])):
            inputs = mixer_inputs(tokens, offsets)
            results = []
            for function in (model, compiled):
                model.zero_grad()
                leaves = [t.clone().requires_grad_() if t.is_floating_point() else t for t in inputs]
                out = function(*leaves)
                out.square().sum().backward()
                results.append([out, model.weight.grad.clone(), model.A.grad.clone(), *(t.grad for t in leaves[:4])])
            for got, expected in zip(*reversed(results)):
                self.check_close(got, expected.double())
            with torch.no_grad():
                self.check_close(compiled(*inputs), model(*inputs).double())

    def test_compile(self):
        self.check_compiled("aot_eager", dynamic=None)

    def test_compile_for_any_length(self):
        self.check_compiled("aot_eager", dynamic=True)

    def test_export(self):
        model = Mixer(20, 8)
        tokens, sequences = torch.export.Dim("tokens", min=2, max=4096), torch.export.Dim("offsets", min=3, max=64)
        shapes = ({0: tokens}, {0: tokens}, {0: tokens}, {0: tokens}, {0: sequences})
        program = torch.export.export(model, mixer_inputs(40, [0, 7, 40]), dynamic_shapes=shapes)
        inputs = mixer_inputs(70, [0, 3, 31, 70])
        self.check_close(program.module()(*inputs), model(*inputs).double())

    def test_meta(self):
        """Shapes without values."""
        inputs = [t.to("meta") for t in mixer_inputs(40, [0, 7, 40])]
        self.assertEqual(Mixer(20, 8).to("meta")(*inputs).shape, (40, 20))

    def test_checkpointing(self):
        model, inputs = Mixer(20, 8), mixer_inputs(40, [0, 7, 40])
        gradients = []
        for use_reentrant in (None, False, True):
            leaf = inputs[0].clone().requires_grad_()
            rest = inputs[1:]
            out = model(leaf, *rest) if use_reentrant is None else torch.utils.checkpoint.checkpoint(model, leaf, *rest, use_reentrant=use_reentrant)
            gradients.append(torch.autograd.grad(out.square().sum(), leaf)[0] if not use_reentrant else (out.square().sum().backward(), leaf.grad)[1])
        for other in gradients[1:]:
            self.assertTrue(torch.equal(gradients[0], other))


if __name__ == "__main__":
    unittest.main(verbosity=2)
