"""Hugging Face folders generate: greedy text of a random Mamba equals transformers' token for token, with a SentencePiece tokenizer
text goes in and out, and without one only ids do.

Oracle: PyPI transformers, random weights.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from hf_parity_test import CASES, make_llama, make_model
from program import BINARY, run_mom

import torch
from safetensors.torch import load_file, save_file

NEW_TOKENS = 200
# Two f32 implementations differ by about 2e-6; where the two likeliest tokens are closer than this, either may win.
TOO_CLOSE = 1e-4


class HuggingFaceGeneration(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name) / "model"

    def save(self, make=make_model, seed=11, **sizes):
        model = make(seed, **sizes)
        model.config.eos_token_id = None  # goes on whatever comes
        model.generation_config.eos_token_id = None
        model.save_pretrained(self.folder)
        return model

    def generate(self, *arguments):
        return json.loads(run_mom("generate", self.folder, "--json", *arguments))

    def check_greedy(self, model):
        prompt = torch.randint(0, model.config.vocab_size, (12,))
        with torch.no_grad():
            expected = model.generate(prompt[None], attention_mask=torch.ones(1, 12), max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0,
                                      output_scores=True, return_dict_in_generate=True)
        top = torch.stack(expected.scores)[:, 0].topk(2).values
        self.assertGreater((top[:, 0] - top[:, 1]).min().item(), TOO_CLOSE, "this seed is no test: choose another")
        result = self.generate("--tokens", ",".join(map(str, prompt.tolist())), "--temperature", 0, "--max-tokens", NEW_TOKENS)
        self.assertEqual(result["tokens"], expected.sequences[0, 12:].tolist())
        self.assertGreater(len(set(result["tokens"])), 5)  # not one token over and over
        log_probabilities = torch.log_softmax(torch.stack(expected.scores)[:, 0], -1)
        for token, ours, theirs in zip(result["tokens"], result["log_probabilities"], log_probabilities):
            self.assertAlmostEqual(ours, theirs[token].item(), places=3)

    def test_greedy_mamba(self):
        self.check_greedy(self.save(**CASES["untied"]))

    def test_greedy_wide_mamba(self):
        self.check_greedy(self.save(**CASES["wide"]))

    def test_greedy_llama(self):
        self.check_greedy(self.save(make=make_llama, vocab_size=97, hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
                                    intermediate_size=80))

    def test_greedy_llama_with_grouped_keys(self):
        self.check_greedy(self.save(make=make_llama, vocab_size=97, hidden_size=48, num_hidden_layers=2, num_attention_heads=6,
                                    num_key_value_heads=2, intermediate_size=80))

    def test_the_authors_own_naming(self):
        """A folder of the state-spaces package: other keys in config.json, another name of the table."""
        self.save(vocab_size=101, hidden_size=32, num_hidden_layers=2, state_size=8, tie_word_embeddings=True)
        arguments = ("--tokens", "5,6", "--temperature", 0, "--max-tokens", 40)
        expected = self.generate(*arguments)
        weights = load_file(self.folder / "model.safetensors")
        table = torch.nn.functional.pad(weights.pop("backbone.embeddings.weight"), (0, 0, 0, 3))
        weights["backbone.embedding.weight"] = table  # padded to a multiple of 8
        save_file(weights, self.folder / "model.safetensors")
        config = {"d_model": 32, "n_layer": 2, "vocab_size": 101, "ssm_cfg": {"d_state": 8}, "rms_norm": True,
                  "residual_in_fp32": True, "fused_add_norm": True, "pad_vocab_size_multiple": 8}
        (self.folder / "config.json").write_text(json.dumps(config))
        ours = self.generate(*arguments)
        self.assertEqual(ours["tokens"], expected["tokens"])  # rows of zeros never win here
        config["ssm_cfg"]["layer"] = "Mamba2"
        (self.folder / "config.json").write_text(json.dumps(config))
        with self.assertRaisesRegex(AssertionError, "exit code 3"):
            self.generate(*arguments)

    def test_stops_at_the_folders_end_token(self):
        self.save(**CASES["untied"])
        arguments = ("--tokens", "5,6", "--temperature", 0, "--max-tokens", 40)
        tokens = self.generate(*arguments)["tokens"]
        config = json.loads((self.folder / "config.json").read_text())
        for eos in (tokens[7], [96, tokens[7]]):
            config["eos_token_id"] = eos
            (self.folder / "config.json").write_text(json.dumps(config))
            stopped = self.generate(*arguments)
            self.assertEqual(stopped["tokens"], tokens[: tokens.index(tokens[7]) + 1])
            self.assertEqual(stopped["stop"], "end")

    def test_text_needs_a_tokenizer(self):
        self.save(**CASES["untied"])
        done = subprocess.run([BINARY, "generate", str(self.folder), "--prompt", "words"], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 3)
        self.assertIn("--tokens", done.stderr)

    def test_text_with_a_sentencepiece_tokenizer(self):
        texts = self.folder.parent / "texts.jsonl"
        texts.write_text("".join(json.dumps({"text": f"The {a} {b} lies beside the other {a} {b}."}) + "\n"
                                 for a in ("red", "green", "blue", "grey", "black") for b in ("bar", "disc", "square", "frame")) * 8)
        documents, codec = self.folder.parent / "documents", self.folder.parent / "codec"
        config = self.folder.parent / "codec.toml"
        config.write_text('kind = "text"\n[text]\nvocabulary = 300\n')
        run_mom("data", "import", texts, "--out", documents)
        run_mom("codec", "train", config, "--data", documents, "--out", codec)
        self.save(vocab_size=320, hidden_size=32, num_hidden_layers=1)  # padded beyond the pieces
        (self.folder / "tokenizer.model").write_bytes((codec / "tokenizer.model").read_bytes())
        result = self.generate("--prompt", "The red disc", "--max-tokens", 30)
        self.assertEqual(len(result["tokens"]), 30)
        self.assertIsInstance(result["text"], str)
        shown = run_mom("generate", self.folder, "--prompt", "The red disc", "--max-tokens", 30)
        self.assertEqual(shown.rstrip("\n"), result["text"].rstrip("\n"))
        (self.folder / "tokenizer_config.json").write_text('{"add_bos_token": true}')
        self.assertNotEqual(self.generate("--prompt", "The red disc", "--max-tokens", 30)["log_probabilities"],
                            result["log_probabilities"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
