"""Models for others' programs: the dense Mamba inside a Mixture-of-Mamba, and the whole of it with its code, in transformers.

Oracle: PyPI transformers. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny encoded data sets.
"""

import json
import unittest

from exporting import MAX_DIFFERENCE, NEW_TOKENS, TOO_CLOSE, Exporting, stir
from hf_parity_test import make_llama, make_model
from program import run_mom, try_mom
from tiny import TinyData, encode_codes, write_recipe

import torch
from transformers import AutoTokenizer, MambaForCausalLM

TEXT_IDS = 320  # of the tiny tokenizer


class Exports(TinyData, Exporting):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.runs = {}
        encode_codes(cls.root, cls.root / "tiny" / "codes")
        for name, setting, data in (("spoken", "three_modality", "spoken/encoded"), ("codes", "chameleon", "codes"), ("latents", "transfusion", "encoded")):
            recipe = write_recipe(cls.root / f"{name}.toml", cls.root / "tiny" / data, setting, train={"steps": 12, "learning_rate": 0.02})
            run_mom("train", recipe, "--run", cls.root / name)
            cls.runs[name] = cls.root / name
        # A plain Mixture-of-Mamba, all of whose weights differ by modality.
        dense, cls.plain = cls.root / "dense", cls.root / "plain"
        make_model(11, vocab_size=97, hidden_size=48, num_hidden_layers=3, tie_word_embeddings=False).save_pretrained(dense)
        run_mom("convert", "dense-to-mom", dense, "--modalities", "text,image", "--out", cls.plain)
        stir(cls.plain, 1, ".image.")

    def test_the_dense_mamba_inside(self):
        for name, model, rows in (("spoken", self.runs["spoken"], TEXT_IDS), ("latents", self.runs["latents"], TEXT_IDS), ("plain", self.plain, 97)):
            with self.subTest(name):
                self.out = self.folder / name
                self.convert("text-only", model)
                tokens = torch.arange(50) * 37 % rows
                expected = self.forward(model, tokens=tokens)["logits"][:, :rows]
                self.assertTrue(torch.equal(self.forward(self.out, tokens=tokens)["logits"], expected))
                oracle = MambaForCausalLM.from_pretrained(self.out).eval()
                with torch.no_grad():
                    self.check_close(oracle(tokens[None], use_cache=False).logits[0], expected)
                if name != "plain":  # the tokenizer's ids, behind <s>
                    text_codec = self.root / "tiny" / ("spoken" if name == "spoken" else "") / "encoded" / "codecs" / "text"
                    self.assertEqual((self.out / "tokenizer.model").read_bytes(), (text_codec / "tokenizer.model").read_bytes())
                    tokenizer = AutoTokenizer.from_pretrained(self.out)
                    ids = tokenizer("The red  disc, naïve 東京\n")["input_ids"]
                    self.assertEqual(ids[0], 2)
                    self.assertEqual(tokenizer.decode(ids[1:]), "The red  disc, naïve 東京\n")
                    self.assertIsInstance(json.loads(run_mom("generate", self.out, "--prompt", "The red", "--max-tokens", 5, "--json"))["text"], str)

    def test_all_modalities_in_transformers(self):
        """Codes of two and of three modalities; which is which follows from the ids, or is said."""
        for name in ("codes", "spoken"):
            with self.subTest(name):
                self.out = self.folder / name
                self.check_codes(self.runs[name])

    def check_codes(self, run):
        config = json.loads((self.convert("to-hf", run) / "config.json").read_text())
        others, random = config["modalities"][1:], torch.Generator().manual_seed(2)
        modality = torch.randint(0, 1 + len(others), (60,), generator=random)
        begin, end = torch.tensor([config["vocabulary"][name] for name in config["modalities"]])[modality].T
        tokens = begin + torch.randint(0, 1 << 30, (60,), generator=random) % (end - begin)
        expected = self.forward(run, tokens=tokens, modality=modality)["logits"]
        model = self.load(self.out)
        with torch.no_grad():
            self.check_close(model(tokens[None]).logits[0], expected)
            self.check_close(model(tokens[None], modality_ids=modality[None]).logits[0], expected)
            swapped = model(tokens[None], modality_ids=(len(others) - modality)[None]).logits[0]
            self.assertGreater((swapped - expected).abs().max().item(), 100 * MAX_DIFFERENCE)
            # In two parts with a cache, and two texts side by side with padding before the shorter one.
            first = model(tokens[None, :23], use_cache=True)
            self.check_close(model(tokens[None, 23:], cache_params=first.cache_params).logits[0], expected[23:])
            pair, mask = torch.stack([tokens, tokens.roll(20)]), torch.ones(2, 60, dtype=torch.long)
            mask[1, :20] = 0
            self.check_close(model(pair, attention_mask=mask).logits[1, 20:], model(tokens[None, :40]).logits[0])
        self.check_saved(model, {"logits": expected}, tokens=tokens, modality=modality)

    def test_greedy(self):
        model = self.load(self.convert("to-hf", self.plain))
        model.generation_config.eos_token_id = None
        prompt = torch.randint(0, 97, (12,), generator=torch.Generator().manual_seed(4))
        with torch.no_grad():
            expected = model.generate(prompt[None], attention_mask=torch.ones(1, 12), max_new_tokens=NEW_TOKENS, do_sample=False, output_scores=True,
                                      return_dict_in_generate=True)
        top = torch.stack(expected.scores)[:, 0].topk(2).values
        self.assertGreater((top[:, 0] - top[:, 1]).min().item(), TOO_CLOSE, "this seed is no test: choose another")
        config = json.loads((self.plain / "config.json").read_text())
        (self.plain / "generation_config.json").write_text('{"eos_token_id": [96]}')
        self.addCleanup((self.plain / "generation_config.json").unlink)
        self.assertEqual(config["vocab_size"], 97)
        ours = json.loads(run_mom("generate", self.plain, "--tokens", ",".join(map(str, prompt.tolist())), "--temperature", 0, "--max-tokens",
                                  NEW_TOKENS, "--json"))["tokens"]
        self.assertEqual(ours, expected.sequences[0, 12:].tolist())
        self.assertGreater(len(set(ours)), 5)

    def test_what_the_code_does_not_compute_is_refused(self):
        llama = self.folder / "llama"
        make_llama(1, vocab_size=97, hidden_size=48, num_hidden_layers=1, num_attention_heads=4, intermediate_size=80).save_pretrained(llama)
        for verb, model, part in (("to-hf", llama, "backbone mamba"), ("text-only", llama, "backbone mamba")):
            done = try_mom("convert", verb, model, "--out", self.out)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(part, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
