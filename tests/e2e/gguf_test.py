"""GGUF files of `mom convert to-gguf`, as PyPI gguf reads them: keys, tokenizers and tensors.

Oracle: PyPI gguf. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny encoded data sets.
"""

import json
import unittest

from gguf import GGUFReader
from gguf_models import SIZES, TEXT_IDS, GgufModels
from program import run_mom, try_mom

import torch
from safetensors.torch import load_file

NAMES = {"attn_norm.weight": "norm.weight", "ssm_in.weight": "mixer.in_proj.weight", "ssm_conv1d.weight": "mixer.conv1d.weight",
         "ssm_conv1d.bias": "mixer.conv1d.bias", "ssm_x.weight": "mixer.x_proj.weight", "ssm_dt.weight": "mixer.dt_proj.weight",
         "ssm_dt.bias": "mixer.dt_proj.bias", "ssm_a": "mixer.A_log", "ssm_d": "mixer.D", "ssm_out.weight": "mixer.out_proj.weight"}


class Gguf(GgufModels):
    def read(self, model, *arguments):
        out = self.root / f"{self.id()}.gguf"
        run_mom("convert", "to-gguf", model, *arguments, "--out", out)
        reader = GGUFReader(out)
        return reader, {name: field.contents() for name, field in reader.fields.items()}

    def check_tensors(self, reader, weights):
        """`weights` under Hugging Face's names, those of a dense Mamba."""
        expected = {"token_embd.weight": weights["backbone.embeddings.weight"], "output_norm.weight": weights["backbone.norm_f.weight"]}
        if "lm_head.weight" in weights:
            expected["output.weight"] = weights["lm_head.weight"]
        layers = sum(name.endswith("A_log") for name in weights)
        for layer in range(layers):
            for theirs, ours in NAMES.items():
                tensor = weights[f"backbone.layers.{layer}.{ours}"]
                expected[f"blk.{layer}.{theirs}"] = -tensor.exp() if ours.endswith("A_log") else tensor.squeeze(1) if tensor.dim() == 3 else tensor
        self.assertEqual({tensor.name for tensor in reader.tensors}, set(expected))
        for tensor in reader.tensors:
            torch.testing.assert_close(torch.from_numpy(tensor.data.copy()), expected[tensor.name], rtol=1e-6, atol=0, msg=tensor.name)
            self.assertEqual(tensor.data_offset % 32, 0)
        return layers

    def test_the_mamba_inside_a_run(self):
        reader, fields = self.read(self.run_folder)
        run_mom("convert", "text-only", self.run_folder, "--out", self.root / "text")
        layers = self.check_tensors(reader, load_file(self.root / "text" / "model.safetensors"))
        config = json.loads((self.root / "text" / "config.json").read_text())
        self.assertEqual(fields["general.architecture"], "mamba")
        for key, value in {"block_count": layers, "embedding_length": config["hidden_size"], "ssm.inner_size": config["intermediate_size"],
                           "ssm.state_size": 16, "ssm.conv_kernel": 4, "ssm.time_step_rank": config["time_step_rank"], "vocab_size": TEXT_IDS}.items():
            self.assertEqual(fields[f"mamba.{key}"], value, key)
        self.assertAlmostEqual(fields["mamba.attention.layer_norm_rms_epsilon"], 1e-5, delta=1e-10)
        self.assertEqual(fields["tokenizer.ggml.model"], "llama")
        tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
        self.assertEqual(len(tokens), TEXT_IDS)
        self.assertEqual([tokens[2], tokens[3], types[1], types[2]], ["<s>", "</s>", 2, 3])
        self.assertEqual(types[tokens.index("<0x41>")], 6)
        self.assertEqual([fields[f"tokenizer.ggml.{name}"] for name in ("bos_token_id", "eos_token_id", "add_bos_token", "add_space_prefix")], [2, 3, True, False])
        scores = fields["tokenizer.ggml.scores"]
        learned = [scores[i] for i in range(TEXT_IDS) if types[i] == 1][-20:]
        self.assertEqual(learned, sorted(learned, reverse=True))
        self.assertNotEqual(learned[0], learned[-1])

    def test_a_plain_mamba_with_byte_level_bpe(self):
        reader, fields = self.read(self.plain)
        self.check_tensors(reader, load_file(self.plain / "model.safetensors"))
        self.assertEqual(fields["tokenizer.ggml.model"], "gpt2")
        self.assertEqual(fields["tokenizer.ggml.merges"], ["t h", "\u0120 t", "th e"])
        tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
        self.assertEqual([len(tokens), tokens[257], tokens[258:262]], [SIZES["vocab_size"], "\u0120t", ["the", "<|endoftext|>", "    ", "[PAD261]"]])
        self.assertEqual(types[257:262], [1, 1, 3, 4, 5])
        self.assertEqual([fields[f"tokenizer.ggml.{name}"] for name in ("bos_token_id", "eos_token_id", "add_bos_token")], [259, 259, False])

    def test_without_a_tokenizer(self):
        (self.plain / "tokenizer.json").rename(self.plain / "aside")
        self.addCleanup((self.plain / "aside").rename, self.plain / "tokenizer.json")
        _, fields = self.read(self.plain)
        self.assertEqual([fields["tokenizer.ggml.model"], fields["mamba.vocab_size"]], ["none", SIZES["vocab_size"]])

    def test_what_llama_cpp_does_not_know_is_refused(self):
        text = (self.plain / "tokenizer.json").read_text()
        self.addCleanup((self.plain / "tokenizer.json").write_text, text)
        tokenizer = json.loads(text)
        out = self.root / "refused.gguf"
        for change in ({"pre_tokenizer": {"type": "Metaspace"}}, {"model": {"type": "Unigram"}}, {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}):
            (self.plain / "tokenizer.json").write_text(json.dumps(tokenizer | change))
            done = try_mom("convert", "to-gguf", self.plain, "--out", out)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("byte-level BPE", done.stderr)
            self.assertFalse(out.exists())
        config = json.loads((self.plain / "config.json").read_text())
        self.addCleanup((self.plain / "config.json").write_text, json.dumps(config))
        (self.plain / "config.json").write_text(json.dumps(config | {"vocab_size": 200}))
        self.assertEqual(try_mom("convert", "to-gguf", self.plain, "--out", out).returncode, 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
