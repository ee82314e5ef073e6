"""Hugging Face folders as their writers leave them: in shards, with buffers of older versions, from the bare model, in PyTorch's own
format, with the end tokens in generation_config.json. Logits are those of transformers, or the message says what is wrong in the
folder's own names.

Oracle: PyPI transformers, random weights.
"""

import json
import pathlib
import shlex
import subprocess
import sys
import tempfile
import unittest

from hf_parity_test import MAX_DIFFERENCE, make_llama, make_model
from program import run_mom, try_mom

import torch
from safetensors.torch import load_file, save_file

MAMBA = dict(vocab_size=97, hidden_size=48, num_hidden_layers=3)
LLAMA = dict(vocab_size=97, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=80)


class HuggingFaceFolders(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)
        self.folder = self.root / "model"

    def save(self, make, sizes, **options):
        model = make(5, **sizes)
        model.save_pretrained(self.folder, **options)
        self.tokens_T = torch.randint(0, sizes["vocab_size"], (40,))
        with torch.no_grad():
            self.expected_TV = model(self.tokens_T[None], use_cache=False).logits[0]

    def edit_config(self, **values):
        config = json.loads((self.folder / "config.json").read_text())
        (self.folder / "config.json").write_text(json.dumps(config | values))

    def edit_weights(self, edit):
        weights = load_file(self.folder / "model.safetensors")
        save_file(edit(weights) or weights, self.folder / "model.safetensors", metadata={"format": "pt"})

    def forward(self):
        save_file({"tokens": self.tokens_T}, self.root / "in.safetensors")
        return try_mom("forward", self.folder, "--input", self.root / "in.safetensors", "--output", self.root / "out.safetensors")

    def check_logits(self):
        done = self.forward()
        self.assertEqual(done.returncode, 0, done.stderr)
        difference = (load_file(self.root / "out.safetensors")["logits"] - self.expected_TV).abs().max().item()
        self.assertLessEqual(difference, MAX_DIFFERENCE)

    def refusal(self, *parts):
        done = self.forward()
        self.assertEqual(done.returncode, 3, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)
        return done.stderr

    def test_shards(self):
        for make, sizes in ((make_model, MAMBA), (make_llama, LLAMA)):
            with self.subTest(make.__name__):
                self.folder = self.root / make.__name__
                self.save(make, sizes, max_shard_size="60KB")
                self.assertGreater(len(list(self.folder.glob("model-*.safetensors"))), 2)
                self.check_logits()

    def test_a_shard_that_is_missing_or_not_of_this_model(self):
        self.save(make_model, MAMBA, max_shard_size="60KB")
        shard = sorted(self.folder.glob("model-*.safetensors"))[1]
        weights = load_file(shard)
        name = sorted(weights)[0]
        shard.unlink()
        self.refusal(shard.name, "model.safetensors.index.json lists")
        save_file({other: tensor for other, tensor in weights.items() if other != name}, shard)
        self.refusal(shard.name, name, "model.safetensors.index.json")
        index = self.folder / "model.safetensors.index.json"
        for text in ("[]", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', '{"weight_map": {"a": "../model/x"}}'):
            index.write_text(text)
            self.refusal("model.safetensors.index.json", "weight_map")

    def test_weights_of_half_precision(self):
        """The logits are those of the rounded weights, computed in f32."""
        for make, sizes in ((make_model, MAMBA), (make_llama, LLAMA)):
            for dtype in (torch.bfloat16, torch.float16):
                with self.subTest(make=make.__name__, dtype=dtype):
                    self.folder = self.root / f"{make.__name__}-{dtype}"
                    model = make(5, **sizes).to(dtype)
                    model.save_pretrained(self.folder)
                    self.assertEqual(load_file(self.folder / "model.safetensors")[next(iter(model.state_dict()))].dtype, dtype)
                    self.tokens_T = torch.randint(0, 97, (40,))
                    with torch.no_grad():
                        wide = type(model).from_pretrained(self.folder, dtype=torch.float32)  # .float() would keep rounded buffers
                        self.expected_TV = wide(self.tokens_T[None], use_cache=False).logits[0]
                    self.check_logits()

    def test_buffers_of_older_folders(self):
        self.save(make_llama, LLAMA)
        inv_freq = 1 / 10000 ** (torch.arange(0, 12, 2).float() / 12)
        self.edit_weights(lambda weights: weights.update({f"model.layers.{i}.self_attn.rotary_emb.inv_freq": inv_freq.clone() for i in range(2)}))
        self.check_logits()

    def test_messages_have_the_folders_names(self):
        self.save(make_llama, LLAMA)
        up = "model.layers.1.mlp.up_proj.weight"

        def edit(weights):
            del weights["model.layers.1.post_attention_layernorm.weight"]
            weights[up] = weights[up][:3].clone()
            weights["model.layers.0.mlp.more"] = torch.zeros(1)

        self.edit_weights(edit)
        message = self.refusal("no tensor model.layers.1.post_attention_layernorm.weight", f"{up} has shape [3, 48], not [80, 48]",
                               "unexpected tensor model.layers.0.mlp.more")
        self.assertNotIn("backbone", message)

    def test_pytorchs_own_format_is_named_with_a_command_that_converts_it(self):
        self.save(make_model, MAMBA)
        weights = load_file(self.folder / "model.safetensors")
        weights["lm_head.weight"] = weights["backbone.embeddings.weight"]  # shared memory, as PyTorch stores tied weights
        names = sorted(weights)
        for i, part in enumerate((names[:4], names[4:])):
            torch.save({name: weights[name] for name in part}, self.folder / f"pytorch_model-0000{i + 1}-of-00002.bin")
        (self.folder / "model.safetensors").unlink()
        message = self.refusal("pytorch_model-0000", "PyTorch's own format", "convert it, in that folder: python3 -c")
        command = shlex.split(message[message.index("python3 -c"):])
        subprocess.run([sys.executable, *command[1:3]], cwd=self.folder, check=True)
        self.check_logits()

    def test_no_weights_at_all(self):
        self.save(make_model, MAMBA)
        (self.folder / "model.safetensors").unlink()
        self.refusal(str(self.folder), "model.safetensors.index.json and its shards")

    def test_the_bare_mamba_has_its_embeddings_as_head(self):
        self.save(make_model, MAMBA)
        make_model(5, **MAMBA).backbone.save_pretrained(self.folder)
        self.assertIn("embeddings.weight", load_file(self.folder / "model.safetensors"))
        self.check_logits()

    def test_a_bare_model_whose_head_is_lost_is_refused_for_that(self):
        for make, sizes, part in ((make_model, MAMBA | {"tie_word_embeddings": False}, "backbone"), (make_llama, LLAMA, "model")):
            with self.subTest(part):
                self.folder = self.root / part
                self.save(make, sizes)
                getattr(make(5, **sizes), part).save_pretrained(self.folder)
                message = self.refusal("lm_head.weight", f'names without "{part}."', "ForCausalLM", "tie_word_embeddings")
                self.assertNotIn("no tensor", message)

    def test_a_bare_llama_with_tied_embeddings(self):
        sizes = LLAMA | {"tie_word_embeddings": True}
        self.save(make_llama, sizes)
        make_llama(5, **sizes).model.save_pretrained(self.folder)
        self.check_logits()

    def test_a_scaling_that_scales_nothing(self):
        self.save(make_llama, LLAMA)
        for key in ("rope_type", "type"):
            self.edit_config(rope_scaling={key: "default"})
            self.check_logits()
            self.edit_config(rope_scaling={key: "linear", "factor": 2.0})
            self.refusal("rope_scaling", "linear")

    def test_rotary_positions_as_each_version_writes_them(self):
        self.save(make_llama, LLAMA | {"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}})
        self.assertIn("rope_parameters", (self.folder / "config.json").read_text())
        self.check_logits()
        self.edit_config(rope_parameters=None, rope_theta=500000.0, rope_scaling=None)  # as transformers 4 does
        self.check_logits()
        self.edit_config(rope_parameters={"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0})
        self.refusal("rope_parameters", "llama3")

    def test_another_activation_is_refused(self):
        for make, sizes in ((make_model, MAMBA), (make_llama, LLAMA)):
            self.save(make, sizes)
            self.edit_config(hidden_act="gelu")
            self.refusal("hidden_act", "gelu")

    def test_a_tied_head_that_was_saved_twice(self):
        self.save(make_llama, LLAMA | {"tie_word_embeddings": True})
        self.edit_weights(lambda weights: weights.update({"lm_head.weight": weights["model.embed_tokens.weight"].clone()}))
        self.check_logits()
        # One of its own, with which transformers would compute.
        self.edit_weights(lambda weights: weights.update({"lm_head.weight": weights["model.embed_tokens.weight"] * 2}))
        self.refusal("lm_head.weight equal to model.embed_tokens.weight", "tie_word_embeddings")
        self.expected_TV *= 2
        self.edit_config(tie_word_embeddings=False)
        self.check_logits()

    def test_a_file_of_another_writer(self):
        """No metadata, and tensors that begin at no multiple of eight bytes."""
        self.save(make_model, MAMBA)
        path = self.folder / "model.safetensors"
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.dumps({name: about for name, about in json.loads(content[8 : 8 + length]).items() if name != "__metadata__"}).encode()
        header += b" " * ((3 - len(header)) % 8)
        path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
        self.check_logits()

    def test_a_falcon_mamba_by_another_name(self):
        """Its norms of dt, b and c have no weights: only config.json tells it from a Mamba."""
        self.save(make_model, MAMBA)
        self.edit_config(mixer_rms_eps=1e-6)
        self.refusal("mixer_rms_eps", "FalconMamba")

    def test_a_pointer_of_git_lfs(self):
        self.save(make_model, MAMBA)
        (self.folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n")
        self.refusal("model.safetensors", "git lfs pull")


class EndTokens(unittest.TestCase):
    ARGUMENTS = ("--tokens", "5,6", "--temperature", "0", "--max-tokens", "40", "--json")

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name) / "model"
        make_model(11, **MAMBA | {"tie_word_embeddings": False}).save_pretrained(self.folder)
        self.write(None, None)
        self.tokens = self.generate()["tokens"]
        self.assertEqual(len(self.tokens), 40)

    def generate(self, folder=None):
        return json.loads(run_mom("generate", folder or self.folder, *self.ARGUMENTS))

    def write(self, config_eos, generation_eos):
        config = json.loads((self.folder / "config.json").read_text())
        (self.folder / "config.json").write_text(json.dumps(config | {"eos_token_id": config_eos}))
        generation = {} if generation_eos is None else {"eos_token_id": generation_eos}
        (self.folder / "generation_config.json").write_text(json.dumps(generation))

    def check_ends_at(self, token, folder=None):
        result = self.generate(folder)
        self.assertEqual(result["tokens"], self.tokens[: self.tokens.index(token) + 1])
        self.assertEqual(result["stop"], "end")

    def test_generation_config_comes_first(self):
        seldom, late = self.tokens[3], next(token for token in self.tokens[8:] if token not in self.tokens[:8])
        unseen = next(token for token in range(97) if token not in self.tokens)
        for config, generation, ends in ((None, late, late), (None, [unseen, late], late), (seldom, late, late), (late, None, late),
                                         (unseen, [late, seldom], seldom)):
            with self.subTest(config=config, generation=generation):
                self.write(config, generation)
                self.check_ends_at(ends)
        self.write(None, "x")
        done = try_mom("generate", self.folder, *self.ARGUMENTS)
        self.assertEqual(done.returncode, 3)
        self.assertIn("generation_config.json", done.stderr)

    def test_converted_folders_end_at_the_same_tokens(self):
        late = self.tokens[8]
        tokenizer = self.folder / "tokenizer.model"
        for config, generation in ((late, None), (None, [late])):
            for convert in (("quantize", "--weights", "bfloat16"), ("dense-to-mom", "--modalities", "text,image")):
                with self.subTest(config=config, generation=generation, convert=convert[0]):
                    self.write(config, generation)
                    tokenizer.write_bytes(b"kept as it is")
                    out = self.folder.parent / f"{convert[0]}-{config}"
                    run_mom("convert", convert[0], self.folder, *convert[1:], "--out", out)
                    for name in ("eos_token_id", "bos_token_id"):
                        self.assertEqual(json.loads((out / "config.json").read_text()).get(name), json.loads((self.folder / "config.json").read_text()).get(name))
                    self.assertEqual((out / "tokenizer.model").read_bytes(), b"kept as it is")
                    (out / "tokenizer.model").unlink()
                    self.assertEqual(self.generate(out)["stop"], "end")


if __name__ == "__main__":
    unittest.main(verbosity=2)
