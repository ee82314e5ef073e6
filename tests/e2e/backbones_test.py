"""Every backbone trains in every setting from configs/ by changing one key, evaluates and is inspected; a dense Mamba upcycles into a
Mixture-of-Mamba that goes on from the same loss.

Needs only the standard library. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny encoded data sets.
"""

import json
import os
import pathlib
import struct
import tempfile
import unittest

from program import run_mom, try_mom
from tensors import read_safetensors, write_safetensors
from tiny import make_data

CONFIGS = pathlib.Path(os.environ["MOM_SOURCE"]) / "configs"
BACKBONES = ("mamba", "mixture_of_mamba", "ssm", "transformer", "mixture_of_transformers", "moe_transformer", "moe_mamba")
# Tiny data in place of the quickstart's, and few tokens.
SMALL = ("train.steps=3", "train.warmup_steps=1", "data.batch_tokens=256", "data.sequence_tokens=128", "model.d_model=48", "model.layers=1",
         "eval.every_steps=3", "eval.max_tokens=500")


class Backbones(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        make_data(cls.root)
        spoken = cls.root / "tiny" / "spoken"
        cls.data = {"transfusion": cls.root / "tiny" / "encoded", "chameleon": cls.root / "chameleon", "three_modality": spoken / "encoded"}
        run_mom("data", "encode", cls.root / "tiny" / "documents", "--codecs", spoken / "codec-text", spoken / "codec-image", "--out", cls.data["chameleon"])

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def refused(self, *arguments):
        done = try_mom(*arguments)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def train(self, setting, run, *more):
        mixture = {"shapes": 0.5, "words": 0.3, **({"said": 0.2} if setting == "three_modality" else {})}
        table = "{" + ", ".join(f"{name} = {share}" for name, share in mixture.items()) + "}"
        changes = (*SMALL, f'data.path="{self.data[setting]}"', f"data.mixture={table}", *more)
        run_mom("train", CONFIGS / f"{setting}.toml", "--run", run, *(word for change in changes for word in ("--set", change)))
        return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]

    def test_each_trains_in_each_setting_by_one_key(self):
        for setting in self.data:
            for backbone in BACKBONES:
                with self.subTest(setting=setting, backbone=backbone):
                    run = self.root / f"{setting}-{backbone}"
                    lines = self.train(setting, run, f"model.backbone={backbone}")
                    steps = [line for line in lines if line["kind"] == "train"]
                    self.assertEqual([line["step"] for line in steps], [1, 2, 3])
                    self.assertEqual("experts_chosen" in steps[-1], backbone.startswith("moe_"))
                    if backbone.startswith("moe_"):
                        chosen = next(iter(steps[-1]["experts_chosen"].values()))
                        self.assertEqual(sum(map(sum, chosen.values())), steps[-1]["tokens"] - steps[-2]["tokens"])
                        self.assertGreaterEqual(steps[-1]["experts_dropped"], 0)
                        self.assertGreater(steps[-1]["router_entropy"], 0)
                    evaluation = json.loads(run_mom("eval", run, "--json", "--samples", 0, "--max-tokens", 500))
                    self.assertEqual(set(evaluation["loss"]), set(evaluation["tokens"]))
                    self.assertEqual(json.loads(run_mom("inspect", run, "--json"))["backbone"], backbone)

    def test_draws_do_not_depend_on_the_backbone(self):
        tokens = set()
        for backbone in ("mamba", "moe_transformer"):
            run = self.root / f"draws-{backbone}"
            lines = self.train("transfusion", run, f"model.backbone={backbone}")
            tokens.add(tuple((line["tokens_text"], line["tokens_image"]) for line in lines))
        self.assertEqual(len(tokens), 1)

    def test_upcycling_starts_at_the_same_loss(self):
        dense, mixture, again = self.root / "dense", self.root / "upcycled", self.root / "goes-on"
        self.train("transfusion", dense, "model.backbone=mamba", "train.steps=6")
        before = json.loads(run_mom("eval", dense, "--json", "--samples", 0))["loss"]
        run_mom("convert", "dense-to-mom", dense, "--out", mixture)
        self.assertEqual(json.loads((mixture / "config.json").read_text())["model_type"], "mixture_of_mamba")
        lines = self.train("transfusion", again, f'train.start_from="{mixture}"', "eval.max_tokens=0")
        start = {line["set"]: line for line in lines if line["kind"] == "eval" and line["step"] == 0}
        after = {name: values["loss"] for name, values in json.loads(run_mom("eval", dense, "--json", "--samples", 0))["sets"].items()}
        for name, losses in after.items():
            for modality, loss in losses.items():
                self.assertAlmostEqual(start[name][f"loss_{modality}"] / loss, 1, delta=1e-6)
        self.assertTrue(before)
        changes = (f'data.path="{self.data["transfusion"]}"', "data.mixture={shapes = 0.5, words = 0.5}", f'train.start_from="{dense}"')
        refusal = self.refused("train", CONFIGS / "transfusion.toml", "--run", self.root / "x", *(word for change in changes for word in ("--set", change)))
        self.assertIn("model_type", refusal)
        self.assertIn("mixture_of_mamba", self.refused("convert", "dense-to-mom", mixture, "--out", self.root / "y"))

    def test_scans_and_patch_nets(self):
        """An order of scans and a patch net go with the model: into its file, an upcycled model, what it computes and draws; elsewhere they are refused by name."""
        dense, mixture, again = self.root / "scans", self.root / "scans-upcycled", self.root / "scans-on"
        images = {"image_scan": "four", "patch_net": "unet", "patch_size": 4, "patch_positions": True}
        keys = [f"model.{key}={json.dumps(value)}" for key, value in images.items()]
        self.train("transfusion", dense, "model.backbone=mamba", *keys)
        run_mom("convert", "dense-to-mom", dense, "--out", mixture)
        config = json.loads((mixture / "config.json").read_text())
        self.assertEqual({key: config[key] for key in images}, images)
        lines = self.train("transfusion", again, f'train.start_from="{mixture}"', "eval.max_tokens=0", *keys)
        start = {line["set"]: line for line in lines if line["kind"] == "eval" and line["step"] == 0}
        for name, values in json.loads(run_mom("eval", dense, "--json", "--samples", 0))["sets"].items():
            for modality, loss in values["loss"].items():
                self.assertAlmostEqual(start[name][f"loss_{modality}"] / loss, 1, delta=1e-6)
        image = self.root / "scans.png"
        run_mom("generate", again, "--prompt", "red disc", "--modality", "image", "--steps", 3, "--guidance", 2, "--out", image)
        self.assertTrue(image.exists())
        # Two patches of 4 x 4 pixels in each direction, 4 channels; the same model, dense and upcycled.
        given = self.root / "patches.safetensors"
        write_safetensors(given, {"tokens": ("I64", [6], [2, 4, 0, 0, 0, 0]), "modality": ("I64", [6], [0, 0, 1, 1, 1, 1]),
                                  "patches": ("F32", [4, 64], [(7 * i % 11 - 5) / 3 for i in range(256)]), "timesteps": ("I64", [1], [300])})
        noise = []
        for model in (dense, mixture):
            run_mom("forward", model, "--input", given, "--output", self.root / "out.safetensors")
            header, body = read_safetensors(self.root / "out.safetensors")
            self.assertEqual(header["velocity"]["shape"], [4, 64])
            begin, end = header["velocity"]["data_offsets"]
            noise.append(struct.unpack("<256f", body[begin:end]))
        self.assertGreater(max(map(abs, noise[0])), 1e-4)
        for one, other in zip(*noise):
            self.assertAlmostEqual(one, other, delta=1e-5)
        recipe = again / "recipe.toml"
        self.assertIn("parameters", run_mom("inspect", recipe, "--compare"))
        self.train("transfusion", self.root / "scans-transformer", "model.backbone=transformer", "model.image_scan=four")  # has no use for it
        for change in ("image_scan=raster", "patch_net=linear", "patch_positions=false"):  # start_from has others
            self.assertIn(f'"{change.split("=")[0]}"', self.refused("train", recipe, "--run", self.root / "x", "--set", f"model.{change}"))
        self.assertIn("model.patch_size", self.refused("train", recipe, "--run", self.root / "x", "--set", "model.patch_size=1"))
        for setting in ("chameleon", "three_modality"):
            for change in ("image_scan=four", "patch_net=unet", "patch_positions=true"):
                changes = (f'data.path="{self.data[setting]}"', "data.mixture={}", f"model.{change}")
                refusal = self.refused("train", CONFIGS / f"{setting}.toml", "--run", self.root / "x", *(word for change in changes for word in ("--set", change)))
                self.assertIn(f'model.{change.split("=")[0]}', refusal)
                self.assertIn(setting, refusal)

    def test_inspect_compares_all(self):
        table = json.loads(run_mom("inspect", "--size", "163M", "--compare", "--json"))
        rows = {row["backbone"]: row for row in table["backbones"]}
        self.assertEqual(tuple(rows), BACKBONES)
        self.assertAlmostEqual(rows["transformer"]["parameters"]["total"] / 162.4e6, 1, delta=0.01)
        self.assertAlmostEqual(rows["mixture_of_mamba"]["parameters"]["total"] / 289.4e6, 1, delta=0.02)
        self.assertEqual(rows["mamba"]["flops_per_token"], rows["mixture_of_mamba"]["flops_per_token"])
        self.assertGreater(rows["transformer"]["state_bytes"], 10 * rows["mamba"]["state_bytes"])
        longer = json.loads(run_mom("inspect", "--size", "163M", "--backbone", "transformer", "--length", 8192, "--json"))
        self.assertEqual(longer["state_bytes"], 2 * rows["transformer"]["state_bytes"])
        self.assertIn("parameters", run_mom("inspect", CONFIGS / "transfusion.toml", "--compare"))

    def test_experts_that_choose(self):
        lines = self.train("chameleon", self.root / "choosers", "model.backbone=moe_transformer", "model.router=expert_choice")
        self.assertNotIn("experts_balance", lines[-2])
        self.assertIn("perceiver", self.refused("inspect", "--size", "37M", "--backbone", "perceiver"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
