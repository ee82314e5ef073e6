"""Modalities from outside: .npy files of other people's codecs become documents, codecs, encoded data, models, comparisons, pages
and .npy files again, from recipes alone. No line of C++ names photo, sketch or sensor.

Needs only the standard library. MOM_BINARY: the program.
"""

import json
import unittest

from npy import npy_bytes, read_npy
from tensors import read_safetensors
from tiny import write_recipe
from walk import Walk

# A decoder of ours: the first channel as shades of grey.
DECODE = """
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
values = struct.unpack("<32f", data[-128:])[:16]
rows = b"".join(b"\\0" + bytes(max(0, min(255, int(16 * v))) for v in values[4 * r : 4 * r + 4]) for r in range(4))
chunk = lambda name, body: struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0))
open(sys.argv[2], "wb").write(b"\\x89PNG\\r\\n\\x1a\\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
"""


class ExternalCodecs(Walk):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.describe("photo", "--note", "a VAE of ours", "--decode", "python3 decode.py {in} {out}", "--decodes-to", "png")
        cls.describe("sketch", "--codebook-size", 12)
        cls.describe("sensor", "--codebook-size", 7, "--rate", 10)
        codecs = [f"codecs/{name}" for name in ("sensor", "text", "photo", "sketch")]
        cls.mom("data", "encode", "documents", "--codecs", *codecs, "--out", "encoded", "--without", "signal")
        cls.recipe = write_recipe(cls.root / "recipe.toml", "encoded", "custom", objective={"weights": 0})
        cls.recipe.write_text(cls.recipe.read_text().replace("weights = 0", "weights = {sensor = 0.5}"))
        for backbone in ("mamba", "mixture_of_mamba"):
            cls.mom("train", cls.recipe, "--run", backbone, "--set", f"model.backbone={backbone}")
            cls.mom("eval", backbone, "--samples", "2")

    def fails(self, code, *arguments):
        done = self.run_here(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        lines = [line for line in done.stderr.splitlines() if "mom: error:" in line]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def test_codec_folders(self):
        """Latents are measured: in encoded data each channel has mean 0 and variance 1, and nothing but f16 is lost."""
        photo = json.loads((self.root / "codecs" / "photo" / "codec.json").read_text())
        self.assertEqual((photo["kind"], photo["config"]["representation"], photo["config"]["shape"]), ("external", "latents", [2, 4, 4]))
        self.assertEqual(photo["config"]["note"], "a VAE of ours")
        train = {json.loads(line)["key"] for line in (self.root / "documents" / "train-samples.jsonl").read_text().splitlines()}
        for channel, (mean, std) in enumerate(zip(photo["report"]["mean"], photo["report"]["std"])):
            values = [value for key in train for value in read_npy(self.root / "samples" / f"{key}.photo.npy")[1][16 * channel : 16 * channel + 16]]
            expected = sum(values) / len(values)
            self.assertAlmostEqual(mean, expected, delta=1e-6 * abs(expected) + 1e-9)
            spread = (sum((value - expected) ** 2 for value in values) / len(values)) ** 0.5
            self.assertAlmostEqual(std / spread, 1, delta=1e-5)
        result = json.loads(self.mom("codec", "roundtrip", "codecs/photo", "samples/d000.photo.npy", "--out", "again.npy", "--json"))
        self.assertLess(result["largest_error"], 0.01)
        (_, ours), (shape, theirs) = read_npy(self.root / "again.npy"), read_npy(self.root / "samples" / "d000.photo.npy")
        self.assertEqual(shape, (2, 4, 4))
        for a, b in zip(ours, theirs):
            self.assertAlmostEqual(a, b, delta=1e-5)

    def test_encoded_data(self):
        manifest = json.loads((self.root / "encoded" / "dataset.json").read_text())
        self.assertEqual(manifest["modalities"], ["text", "sensor", "photo", "sketch"])
        table = manifest["modality_table"]
        self.assertEqual(table["sensor"], {"representation": "codes", "begin_token": 300, "end_token": 301, "codes_per_item": 0})
        self.assertEqual(table["sketch"]["codes_per_item"], 9)
        self.assertEqual(manifest["vocabulary"], {"text": [0, 306], "sensor": [306, 313], "photo": [313, 313], "sketch": [313, 325]})
        counts = json.loads(self.mom("data", "inspect", "encoded", "--json"))
        self.assertEqual(counts["segments"], {"photo": 60, "sensor": 60, "sketch": 60, "text": 60})
        self.assertEqual(counts["tokens"]["sketch"], 9 * 60)

    def test_learns_every_modality(self):
        losses = self.losses("mixture_of_mamba")
        for modality in ("text", "sensor", "photo", "sketch"):
            self.assertLess(losses[-1][f"loss_{modality}"], losses[0][f"loss_{modality}"], modality)
        evaluation = json.loads((self.root / "mixture_of_mamba" / "evaluation.json").read_text())
        self.assertEqual(evaluation["units"]["photo"], "mean squared error of the predicted noise")
        header, _ = read_safetensors(next((self.root / "mixture_of_mamba" / "checkpoints").glob("*30")) / "model.safetensors")
        for modality in ("text", "sensor", "photo", "sketch"):
            self.assertIn(f"backbone.layers.0.mixer.in_proj.{modality}.weight", header)

    def test_compare_and_report(self):
        comparison = json.loads(self.mom("compare", "mamba", "mixture_of_mamba", "--json"))
        for modality in ("text", "sensor", "photo", "sketch", "overall"):
            self.assertIn("gain", comparison[modality])
        # What is trained is the sum that each run says itself.
        evaluation = json.loads((self.root / "mamba" / "evaluation.json").read_text())["sets"]["samples"]
        self.assertAlmostEqual(comparison["overall"]["dense_loss"], evaluation["loss_overall"], places=9)
        self.mom("report", "mamba", "mixture_of_mamba", "--out", "report.html")
        page = (self.root / "report.html").read_text()
        for word in ("sensor", "sketch", "photo", "noise MSE", "the weighted sum that is trained"):
            self.assertIn(word, page)

    def test_samples_are_arrays_and_what_they_decode_to(self):
        samples = self.root / "mixture_of_mamba" / "samples"
        lists = {name: json.loads((samples / f"{name}.json").read_text())["items"] for name in ("denoised", "predicted")}
        items = [item for each in lists.values() for item in each]
        self.assertEqual([item["modality"] for item in items], ["photo"] * 2 + ["sensor"] * 2 + ["sketch"] * 2)
        keys = [json.loads(line)["key"] for line in (self.root / "documents" / "validation-samples.jsonl").read_text().splitlines()]
        for item in items:
            self.assertNotIn("original", item)
            kinds = ["original", "noised", "denoised"] if item["modality"] == "photo" else ["original", "predicted"]
            self.assertEqual(list(item["arrays"]), kinds)
            shapes, values = zip(*(read_npy(samples / item["arrays"][kind]) for kind in kinds))
            self.assertEqual(len(set(shapes)), 1)
            # One of the held-out samples with that caption, in the owner's own numbers.
            delta = 0.02 if item["modality"] == "photo" else 0
            files = [self.root / "samples" / f"{key}.{item['modality']}.npy" for key in keys
                     if (self.root / "samples" / f"{key}.txt").read_text() == item["caption"]]
            same = [given for shape, given in map(read_npy, files)
                    if shape == shapes[0] and all(abs(a - b) <= delta for a, b in zip(values[0], given))]
            self.assertEqual(len(same), 1, item)
            given = same[0]
            if item["modality"] != "photo":
                self.assertTrue(all(0 <= value < (12 if item["modality"] == "sketch" else 7) for value in values[1]))
                continue
            # Three in ten of the noise's variance is signal at that timestep; both channels are noised in their own scale.
            for channel, deviation in enumerate((3, 0.01)):
                noised, clean = (each[16 * channel : 16 * channel + 16] for each in (values[1], given))
                spread = sum((a - b) ** 2 for a, b in zip(noised, clean)) / 16
                self.assertTrue(0.2 * deviation**2 < spread < 3 * deviation**2, (channel, spread))
            self.assertNotEqual(values[2], values[1])
        # The owner's decoder is run only where the user says so, and then there is something to see.
        (self.root / "decode.py").write_text(DECODE)
        self.mom("eval", "mixture_of_mamba", "--samples", "2", "--run-decoders")
        first = json.loads((samples / "denoised.json").read_text())["items"][0]
        self.assertEqual(first["denoised"], "photo-0-denoised.png")
        self.assertEqual((samples / first["denoised"]).read_bytes()[:4], b"\x89PNG")
        self.mom("report", "mixture_of_mamba", "--out", "seen.html")
        self.assertIn("data:image/webp;base64,", (self.root / "seen.html").read_text())
        (self.root / "decode.py").write_text("import sys\nsys.exit('no such model')\n")
        self.assertIn("no such model", self.fails(3, "eval", "mixture_of_mamba", "--samples", "2", "--run-decoders"))
        self.mom("eval", "mixture_of_mamba", "--samples", "2")

    def test_generates_arrays(self):
        for modality, shape in (("sketch", (3, 3)), ("photo", (2, 4, 4)), ("sensor", None)):
            out = self.root / f"{modality}.npy"
            self.mom("generate", "mixture_of_mamba", "--prompt", "red disc", "--modality", modality, "--steps", 5, "--out", out)
            found, values = read_npy(out)
            self.assertEqual(found, shape or (len(values),))
            if modality == "photo":  # in the owner's numbers: the first channel is about 10, the second about 0
                self.assertAlmostEqual(sum(values[:16]) / 16, 12, delta=6)
                self.assertLess(max(map(abs, values[16:])), 1)
            else:
                self.assertTrue(all(0 <= value < (12 if modality == "sketch" else 7) for value in values))
        # What was generated is a prompt, too.
        self.mom("generate", "mixture_of_mamba", "--given", "sensor=sensor.npy", "--given", "photo=photo.npy", "--max-tokens", 5)
        self.assertIn("noise", self.fails(2, "generate", "mixture_of_mamba", "--given", "noise=sensor.npy"))
        self.assertIn("latents (floats)", self.fails(3, "generate", "mixture_of_mamba", "--given", "photo=sketch.npy"))

    def test_decode_commands_run_only_when_allowed(self):
        (self.root / "decode.py").write_text("import sys\nopen(sys.argv[2], 'wb').write(b'decoded ' + open(sys.argv[1], 'rb').read(6))\n")
        draw = ("generate", "mixture_of_mamba", "--prompt", "red disc", "--modality", "photo", "--steps", 3)
        self.assertIn("--run-decoders", self.fails(2, *draw, "--out", "photo.png"))
        self.mom(*draw, "--out", "photo.png", "--run-decoders")
        self.assertEqual((self.root / "photo.png").read_bytes(), b"decoded \x93NUMPY")
        folder = ("generate", "mixture_of_mamba", "--tokens", "2,302", "--interleaved", "--steps", 3, "--max-tokens", 30)
        self.mom(*folder, "--out", "plain")
        self.assertEqual([path.name for path in (self.root / "plain").glob("photo-1*")], ["photo-1.npy"])
        self.mom(*folder, "--out", "shown", "--run-decoders")
        first = json.loads((self.root / "shown" / "document.json").read_text())["segments"][0]
        self.assertEqual(first, {"photo": "photo-1.npy", "given": False, "decoded": "photo-1.png"})
        (self.root / "decode.py").write_text("import sys\nsys.exit('no such model')\n")
        self.assertIn("no such model", self.fails(3, *draw, "--out", "other.png", "--run-decoders"))
        self.assertFalse(any(self.root.glob("other*")))
        (self.root / "decode.py").write_text("import time\ntime.sleep(60)\n")
        self.assertIn("--decode-limit", self.fails(3, *draw, "--out", "other.png", "--run-decoders", "--decode-limit", "0.2"))

    def test_what_does_not_fit(self):
        encode = ("data", "encode", "documents", "--out", "other", "--codecs")
        self.assertIn("--without sensor", self.fails(2, *encode, "codecs/text", "codecs/photo", "codecs/sketch"))
        self.mom(*encode, "codecs/text", "codecs/sketch", "--without", "sensor", "photo", "signal")
        self.mom(*encode, "codecs/sketch", "--without", "sensor", "photo", "signal", "text", "--replace")  # without text
        self.assertIn("image as latents", self.fails(2, "train", self.recipe, "--run", "x", "--set", 'setting="transfusion"'))
        self.assertIn("the largest code in the data is 11", self.describe_fails("sketch", "--codebook-size", 11))
        self.assertIn("--codebook-size", self.describe_fails("sketch"))
        self.assertIn("variable", self.describe_fails("sensor", "--codebook-size", 7, "--length", "fixed"))
        self.assertIn("latents", self.describe_fails("photo", "--representation", "codes", "--codebook-size", 7))
        self.assertIn("sketch", self.describe_fails("smell"))
        self.mom("codec", "describe", "--name", "sketch", "--data", "documents", "--out", "few", "--codebook-size", 12)
        (self.root / "more").mkdir()
        (self.root / "more" / "a.txt").write_text("red")
        (self.root / "more" / "a.sketch.npy").write_bytes(npy_bytes([12] * 9, (3, 3)))
        self.mom("data", "import", "more", "--out", "more-documents", "--split", "train")
        line = self.fails(3, "data", "encode", "more-documents", "--codecs", "codecs/text", "few", "--out", "x")
        self.assertIn('document "a"', line)
        self.assertIn("0 to 11", line)

    def describe_fails(self, name, *arguments):
        return self.fails(2, "codec", "describe", "--name", name, "--data", "documents", "--out", "x", *arguments)


if __name__ == "__main__":
    unittest.main(verbosity=2)
