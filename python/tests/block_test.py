"""MixtureOfMambaBlock beside float64, beside transformers' Mamba and beside the model for transformers; ways to say the modality."""

import unittest
from unittest import mock

import torch
from mixture_of_mamba import MixtureOfMambaBlock, MixtureOfMambaConfig
from mixture_of_mamba import modeling_mixture_of_mamba as modeling
from support import Comparing
from transformers import MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer

NAMES = ("text", "image", "speech")
BATCH, LENGTH, WIDTH = 3, 20, 24


def make_block(**options):
    block = MixtureOfMambaBlock(WIDTH, NAMES, d_state=8, **options)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.mul_(1 + 0.3 * torch.randn_like(parameter)).add_(0.02 * torch.randn_like(parameter))
    return block


def inputs():
    return torch.randn(BATCH, LENGTH, WIDTH), torch.randint(0, len(NAMES), (BATCH, LENGTH))


class Block(Comparing):
    def check_gradients(self, block, modality, name, offsets=None, x=None):
        """Values and gradients of input and parameters beside float64."""
        x = torch.randn(BATCH, LENGTH, WIDTH) if x is None else x
        wide = type(block)(WIDTH, NAMES, d_state=8, **self.options).double()
        wide.load_state_dict({key: value.double() for key, value in block.state_dict().items()})
        weight, results = torch.randn(x.shape, dtype=torch.float64), []
        for model in (block, wide):
            leaf = x.to(next(model.parameters()).dtype).requires_grad_()
            out = model(leaf, modality, offsets)
            parameters = dict(model.named_parameters())
            gradients = torch.autograd.grad((out * weight.to(out.dtype)).sum(), [leaf, *parameters.values()])
            results.append([out, *gradients])
        for part, got, expected in zip(["output", "input", *parameters], *results):
            if expected.abs().max() > 0:
                self.check_close(got, expected, f"{name}: {part}")
            else:
                self.assertEqual(got.abs().max().item(), 0, f"{name}: {part}")

    def test_values_and_gradients(self):
        for self.options in ({}, {"decoupled": ()}, {"decoupled": ("in_proj", "out_proj"), "bias": True}, {"decoupled": ("dt_proj",), "conv_bias": False}):
            block = make_block(**self.options)
            self.check_gradients(block, inputs()[1], str(self.options))
        self.options = {}
        self.check_gradients(make_block(), torch.full((BATCH, LENGTH), 1), "one modality alone")
        self.check_gradients(make_block(), inputs()[1][:1].flatten()[:15], "packed", torch.tensor([0, 4, 4, 15]), torch.randn(15, WIDTH))

    def test_as_the_model_for_transformers(self):
        """The same parameters under the same names, and the same numbers."""
        for decoupled in (("in_proj", "x_proj", "dt_proj", "out_proj"), ("x_proj",), ()):
            config = MixtureOfMambaConfig(vocab_size=10, hidden_size=WIDTH, num_hidden_layers=1, state_size=8, modalities=NAMES, decoupled=decoupled)
            block, theirs = make_block(decoupled=decoupled), modeling.Block(config, 0)
            self.assertEqual({name: p.shape for name, p in theirs.named_parameters()}, {name: p.shape for name, p in block.named_parameters()})
            theirs.load_state_dict(block.state_dict())
            x, modality = inputs()
            with torch.no_grad(), mock.patch.object(modeling, "selective_scan", None):  # without the kernels
                rows = modeling.Rows(modality, len(config.modalities))
            found = rows.in_positions(theirs(rows.of_positions(x.flatten(0, 1)), rows, None)).view(x.shape)
            self.check_close(block(x, modality), found.double())

    def test_one_modality_is_mamba(self):
        block = MixtureOfMambaBlock(WIDTH, ["text"], d_state=8)
        mamba = MambaMixer(MambaConfig(hidden_size=WIDTH, state_size=8, num_hidden_layers=1), 0).eval()
        mamba.load_state_dict({name.removeprefix("mixer.").replace(".text.", "."): value for name, value in block.state_dict().items() if name.startswith("mixer.")})
        x = torch.randn(BATCH, LENGTH, WIDTH)
        with torch.no_grad():
            self.check_close(block(x, torch.zeros(BATCH, LENGTH, dtype=torch.long)), (x + mamba(block.norm(x))).double())

    def test_ways_to_say_the_modality(self):
        x, modality = inputs()
        block = make_block()
        expected = block(x, modality)
        self.assertTrue(torch.equal(block(x, [modality == m for m in range(3)]), expected))
        self.assertTrue(torch.equal(block(x, modality.int()), expected))
        offsets = torch.arange(BATCH + 1) * LENGTH
        self.assertTrue(torch.equal(block(x.flatten(0, 1), modality.flatten(), offsets), expected.flatten(0, 1)))
        self.assertFalse(torch.equal(block(x, (modality + 1) % 3), expected))
        two = MixtureOfMambaBlock(WIDTH, ("text", "image"))
        self.assertTrue(torch.equal(two(x, modality == 1), two(x, (modality == 1).long())))
        shared = make_block(decoupled=())
        self.assertTrue(torch.equal(shared(x), shared(x, modality)))

    def test_later_tokens_change_nothing_before(self):
        x, modality = inputs()
        block = make_block()
        before = block(x, modality)
        x[:, 12:], modality[:, 12:] = 0, 0
        self.check_close(block(x, modality)[:, :12], before[:, :12].double())

    def test_compile(self):
        block = make_block()
        compiled = torch.compile(block, fullgraph=True, backend="aot_eager")
        for length in (LENGTH, 33):
            x, modality = torch.randn(BATCH, length, WIDTH), torch.randint(0, 3, (BATCH, length))
            results = []
            for model in (block, compiled):
                block.zero_grad()
                out = model(x, modality)
                out.square().sum().backward()
                results.append([out, *(p.grad.clone() for p in block.parameters())])
            for got, expected in zip(*reversed(results)):
                self.check_close(got, expected.double())

    def test_opcheck(self):
        ops, weights = torch.ops.mixture_of_mamba, [torch.randn(4, 6, requires_grad=True) for _ in range(3)]
        biases, offsets, x = [torch.randn(4, requires_grad=True) for _ in range(3)], torch.tensor([0, 5, 5, 9]), torch.randn(9, 6, requires_grad=True)
        for some in (biases, []):
            torch.library.opcheck(ops.grouped_linear.default, (x, weights, some, offsets))
        torch.library.opcheck(ops.grouped_linear_backward.default, (torch.randn(9, 4), x.detach(), [w.detach() for w in weights], True, offsets))

    def test_bfloat16(self):
        x, modality = inputs()
        block = make_block()
        expected = block(x, modality)
        self.check_close(block.bfloat16()(x.bfloat16(), modality), expected.double(), most=1e-3)


