"""Data without text: latents and codes of other programs alone are encoded, trained on, compared, drawn and given away.

Needs only the standard library. MOM_BINARY: the program.
"""

import json
import pathlib
import random
import tempfile
import unittest

from npy import npy_bytes, read_npy
from tiny import write_recipe
from walk import Walk


class Textless(Walk):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.root = pathlib.Path(temporary.name)
        samples, rand = cls.root / "samples", random.Random(2)
        samples.mkdir()
        for i in range(60):
            first = rand.randrange(6)
            photo = [10 + first + rand.gauss(0, 1) for _ in range(32)]
            (samples / f"d{i:03}.photo.npy").write_bytes(npy_bytes(photo, (2, 4, 4), "<f4"))
            sensor = [(first + j) % 7 for j in range(3 + rand.randrange(8))]
            (samples / f"d{i:03}.sensor.npy").write_bytes(npy_bytes(sensor, (len(sensor),), "<i8"))
        cls.mom("data", "import", "samples", "--out", "documents", "--validation", "0.2")
        cls.describe("photo")
        cls.describe("sensor", "--codebook-size", 7)
        cls.mom("data", "encode", "documents", "--codecs", "codecs/photo", "codecs/sensor", "--out", "encoded")
        cls.recipe = write_recipe(cls.root / "recipe.toml", "encoded", "custom")
        for backbone in ("mamba", "mixture_of_mamba"):
            cls.mom("train", cls.recipe, "--run", backbone, "--set", f"model.backbone={backbone}")
            cls.mom("eval", backbone, "--samples", 2)

    def test_the_vocabulary_has_control_symbols_alone(self):
        manifest = json.loads((self.root / "encoded" / "dataset.json").read_text())
        self.assertEqual(manifest["vocabulary"], {"text": [0, 12], "photo": [12, 12], "sensor": [12, 19]})
        counts = json.loads(self.mom("data", "inspect", "encoded", "--json"))
        self.assertEqual(counts["segments"], {"photo": 60, "sensor": 60})
        again = self.run_here("data", "encode", "documents", "--codecs", "encoded/codecs/text", "codecs/photo", "codecs/sensor", "--out", "again")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(json.loads((self.root / "again" / "dataset.json").read_text())["codecs"], manifest["codecs"])

    def test_learns_and_compares(self):
        losses = self.losses("mixture_of_mamba")
        for modality in ("photo", "sensor"):
            self.assertLess(losses[-1][f"loss_{modality}"], losses[0][f"loss_{modality}"], modality)
        comparison = json.loads(self.mom("compare", "mamba", "mixture_of_mamba", "--json"))
        self.assertLess(comparison["sensor"]["mix_loss"], 1.9)  # log(7) and less
        self.mom("report", "mamba", "mixture_of_mamba", "--out", "report.html")
        items = json.loads((self.root / "mixture_of_mamba" / "samples" / "predicted.json").read_text())["items"]
        self.assertEqual([item["caption"] for item in items], ["", ""])

    def test_generates_from_nothing_and_from_items(self):
        self.mom("generate", "mixture_of_mamba", "--tokens", 2, "--modality", "sensor", "--out", "sensor.npy")
        self.assertTrue(all(0 <= value < 7 for value in read_npy(self.root / "sensor.npy")[1]))
        self.mom("generate", "mixture_of_mamba", "--given", "sensor=sensor.npy", "--modality", "photo", "--steps", 5, "--out", "photo.npy")
        self.assertAlmostEqual(sum(read_npy(self.root / "photo.npy")[1]) / 32, 12, delta=6)
        self.mom("generate", "mixture_of_mamba", "--tokens", 2, "--interleaved", "--steps", 3, "--out", "document")
        for arguments, word in ((("--prompt", "red", "--modality", "photo", "--out", "x.npy"), "encoded without"),
                                (("--given", "sensor=sensor.npy"), "text, which they had none of")):
            done = self.run_here("generate", "mixture_of_mamba", *arguments)
            self.assertIn(done.returncode, (2, 3))
            self.assertIn(word, done.stderr)

    def test_given_away(self):
        self.mom("convert", "to-hf", "mixture_of_mamba", "--out", "hf")
        self.assertEqual([path.name for path in (self.root / "hf").glob("tokenizer*")], [])

    def test_text_that_is_there_needs_a_codec_or_is_left_out(self):
        self.assertEqual(self.run_here("data", "encode", "documents", "--codecs", "codecs/photo", "--out", "x").returncode, 2)
        (self.root / "samples" / "d000.txt").write_text("red")
        self.mom("data", "import", "samples", "--out", "captioned", "--split", "train", "--skip-bad")
        done = self.run_here("data", "encode", "captioned", "--codecs", "codecs/photo", "codecs/sensor", "--out", "x")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--without text", done.stderr)
        self.mom("data", "encode", "captioned", "--codecs", "codecs/photo", "codecs/sensor", "--without", "text", "--out", "x")


if __name__ == "__main__":
    unittest.main(verbosity=2)
