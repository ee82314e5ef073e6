"""A Hugging Face Mamba or Llama folder gives the same logits through `mom forward` as through transformers, in f32.

Oracle: PyPI transformers, random weights. Letters: T packed tokens, S sequences, V vocabulary.
"""

import json
import os
import pathlib
import tempfile
import unittest

os.environ["HF_HUB_OFFLINE"] = "1"  # transformers must not look for compiled kernels on the network
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM

from program import run_mom

# The promise of the project. Two f32 implementations differ by about 2e-6 at these sizes.
MAX_DIFFERENCE = 1e-4
SEQUENCE_LENGTHS = (17, 1, 40, 3, 130)

CASES = {
    "tied": dict(vocab_size=97, hidden_size=48, num_hidden_layers=3, tie_word_embeddings=True),
    "untied": dict(vocab_size=97, hidden_size=48, num_hidden_layers=3, tie_word_embeddings=False),
    "odd_sizes": dict(vocab_size=101, hidden_size=33, num_hidden_layers=1, state_size=8, time_step_rank=5,
                      tie_word_embeddings=False),
    "biased_projections": dict(vocab_size=64, hidden_size=40, num_hidden_layers=2, use_bias=True),
    "no_convolution_bias": dict(vocab_size=64, hidden_size=40, num_hidden_layers=2, use_conv_bias=False,
                                state_size=8, layer_norm_epsilon=1e-3),
    "wide": dict(vocab_size=512, hidden_size=256, num_hidden_layers=2, expand=3, time_step_rank=7),
}

LLAMA_CASES = {
    "llama": dict(vocab_size=97, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=80),
    "llama_tied_wide_heads": dict(vocab_size=64, hidden_size=128, num_hidden_layers=2, num_attention_heads=2,
                                  intermediate_size=96, tie_word_embeddings=True, rms_norm_eps=1e-5,
                                  rope_theta=500000.0),
    "llama_grouped_keys": dict(vocab_size=97, hidden_size=48, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
                               intermediate_size=80),
    "llama_one_key_head": dict(vocab_size=97, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1,
                               intermediate_size=80),
}


def make_llama(seed, **sizes):
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**{"num_key_value_heads": sizes["num_attention_heads"], **sizes})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(0, 0.15)
    return model


def make_model(seed, **sizes):
    """A model whose every tensor is random: norms, biases, D and A_log too, which transformers starts at plain values."""
    torch.manual_seed(seed)
    model = MambaForCausalLM(MambaConfig(**sizes)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or name.endswith(".D"):
                parameter.uniform_(0.5, 1.5)
            elif name.endswith("A_log"):
                parameter.add_(0.3 * torch.randn_like(parameter))
            elif name.endswith("dt_proj.bias"):
                parameter.add_(0.5 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.normal_(0, 0.2)
    return model


def oracle_logits_TV(model, tokens_T, offsets):
    with torch.no_grad():
        return torch.cat([model(tokens_T[None, begin:end], use_cache=False).logits[0]
                          for begin, end in zip(offsets, offsets[1:])])


class HuggingFaceParity(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def forward(self, model_folder, tokens_T, offsets):
        save_file({"tokens": tokens_T, "modality": torch.zeros_like(tokens_T), "offsets": torch.tensor(offsets)},
                  self.folder / "in.safetensors")
        run_mom("forward", model_folder, "--input", self.folder / "in.safetensors",
                "--output", self.folder / "out.safetensors")
        return load_file(self.folder / "out.safetensors")["logits"]

    def prepare(self, seed=7, make=make_model, **sizes):
        """Saves a model; returns its folder, packed tokens, their offsets and the oracle's logits."""
        model = make(seed, **sizes)
        model_folder = self.folder / "model"
        model.save_pretrained(model_folder)
        offsets = [0]
        for length in SEQUENCE_LENGTHS:
            offsets.append(offsets[-1] + length)
        tokens_T = torch.randint(0, sizes["vocab_size"], (offsets[-1],))
        return model_folder, tokens_T, offsets, oracle_logits_TV(model, tokens_T, offsets)

    def check(self, model_folder, tokens_T, offsets, expected_TV):
        logits_TV = self.forward(model_folder, tokens_T, offsets)
        self.assertEqual(logits_TV.dtype, torch.float32)
        self.assertEqual(logits_TV.shape, expected_TV.shape)
        self.assertTrue(torch.isfinite(logits_TV).all())
        difference = (logits_TV - expected_TV).abs().max().item()
        print(f"{self.id()}: largest difference {difference:.2e}, largest logit {expected_TV.abs().max():.2f}")
        self.assertLessEqual(difference, MAX_DIFFERENCE)

    def test_a_changed_weight_shows(self):
        """The comparison can fail: the same folder with one number changed is further away than allowed."""
        model_folder, tokens_T, offsets, expected_TV = self.prepare(**CASES["tied"])
        weights = load_file(model_folder / "model.safetensors")
        weights["backbone.layers.1.mixer.conv1d.weight"][5, 0, 0] += 0.5
        save_file(weights, model_folder / "model.safetensors", metadata={"format": "pt"})
        difference = (self.forward(model_folder, tokens_T, offsets) - expected_TV).abs().max().item()
        self.assertGreater(difference, 10 * MAX_DIFFERENCE)

    def test_llamas_with_more_than_we_have_are_refused(self):
        """Wide heads, biases and groups that do not fit are not ignored: exit code 3 and the key's name."""
        model_folder, tokens_T, offsets, _ = self.prepare(make=make_llama, **LLAMA_CASES["llama"])
        config = json.loads((model_folder / "config.json").read_text())
        for key, value in (("head_dim", 16), ("attention_bias", True), ("num_key_value_heads", 3)):
            (model_folder / "config.json").write_text(json.dumps(config | {key: value}))
            with self.assertRaises(Exception) as refused:
                self.forward(model_folder, tokens_T, offsets)
            self.assertIn(key.removeprefix("num_"), str(refused.exception))

    def test_keys_left_out_take_hugging_face_defaults(self):
        """Old checkpoints name neither the rank's number nor whether embeddings are tied."""
        model_folder, tokens_T, offsets, expected_TV = self.prepare(**CASES["tied"])
        config = json.loads((model_folder / "config.json").read_text())
        config["time_step_rank"] = "auto"
        for key in ("tie_word_embeddings", "conv_kernel", "expand", "state_size", "use_bias", "use_conv_bias",
                    "intermediate_size", "layer_norm_epsilon"):
            del config[key]
        (model_folder / "config.json").write_text(json.dumps(config))
        self.check(model_folder, tokens_T, offsets, expected_TV)


def add_case(name, sizes):
    setattr(HuggingFaceParity, f"test_{name}", lambda self: self.check(*self.prepare(**sizes)))


for case_name, case_sizes in CASES.items():
    add_case(case_name, case_sizes)
for case_name, case_sizes in LLAMA_CASES.items():
    add_case(case_name, {"make": make_llama, **case_sizes})

if __name__ == "__main__":
    unittest.main(verbosity=2)
