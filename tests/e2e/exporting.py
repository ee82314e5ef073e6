"""What tests of models for transformers share. Needs the oracles' environment. MOM_BINARY: the program."""

import pathlib
import tempfile
import unittest

from program import run_mom

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

MAX_DIFFERENCE = 1e-5
NEW_TOKENS = 100
TOO_CLOSE = 1e-4  # two f32 implementations differ by less; where the two likeliest tokens are closer, either may win


def stir(folder, seed, part=""):
    """Changes all weights of a model folder whose names hold `part`, also those that start at zero."""
    generator = torch.Generator().manual_seed(seed)
    weights = load_file(folder / "model.safetensors")
    for name, weight in weights.items():
        if part in name:
            random = torch.randn(weight.shape, generator=generator)
            weights[name] = weight * (1 + 0.3 * random) if weight.abs().max() > 0 else 0.2 * random
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


class Exporting(unittest.TestCase):
    """A folder of its own for each test, and a model's way out and back."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.out = self.folder / "out"

    def convert(self, verb, model):
        run_mom("convert", verb, model, "--out", self.out)
        return self.out

    def forward(self, model, **tensors):
        save_file(tensors, self.folder / "in.safetensors")
        run_mom("forward", model, "--input", self.folder / "in.safetensors", "--output", self.folder / "out.safetensors")
        return load_file(self.folder / "out.safetensors")

    def load(self, folder):
        return AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True).eval()

    def check_close(self, one, other):
        self.assertEqual(one.shape, other.shape)
        self.assertGreater(other.abs().max(), 0.1)
        self.assertLessEqual((one - other).abs().max().item(), MAX_DIFFERENCE)

    def check_saved(self, model, expected, **tensors):
        """What save_pretrained writes holds the weights' bits, and mom computes with it what it did before."""
        saved = self.folder / "saved"
        model.save_pretrained(saved)
        for name, tensor in self.forward(saved, **tensors).items():
            self.assertTrue(torch.equal(tensor, expected[name]), name)
        self.assertEqual({name: tensor.tolist() for name, tensor in load_file(saved / "model.safetensors").items()},
                         {name: tensor.tolist() for name, tensor in load_file(self.out / "model.safetensors").items()})
