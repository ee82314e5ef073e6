"""Models of latents in transformers: every kind of patch net, order of scans and norm, and several modalities of latents.

Oracle: PyPI transformers. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny encoded data sets.
"""

import json
import shutil
import unittest

from exporting import MAX_DIFFERENCE, NEW_TOKENS, TOO_CLOSE, Exporting, stir
from program import run_mom
from tiny import TinyData, write_recipe
from walk import Walk

import numpy
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

TEXT_IDS = 320  # of the tiny tokenizer
BEGINS = 4  # the token before an image
PATCHES = {"photo": 4, "signal": 6}  # of an item
NEVER_IN_TEXT = [0, 1, 2, 5, 6, 7]  # control symbols that mom writes nowhere in text

# Latents of 4 x 8 x 8; four blocks, so that "four" takes all its orders.
KINDS = {
    "linear": {"image_scan": "alternate", "adaptive_norm": True, "patch_positions": True},
    "conv": {"image_scan": "four", "adaptive_norm": True, "patch_net": "conv"},
    "conv_levels": {"backbone": "mamba", "patch_net": "conv", "patch_size": 4, "patch_positions": True},
    "unet": {"image_scan": "four", "adaptive_norm": True, "patch_net": "unet", "patch_size": 4},
}


class ExportedLatents(TinyData, Exporting):
    def model(self, kind):
        """A model folder, none of whose weights is where it started."""
        run, model = self.folder / "run", self.folder / "model"
        objective = {"prediction": "velocity" if kind == "conv" else "noise"}
        recipe = write_recipe(self.folder / "recipe.toml", self.root / "tiny" / "encoded", model={"layers": 2, **KINDS[kind]}, objective=objective,
                              train={"steps": 1, "learning_rate": 0.1, "warmup_steps": 0})
        run_mom("train", recipe, "--run", run)
        model.mkdir()
        for name in ("config.json", "model.safetensors"):
            shutil.copy(run / "checkpoints" / "step-00000001" / name, model)
        stir(model, 5)
        shutil.copytree(self.root / "tiny" / "encoded" / "codecs", model / "codecs")
        return model

    def test_each_kind(self):
        for kind, settings in KINDS.items():
            with self.subTest(kind), torch.no_grad():
                self.setUp()
                self.check(self.model(kind), settings.get("patch_size", 2), "velocity" if kind == "conv" else "noise")

    def check(self, model_folder, side, predicted):
        model = self.load(self.convert("to-hf", model_folder))
        length, width = (8 // side) ** 2, 4 * side * side
        generator = torch.Generator().manual_seed(3)
        tokens = torch.randint(8, TEXT_IDS, (10 + 3 * length,), generator=generator)
        first = [0, 4 + length, 6 + 2 * length]  # the very first position, and with a token and with nothing but text between
        modality = torch.zeros_like(tokens)
        for position in first:
            modality[position : position + length] = 1
        patches, timesteps = torch.randn(3 * length, width, generator=generator), torch.tensor([300, 7, 990])
        given = {"patches": patches, "timesteps": timesteps}
        expected = self.forward(model_folder, tokens=tokens, modality=modality, **given)
        self.assertEqual(set(expected), {"logits", predicted})

        output = model(tokens[None], modality_ids=modality[None], **given)
        self.check_close(output.logits[0], expected["logits"])
        self.check_close(output[predicted], expected[predicted])
        other = model(tokens[None], modality_ids=modality[None], patches=patches, timesteps=timesteps.flip(0))
        self.assertGreater((other[predicted] - expected[predicted]).abs().max().item(), 100 * MAX_DIFFERENCE)
        with self.assertRaisesRegex(ValueError, "image need"):
            model(tokens[None], modality_ids=modality[None])
        with self.assertRaisesRegex(ValueError, "in a row"):
            model(tokens[None], modality_ids=(modality * (torch.arange(len(tokens)) != first[1]))[None], **given)

        # In two parts with a cache, the second of which begins with an item.
        cut = first[1]
        part = model(tokens[None, :cut], modality_ids=modality[None, :cut], patches=patches[:length], timesteps=timesteps[:1], use_cache=True)
        rest = model(tokens[None, cut:], modality_ids=modality[None, cut:], patches=patches[length:], timesteps=timesteps[1:],
                     cache_params=part.cache_params)
        self.check_close(rest.logits[0], expected["logits"][cut:])
        self.check_close(rest[predicted], expected[predicted][length:])
        # Two side by side with padding before the shorter one, which begins with an item.
        shorter = tokens.roll(3)
        pair, mask = torch.stack([tokens, shorter]), torch.ones(2, len(tokens), dtype=torch.long)
        mask[1, :3] = 0
        modalities = torch.stack([modality, torch.cat([torch.zeros(3, dtype=torch.long), modality[:-3]])])
        both = model(pair, modality_ids=modalities, attention_mask=mask, patches=patches.repeat(2, 1), timesteps=timesteps.repeat(2))
        self.check_close(both.logits[0], expected["logits"])
        self.check_close(both.logits[1, 3:], expected["logits"][:-3])
        self.check_close(both[predicted], expected[predicted].repeat(2, 1))

        ids = AutoTokenizer.from_pretrained(self.out, trust_remote_code=True)("The red disc")["input_ids"]
        self.assertEqual(ids[0], 2)  # <s>, as documents begin
        self.check_saved(model, expected, tokens=tokens, modality=modality, **given)
        self.check_greedy(model, model_folder)

    def check_greedy(self, model, model_folder):
        for begin in range(8, TEXT_IDS, 20):
            prompt = torch.tensor([2, *range(begin, begin + 5)])
            found = model.generate(prompt[None], attention_mask=torch.ones(1, len(prompt)), max_new_tokens=NEW_TOKENS, do_sample=False,
                                   output_scores=True, suppress_tokens=NEVER_IN_TEXT, eos_token_id=[3, BEGINS], return_dict_in_generate=True)
            top = torch.stack(found.scores)[:, 0].topk(2).values
            if len(top) == NEW_TOKENS and (top[:, 0] - top[:, 1]).min().item() > TOO_CLOSE:
                break
        else:
            self.fail("no prompt is a test: change the weights")
        ours = json.loads(run_mom("generate", model_folder, "--tokens", ",".join(map(str, prompt.tolist())), "--temperature", 0, "--max-tokens",
                                  NEW_TOKENS, "--json"))["tokens"]
        self.assertEqual(ours, found.sequences[0, len(prompt) :].tolist())


class SeveralExportedLatents(Walk, Exporting):
    """A photo behind a U-Net and a signal behind linear layers, one predicted by its velocity, with codes between them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.encode_two_latents()
        recipe = write_recipe(cls.root / "recipe.toml", "encoded", "custom", train={"steps": 1, "learning_rate": 0.1, "warmup_steps": 0},
                              model={"layers": 2, "patch_sizes": {"signal": 1}, "patch_nets": {"photo": "unet"}, "adaptive_norm": True, "image_scan": "four"},
                              objective={"predictions": {"photo": "velocity"}, "schedules": {"signal": 50}})
        cls.mom("train", recipe, "--run", "run")
        cls.model = cls.root / "model"
        cls.model.mkdir()
        for name in ("config.json", "model.safetensors"):
            shutil.copy(cls.root / "run" / "checkpoints" / "step-00000001" / name, cls.model)
        stir(cls.model, 6)
        shutil.copytree(cls.root / "encoded" / "codecs", cls.model / "codecs")
        cls.table = json.loads((cls.root / "encoded" / "dataset.json").read_text())["modality_table"]
        cls.names = list(cls.table)

    def document(self, *parts):
        """Tokens and modalities of a document of texts and items."""
        tokens, modality = [2], [0]
        for part in parts:
            if isinstance(part, str):
                about = self.table[part]
                tokens += [about["begin_token"], *[0] * PATCHES[part], about["end_token"]]
                modality += [0, *[self.names.index(part)] * PATCHES[part], 0]
            else:
                tokens, modality = tokens + part, modality + [0] * len(part)
        return torch.tensor(tokens), torch.tensor(modality)

    def test_forward(self):
        generator = torch.Generator().manual_seed(3)
        tokens, modality = self.document([20, 30, 40], "signal", "photo", [25, 35], "photo", [9])
        patches = {"photo": torch.randn(8, 8, generator=generator), "signal": torch.randn(6, 3, generator=generator)}
        timesteps = {"photo": torch.tensor([999, 3]), "signal": torch.tensor([49])}
        given = {f"{what}.{name}": one for what, both in (("patches", patches), ("timesteps", timesteps)) for name, one in both.items()}
        expected = self.forward(self.model, tokens=tokens, modality=modality, **given)
        with torch.no_grad():
            model = self.load(self.convert("to-hf", self.model))
            output = model(tokens[None], modality_ids=modality[None], patches=patches, timesteps=timesteps)
            self.check_close(output.logits[0], expected["logits"])
            self.check_close(output.velocity["photo"], expected["velocity.photo"])
            self.check_close(output.noise["signal"], expected["noise.signal"])
            self.assertEqual((set(output.velocity), set(output.noise)), ({"photo"}, {"signal"}))
            with self.assertRaisesRegex(ValueError, "signal need"):
                model(tokens[None], modality_ids=modality[None], patches={"photo": patches["photo"]}, timesteps=timesteps)
        self.check_saved(model, expected, tokens=tokens, modality=modality, **given)

    def test_greedy_text_after_given_items(self):
        """The prompt of `mom generate --given` is <bos> and the items, clean at timestep 0."""
        order = ["photo", "signal"]
        arrays = {name: numpy.load(self.root / "samples" / f"d003.{name}.npy").astype(numpy.float32) for name in order}
        patches = {}
        for name, array in arrays.items():
            report = json.loads((self.root / "codecs" / name / "codec.json").read_text())["report"]
            array = torch.tensor(array).reshape(len(report["mean"]), -1 if name == "signal" else 4, *([] if name == "signal" else [4]))
            mean, std = (torch.tensor(report[what]).reshape(-1, *[1] * (array.dim() - 1)) for what in ("mean", "std"))
            array = (array - mean) / std
            patches[name] = array.T if name == "signal" else array.reshape(2, 2, 2, 2, 2).permute(1, 3, 0, 2, 4).reshape(4, 8)
        tokens, modality = self.document(*order)
        model = self.load(self.convert("to-hf", self.model))
        with torch.no_grad():
            found = model.generate(tokens[None], attention_mask=torch.ones(1, len(tokens)), modality_ids=modality[None], patches=patches,
                                   timesteps={name: torch.tensor([0]) for name in order}, max_new_tokens=20, do_sample=False, output_scores=True,
                                   suppress_tokens=self.never_in_text(), eos_token_id=3, return_dict_in_generate=True)
        top = torch.stack(found.scores)[:, 0].topk(2).values
        self.assertGreater((top[:, 0] - top[:, 1]).min().item(), TOO_CLOSE, "these weights are no test: choose another seed")
        given = [word for name in order for word in ("--given", f"{name}={self.root / 'samples' / f'd003.{name}.npy'}")]
        ours = json.loads(run_mom("generate", self.model, "--codecs", self.model / "codecs", *given, "--temperature", 0, "--max-tokens", 20, "--json"))["tokens"]
        self.assertEqual(ours, found.sequences[0, len(tokens) :].tolist())

    def test_shards_of_another_writer(self):
        """PyPI safetensors writes other headers and no metadata, and nobody states a checksum; training reads the same."""
        encoded = self.folder / "encoded"
        shutil.copytree(self.root / "encoded", encoded)
        manifest = json.loads((encoded / "dataset.json").read_text())
        del manifest["hash"]
        for entry in manifest["shards"]:
            del entry["sha256"]
        (encoded / "dataset.json").write_text(json.dumps(manifest))
        for shard in encoded.glob("*.safetensors"):
            save_file(load_file(shard), shard)
        self.mom("train", "recipe.toml", "--run", self.folder / "again", "--set", f"data.path={encoded}")
        first, again = (folder / "checkpoints" / "step-00000001" / "model.safetensors" for folder in (self.root / "run", self.folder / "again"))
        self.assertEqual(first.read_bytes(), again.read_bytes())

    def never_in_text(self):
        vocabulary = json.loads((self.model / "config.json").read_text())["vocabulary"]
        pieces = min(about["begin_token"] for about in self.table.values() if "begin_token" in about)
        return [*range(3), *range(4, 8), *range(pieces, vocabulary["sensor"][1])]


if __name__ == "__main__":
    unittest.main(verbosity=2)