class Refusals(unittest.TestCase):
    def refused(self, words, *arguments, block=None):
        with self.assertRaises(ValueError) as caught:
            (block or MixtureOfMambaBlock(WIDTH, NAMES))(*arguments)
        self.assertIn("[MixtureOfMambaBlock] " + words, str(caught.exception))

    def test_refusals(self):
        x, modality = inputs()
        self.refused("modality: expected the modality (text, image, speech) of each of [3, 20] tokens, got None", x)
        self.refused("modality: expected 0 to 2 (text, image, speech), got 0 to 3", x, torch.arange(60).view(3, 20) % 4)
        self.refused("modality: expected 0 to 2", x, modality - 1)
        self.refused("modality: expected [3, 20] int64 or bool on cpu, got [20] int64", x, modality[0])
        self.refused("modality: expected [3, 20] int64 or bool on cpu, got [3, 20] float32", x, modality.float())
        self.refused("modality: one mask says which of two modalities it is; there are 3", x, modality == 1)
        self.refused("modality: expected 3 masks [3, 20] bool, one for each of text, image, speech, got [3, 20] bool", x, [modality == 1])
        self.refused("modality: expected each token in exactly one mask", x, [modality == 1] * 3)
        self.refused("x: expected [B, L, 24] or [T, 24], got [3, 20, 23] float32", x[..., 1:], modality)
        self.refused("offsets: only with packed x", x, modality, torch.tensor([0, 60]))
        for options, words in (({"decoupled": ("in_proj", "conv1d")}, "decoupled: expected some of in_proj, x_proj, dt_proj, out_proj, got conv1d"),
                               ({"modalities": ("a", "a")}, "modalities: expected different names"), ({"modalities": ()}, "modalities: expected different names")):
            with self.assertRaises(ValueError) as caught:
                MixtureOfMambaBlock(WIDTH, **options)
            self.assertIn(words, str(caught.exception))


if __name__ == "__main__":
    unittest.main(verbosity=2)
