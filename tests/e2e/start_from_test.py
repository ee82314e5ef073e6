"""Training that starts from what exists: a pretrained language model that learns to see, a model that learns one modality more, with
weights that are frozen or learn at another pace.

Oracle: PyPI transformers, random weights. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny encoded data sets.
"""

import json
import pathlib
import tempfile
import unittest

from hf_parity_test import make_model
from program import run_mom, try_mom
from tiny import TinyData, encode_codes, write_recipe

import torch
from safetensors.torch import load_file, save_file

TEXT_IDS = 320  # of the tiny tokenizer
STEPS = 50
SHARED_AND_TEXT = ["*.text.*", "*.conv1d.*", "*.A_log", "*.D", "*.norm.weight", "backbone.norm_f.weight"]


class StartFrom(TinyData):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.latents, cls.spoken = cls.root / "tiny" / "encoded", cls.root / "tiny" / "spoken" / "encoded"
        cls.codes = cls.root / "codes"
        encode_codes(cls.root, cls.codes)
        cls.dense = cls.root / "dense"
        cls.model = make_model(3, vocab_size=TEXT_IDS + 8, hidden_size=32, num_hidden_layers=2, tie_word_embeddings=False)
        cls.model.save_pretrained(cls.dense)

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def text_logits(self, model, rows=TEXT_IDS):
        """Of 40 tokens of text, those of text."""
        tokens = torch.arange(40) * 37 % TEXT_IDS
        save_file({"tokens": tokens}, self.folder / "in.safetensors")
        run_mom("forward", model, "--input", self.folder / "in.safetensors", "--output", self.folder / "out.safetensors")
        return load_file(self.folder / "out.safetensors")["logits"][:, :rows]

    def train(self, recipe, name, *arguments):
        run_mom("train", recipe, "--run", self.folder / name, *arguments)
        return self.folder / name

    @staticmethod
    def files(run, step=STEPS):
        folder = run / "checkpoints" / f"step-{step:08d}"
        return {name: (folder / name).read_bytes() for name in ("model.safetensors", "optimizer.safetensors")}

    @staticmethod
    def weights(run, step):
        return load_file(run / "checkpoints" / f"step-{step:08d}" / "model.safetensors")

    def mixture(self, modalities="text,image"):
        run_mom("convert", "dense-to-mom", self.dense, "--modalities", modalities, "--out", self.folder / "mixture")
        return self.folder / "mixture"

    def test_a_pretrained_mamba_learns_to_see_and_its_text_stays(self):
        """Images as latents and as codes; the latter also stopped and resumed, and by two processes, with the optimizer sharded and all."""
        mixture = self.mixture()
        tokens = torch.arange(40) * 37 % TEXT_IDS
        with torch.no_grad():
            expected = self.model(tokens[None], use_cache=False).logits[0]
        before = self.text_logits(mixture, rows=None)
        self.assertLessEqual((before - expected).abs().max().item(), 1e-5)
        self.assertLessEqual((before - self.text_logits(self.dense, rows=None)).abs().max().item(), 1e-6)
        for setting, data in (("transfusion", self.latents), ("chameleon", self.codes)):
            with self.subTest(setting):
                recipe = write_recipe(self.folder / f"{setting}.toml", data, setting, checkpoint={"every_steps": 20, "keep": 0},
                                      train={"steps": STEPS, "microbatches": 2, "start_from": str(mixture), "freeze": SHARED_AND_TEXT,
                                             "learning_rate_factors": {"*.in_proj.image.*": 0.5}})
                run = self.train(recipe, setting)
                self.assertTrue(torch.equal(self.text_logits(run), before[:, :TEXT_IDS]))
                first, last = self.weights(run, 20), self.weights(run, STEPS)
                for name in last:
                    learns = ".image." in name or name.startswith(("patch_", "timestep_"))
                    if name in ("backbone.embeddings.weight", "lm_head.weight"):
                        self.assertTrue(torch.equal(first[name][:TEXT_IDS], last[name][:TEXT_IDS]))
                        learns = setting == "chameleon"
                    self.assertEqual(torch.equal(first[name], last[name]), not learns, name)
                losses = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
                images = [line["loss_image"] for line in losses if line["kind"] == "train" and line.get("loss_image") is not None]
                self.assertLess(sum(images[-5:]), 0.9 * sum(images[:5]))
                if setting == "transfusion":
                    continue
                expected_files = self.files(run)
                again = self.folder / f"{setting}-again"
                stopped = try_mom("train", recipe, "--run", again, "--stop-at", 23)
                self.assertEqual(stopped.returncode, 75, stopped.stderr)
                run_mom("train", recipe, "--run", again, "--resume")
                self.assertEqual(self.files(again), expected_files)
                for shard in ("optimizer", "all"):
                    two = self.train(recipe, f"{setting}-{shard}", "--processes", 2, "--set", f"train.shard={shard}")
                    self.assertEqual(self.files(two), expected_files, shard)

    def test_factors_of_the_learning_rate(self):
        recipe = write_recipe(self.folder / "recipe.toml", self.codes, "chameleon", train={"steps": 1, "warmup_steps": 0, "weight_decay": 0.0},
                              checkpoint={"every_steps": 1})
        start = self.weights(self.train(recipe, "start", "--set", "train.learning_rate=0", "--set", "train.min_learning_rate=0"), 1)
        plain = self.weights(self.train(recipe, "plain"), 1)
        scaled = self.weights(self.train(recipe, "scaled", "--set", 'train.learning_rate_factors={"*.embeddings.image.*" = 0.25, "*.A_log" = 3}'), 1)
        for name in start:
            factor = torch.ones_like(start[name])
            if name == "backbone.embeddings.weight":
                factor[TEXT_IDS:] = 0.25
            if name.endswith("A_log"):
                factor *= 3
            self.assertGreater((plain[name] - start[name]).abs().max(), 0, name)
            torch.testing.assert_close(scaled[name] - start[name], factor * (plain[name] - start[name]), rtol=1e-3, atol=1e-6, msg=name)

    def test_frozen_weights_are_not_in_the_norm(self):
        def norm(*settings):
            run = self.train(recipe, f"norm-{len(list(self.folder.iterdir()))}", *(word for setting in settings for word in ("--set", setting)))
            lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
            return next(line["grad_norm"] for line in lines if line["kind"] == "train")

        recipe = write_recipe(self.folder / "recipe.toml", self.codes, "chameleon", train={"steps": 1}, eval={"every_steps": 100})
        whole, head = norm(), norm('train.freeze=["lm_head.weight"]')
        rest = norm('train.freeze=["backbone.*"]')
        self.assertLess(head, whole)
        self.assertAlmostEqual((head**2 + rest**2) ** 0.5 / whole, 1, delta=1e-5)

    def test_patterns_that_match_nothing(self):
        recipe = write_recipe(self.folder / "recipe.toml", self.codes, "chameleon")
        for setting, parts in (('train.freeze=["*.inproj.text.weight"]', ("train.freeze", "*.inproj.text.weight", "mixer.in_proj.text.weight")),
                               ('train.learning_rate_factors={"lm_head.speech.weight" = 2}', ("learning_rate_factors", "lm_head.image.weight")),
                               ('train.learning_rate_factors={"lm_head.*" = 2, "*.image.weight" = 3}', ("lm_head.image.weight", "different")),
                               ('train.freeze=["*"]', ("train.freeze", "learn"))):
            done = try_mom("train", recipe, "--run", self.folder / "run", "--set", setting)
            self.assertEqual(done.returncode, 2, done.stderr)
            for part in parts:
                self.assertIn(part, done.stderr)

    def test_a_model_learns_one_modality_more(self):
        two = write_recipe(self.folder / "two.toml", self.codes, "chameleon", train={"steps": 10})
        run = self.train(two, "two")
        before = self.text_logits(run)
        added = self.folder / "added"
        run_mom("convert", "add-modality", run, "--modality", "speech", "--data", self.spoken, "--out", added)
        plain = self.folder / "plain"
        run_mom("convert", "add-modality", run, "--modality", "speech", "--codes", 12, "--out", plain)
        for folder in (added, plain):
            config = json.loads((folder / "config.json").read_text())
            self.assertEqual(config["modalities"], ["text", "image", "speech"])
            self.assertEqual(config["vocab_size"], config["vocabulary"]["speech"][1])
            weights = load_file(folder / "model.safetensors")
            for name in weights:
                if ".speech." in name:
                    self.assertTrue(torch.equal(weights[name], weights[name.replace(".speech.", ".text.")]), name)
            self.assertLessEqual((self.text_logits(folder) - before).abs().max().item(), 1e-6)
        start = {}
        three = write_recipe(self.folder / "three.toml", self.spoken, "three_modality", train={"steps": 3})
        for name, folder in (("added", added), ("plain", plain), ("itself", run)):
            lines = [json.loads(line) for line in (self.train(three, f"from-{name}", "--set", f"train.start_from={folder}") / "metrics.jsonl").read_text().splitlines()]
            start[name] = [line["loss_text"] for line in lines if line["kind"] == "eval" and line["step"] == 0]
        self.assertEqual(start["added"], start["plain"])
        for one, other in zip(start["added"], start["itself"]):
            if one is not None:
                self.assertAlmostEqual(one / other, 1, delta=0.01)  # the new rows have another random start

    def test_the_data_has_the_tokenizer_of_the_model(self):
        mixture = self.mixture()
        recipe = write_recipe(self.folder / "recipe.toml", self.codes, "chameleon", train={"steps": 1, "start_from": str(mixture)})
        own = (self.codes / "codecs" / "text" / "tokenizer.model").read_bytes()
        for content, code, said in ((None, 0, "cannot be checked"), (own, 0, None), (own[:-1], 2, "another")):
            if content is not None:
                (mixture / "tokenizer.model").write_bytes(content)
            done = try_mom("train", recipe, "--run", self.folder / f"run-{said}")
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertEqual(said is not None, "tokenizer" in done.stderr, done.stderr)
            self.assertIn(said or "", done.stderr)

    def test_what_does_not_fit_is_refused(self):
        run = self.train(write_recipe(self.folder / "three.toml", self.spoken, "three_modality", train={"steps": 1}), "three")
        two = write_recipe(self.folder / "two.toml", self.codes, "chameleon")
        small = self.folder / "small"
        make_model(3, vocab_size=TEXT_IDS + 300, hidden_size=32, num_hidden_layers=2).save_pretrained(small)
        run_mom("convert", "dense-to-mom", small, "--modalities", "text,image", "--out", self.folder / "small-mixture")
        for start, changes, parts in ((run, (), ("modalities", "speech")),
                                      (self.mixture("text,music"), (), ("modalities", "music")),
                                      (self.folder / "small-mixture", ("model.tie_word_embeddings=true",), ("vocab_size", "620", "tokenizer")),
                                      (self.dense, (), ("model_type", "mamba"))):
            done = try_mom("train", two, "--run", self.folder / "run", "--set", f"train.start_from={start}",
                           *(word for change in changes for word in ("--set", change)))
            self.assertEqual(done.returncode, 2, done.stderr)
            for part in parts:
                self.assertIn(part, done.stderr)
        for arguments, part in ((("--modality", "speech"), "does not have"), (("--modality", "music"), "--data"),
                                (("--modality", "music", "--data", self.spoken), "music")):
            done = try_mom("convert", "add-modality", run, *arguments, "--out", self.folder / "out")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(part, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
