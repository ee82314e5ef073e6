"""`mom generate` as a user has it: every task in the three settings, the files it leaves, and what a wrong request is answered with.

Needs only the standard library. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny encoded data sets.
"""

import json
import pathlib
import shutil
import struct
import tempfile
import unittest
import zlib

from program import run_mom, try_mom
from tiny import make_data, write_recipe

SIDE = 16  # pixels of the tiny codecs' pictures
CODES = 16


def png_size(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n", path
    return struct.unpack(">II", content[16:24])


def write_png(path, width, height):
    """An empty grey picture, or only a header that promises one."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    rows = b"" if width > 10000 else b"".join(b"\0" + b"\x80" * width for _ in range(height))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows))
                     + chunk(b"IEND", b""))


def wav_seconds(path):
    content = path.read_bytes()
    assert content[:4] == b"RIFF" and content[8:12] == b"WAVE", path
    return (len(content) - 44) / 2 / 16000


class Generate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = root = pathlib.Path(cls.temporary.name)
        make_data(root)
        spoken = root / "tiny" / "spoken"
        run_mom("data", "encode", root / "tiny" / "documents", "--codecs", spoken / "codec-text", spoken / "codec-image", "--out", root / "codes")
        for setting, data in (("transfusion", root / "tiny" / "encoded"), ("chameleon", root / "codes"), ("three_modality", spoken / "encoded")):
            # Noise that is hardly predicted makes every sampler end at the same bounds: more steps where there is any.
            train = {} if setting == "transfusion" else {"steps": 2, "warmup_steps": 0}
            run_mom("train", write_recipe(root / f"{setting}.toml", data, setting, train=train), "--run", root / setting)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = pathlib.Path(folder.name)

    def generate(self, setting, *arguments):
        return json.loads(run_mom("generate", self.root / setting, "--json", *arguments))

    def fails(self, code, *arguments):
        done = try_mom("generate", *arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        lines = [line for line in done.stderr.splitlines() if "mom: error:" in line]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def test_pictures(self):
        for setting in ("transfusion", "chameleon", "three_modality"):
            arguments = ("--prompt", "red disc", "--modality", "image") + (("--steps", 4) if setting == "transfusion" else ())
            result = self.generate(setting, *arguments, "--count", 5, "--grid", self.out / f"{setting}.png", "--guidance", 2)
            self.assertEqual(png_size(self.out / f"{setting}.png"), (3 * SIDE + 4, 2 * SIDE + 2))
            self.assertEqual(len(result["answers"]), 5)
            for answer in result["answers"]:
                self.assertEqual(len(answer["tokens"]), 1 if setting == "transfusion" else CODES + 1)
                self.assertEqual(answer["tokens"][-1], 5)
                self.assertEqual(len(answer["log_probabilities"]), len(answer["tokens"]))
                self.assertEqual(answer["stop"], "end")
            self.generate(setting, *arguments, "--out", self.out / f"{setting}-one.png")
            self.assertEqual(png_size(self.out / f"{setting}-one.png"), (SIDE, SIDE))
            for guidance, equal in ((3, True), (1, False)):  # 3 unless asked otherwise
                self.generate(setting, *arguments, "--guidance", guidance, "--out", self.out / "x.png")
                self.assertEqual((self.out / "x.png").read_bytes() == (self.out / f"{setting}-one.png").read_bytes(), equal, (setting, guidance))

    def test_samplers(self):
        pictures = set()
        for sampler in ("ddpm", "ddim"):
            for steps in (1, 7):
                self.generate("transfusion", "--prompt", "red disc", "--modality", "image", "--sampler", sampler, "--steps", steps, "--out", self.out / "x.png")
                pictures.add((self.out / "x.png").read_bytes())
        self.assertEqual(len(pictures), 3)  # one step is the same by both

    def test_describe_and_write_down(self):
        write_png(self.out / "in.png", 33, 20)
        sound = next((self.root / "tiny" / "spoken").glob("codec-speech/report/*-original.wav"))
        for setting in ("transfusion", "chameleon"):
            result = self.generate(setting, "--image", self.out / "in.png", "--max-tokens", 20)
            self.assertLessEqual(len(result["tokens"]), 20)
            for seed in range(8):  # a description is never empty
                self.assertGreaterEqual(self.generate(setting, "--image", self.out / "in.png", "--max-tokens", 2, "--seed", seed)["tokens"][0], 8)
            self.assertTrue(all(token == 3 or 8 <= token < 320 for token in result["tokens"]), result["tokens"])
            self.assertIsInstance(result["text"], str)
        with_words = self.generate("three_modality", "--speech", sound, "--image", self.out / "in.png", "--prompt", "Entry", "--max-tokens", 5)
        self.assertLessEqual(len(with_words["tokens"]), 5)

    def test_text_is_streamed_as_it_is(self):
        arguments = ("--prompt", "The red", "--max-tokens", 40, "--seed", 3)
        result = self.generate("chameleon", *arguments)
        self.assertEqual(run_mom("generate", self.root / "chameleon", *arguments), result["text"] + "\n")
        several = run_mom("generate", self.root / "chameleon", *arguments, "--count", 2)
        self.assertTrue(several.startswith(result["text"] + "\n\n"))

    def test_speech(self):
        result = self.generate("three_modality", "--prompt", "red disc", "--modality", "speech", "--max-tokens", 26, "--out", self.out / "x.wav")
        self.assertEqual(result["tokens"][-1], 7)
        self.assertAlmostEqual(wav_seconds(self.out / "x.wav"), (len(result["tokens"]) - 1) / 25)

    def test_interleaved_document(self):
        """A folder with document.json, its files and a page; `mom data import` reads it."""
        modalities = set()
        words = ("--prompt", "red <disc>")
        for setting, prompt in (("transfusion", words), ("chameleon", words), ("three_modality", words), ("three_modality", ("--tokens", "2,6"))):
            out = self.out / f"{setting}-{len(prompt[1])}"
            result = self.generate(setting, *prompt, "--interleaved", "--max-tokens", 400, "--seed", 4, "--out", out)
            document = json.loads((out / "document.json").read_text())
            page = (out / "index.html").read_text()
            if prompt == words:
                self.assertEqual(document["segments"][0], {"text": "red <disc>", "given": True})
                self.assertIn("red &lt;disc&gt;", page)
            self.assertEqual(document["tokens"], result["tokens"])
            for segment in document["segments"]:
                (modality,) = segment.keys() - {"given"}
                modalities.add(modality)
                if modality == "image":
                    self.assertEqual(png_size(out / segment["image"]), (SIDE, SIDE))
                elif modality == "speech":
                    self.assertGreater(wav_seconds(out / segment["speech"]), 0)
                if modality != "text":
                    self.assertIn(f'src="{segment[modality]}"', page)
            run_mom("data", "import", out, "--out", self.out / f"imported-{out.name}")
        self.assertEqual(modalities, {"text", "image", "speech"})
        self.generate("chameleon", "--prompt", "red", "--interleaved", "--count", 2, "--out", self.out / "two")
        self.assertEqual(sorted(path.name for path in (self.out / "two").iterdir()), ["1", "2"])

    def test_the_seed_decides_and_neighbours_do_not(self):
        for setting in ("transfusion", "chameleon"):
            arguments = ("--prompt", "red disc", "--modality", "image", "--steps", 3) if setting == "transfusion" else ("--prompt", "red disc")
            def answers(*more):
                out = self.out / f"{len(list(self.out.iterdir()))}"
                return self.generate(setting, *arguments, *more, "--out", out), out
            (two, two_out), (four, four_out) = answers("--count", 2), answers("--count", 4)
            for one, other in zip(two["answers"], four["answers"]):
                self.assertEqual(one["tokens"], other["tokens"])
                for ours, theirs in zip(one["log_probabilities"], other["log_probabilities"]):
                    self.assertAlmostEqual(ours, theirs, places=5)
            if setting == "transfusion":
                for name in ("1/image-1.png", "2/image-1.png"):
                    self.assertEqual((two_out / name).read_bytes(), (four_out / name).read_bytes())
            else:
                self.assertNotEqual(answers("--count", 2, "--seed", 2)[0]["answers"], two["answers"])

    def test_ids_for_any_model_folder(self):
        checkpoint = self.root / "chameleon" / "checkpoints" / "step-00000002"
        model = self.out / "model"
        shutil.copytree(checkpoint, model)
        result = json.loads(run_mom("generate", model, "--tokens", "2,20,30", "--json", "--max-tokens", 7))
        self.assertLessEqual(len(result["tokens"]), 7)
        self.assertNotIn("text", result)
        self.assertIn("--codecs", self.fails(3, model, "--prompt", "red"))
        self.assertIn("text", json.loads(run_mom("generate", model, "--prompt", "red", "--json", "--codecs", self.root / "codes" / "codecs")))
        self.assertIn("image_vae", self.fails(3, model, "--prompt", "red", "--codecs", self.root / "tiny" / "encoded" / "codecs"))
        other = self.out / "other"  # of the right kind, but not the one
        shutil.copytree(self.root / "codes" / "codecs", other)
        (self.out / "text.toml").write_text('kind = "text"\n[text]\nvocabulary = 330\n')
        shutil.rmtree(other / "text")
        run_mom("codec", "train", self.out / "text.toml", "--data", self.root / "tiny" / "documents", "--out", other / "text")
        self.assertIn("trained with", self.fails(3, model, "--prompt", "red", "--codecs", other))
        self.assertIn("--codecs", self.fails(3, model, "--tokens", "2,20", "--modality", "image", "--out", self.out / "x.png"))
        self.assertIn("--codecs", self.fails(3, model, "--tokens", "2,20", "--interleaved", "--out", self.out / "x"))

    def test_weights_in_fewer_bits(self):
        run, quantized = self.root / "chameleon", self.out / "int8"
        run_mom("convert", "quantize", run, "--out", quantized)
        newest = sorted((run / "checkpoints").iterdir())[-1]
        self.assertLess((quantized / "model.safetensors").stat().st_size, 0.4 * (newest / "model.safetensors").stat().st_size)
        ask = ("--tokens", "2,20,30", "--json", "--max-tokens", 30)
        of_folder = json.loads(run_mom("generate", quantized, *ask))
        exact = json.loads(run_mom("generate", run, *ask))
        of_run = json.loads(run_mom("generate", run, *ask, "--weights", "int8"))
        for name, answer in (("folder", of_folder), ("int8", of_run), ("bfloat16", json.loads(run_mom("generate", run, *ask, "--weights", "bfloat16")))):
            self.assertNotEqual(answer["log_probabilities"], exact["log_probabilities"], name)
            self.assertAlmostEqual(answer["log_probabilities"][0], exact["log_probabilities"][0], delta=0.02, msg=name)
        losses = {
            weights: json.loads(run_mom("eval", run, "--samples", 0, "--json", "--weights", weights))["loss"]
            for weights in ("float32", "int8")
        }
        for modality, loss in losses["float32"].items():
            self.assertNotEqual(losses["int8"][modality], loss)
            self.assertAlmostEqual(losses["int8"][modality], loss, delta=0.01)  # 1% of the perplexity

    def test_quality(self):
        """`mom eval --generation`: every part that a setting has, the same with the same seed, and a page that shows it."""
        parts = {"transfusion": {"pictures", "caption_use", "descriptions", "captions_of_image", "text"}, "chameleon": {"pictures", "caption_use", "descriptions", "captions_of_image", "text"},
                 "three_modality": {"pictures", "caption_use", "descriptions", "captions_of_image", "captions_of_speech", "text"}}
        ask = ("--generation", "--pictures", 5, "--steps", 2, "--probe-steps", 5, "--json")
        for setting, expected in parts.items():
            run = self.root / setting
            quality = json.loads(run_mom("eval", run, *ask))
            self.assertEqual(quality, json.loads((run / "generation" / "quality.json").read_text()))
            self.assertEqual(quality.keys() - {"step", "setting", "split"}, expected)
            pictures = quality["pictures"]
            images = 40 if setting == "three_modality" else 20  # spoken documents have images too
            self.assertEqual(pictures["probe"], {"training_images": 0.9 * images, "set_aside": images / 10})
            self.assertEqual(set(pictures["buckets"]), {"trained", "unseen"})
            self.assertEqual(pictures["generated"], 10)
            for name, bucket in pictures["buckets"].items():
                self.assertEqual(bucket["generated"], 5)
                self.assertEqual(bucket["retrieval"]["real"]["of"], 5)
                self.assertFalse(bucket["retrieval"]["accepted"])  # far fewer than 20 captions
                self.assertGreater(bucket["kid"]["generated"]["mean"], bucket["kid"]["real"]["mean"])
                self.assertEqual("real" in bucket["copies"], name != "trained")
                self.assertEqual(len(bucket["items"]), 5)
                for item in bucket["items"]:
                    for kind in ("generated", "original", "nearest"):
                        self.assertEqual(png_size(run / "generation" / item[kind]), (SIDE, SIDE))
                    self.assertEqual("grey" in item["caption"], name == "unseen")  # held-out shapes are grey, those of the training are not
                    self.assertNotIn("grey", item["nearest_caption"])
                seams = bucket["seams"]
                self.assertEqual(SIDE % seams["patch_side"], 0)
                self.assertAlmostEqual(seams["generated"] / seams["real"], seams["ratio"])
            unseen = pictures["buckets"]["unseen"]
            self.assertEqual(unseen["retrieval"]["among"], 2)  # two captions are held out
            grid = pictures["grid"]
            captions = [row["caption"] for row in grid["rows"]]
            self.assertEqual(len(captions), len(set(captions)))
            self.assertEqual({row["bucket"] for row in grid["rows"]}, {"trained", "unseen"})
            sheet = (4 * (SIDE + grid["gap"]) - grid["gap"], len(captions) * (SIDE + grid["gap"]) - grid["gap"])
            self.assertEqual(png_size(run / "generation" / grid["file"]), sheet)
            alone = self.out / f"{setting}.png"
            self.assertEqual([row["caption"] for row in json.loads(run_mom("eval", run, "--grid", alone, "--steps", 2, "--json"))["grid"]["rows"]], captions)
            self.assertEqual(alone.read_bytes(), (run / "generation" / grid["file"]).read_bytes())
            run_mom("eval", run, "--grid", "--steps", 2)
            self.assertEqual((run / "grid" / "grid.png").read_bytes(), alone.read_bytes())
            self.assertEqual(json.loads((run / "grid" / "grid.json").read_text())["grid"], grid)
            self.assertEqual(set(quality["caption_use"]), {"trained", "unseen"})
            for use in quality["caption_use"].values():
                self.assertAlmostEqual(1 - use["right"] / use["shuffled"], use["use"])
                self.assertEqual(len(use.get("levels", [])), 5 if setting == "transfusion" else 0)
            alone = json.loads(run_mom("eval", run, "--caption-use", "--pictures", 5, "--json"))
            self.assertEqual(alone["caption_use"], quality["caption_use"])
            self.assertEqual({name: (ranking["among"], ranking["by_information"]["of"]) for name, ranking in quality["descriptions"].items()},
                             {"trained": (10, 5), "unseen": (2, images // 10)})
            for source, ranking in quality["captions_of_image"].items():
                self.assertEqual(ranking["by_information"]["of"], 4, source)
            # Held-out text, whole documents: bytes of the texts themselves, nats as `mom eval` has them.
            losses = json.loads(run_mom("eval", run, "--samples", 0, "--json"))["sets"]["words"]
            text = quality["text"]["words"]
            documents = [json.loads(line) for line in (self.root / "tiny" / "documents" / "validation-words.jsonl").read_text().splitlines()]
            self.assertLessEqual(text["bytes"], sum(len(one["segments"][0]["text"].encode()) for one in documents))
            self.assertGreater(text["bytes"], 0.98 * sum(len(one["segments"][0]["text"].encode()) for one in documents))
            self.assertAlmostEqual(text["bits_per_byte"] * text["bytes"] * 0.6931471805599453 / losses["loss"]["text"] / losses["tokens"]["text"], 1, delta=0.02)
        self.assertEqual(set(quality["captions_of_speech"]), {"said"})
        again = json.loads(run_mom("eval", self.root / "chameleon", *ask))
        self.assertEqual(again["pictures"], json.loads(run_mom("eval", self.root / "chameleon", *ask))["pictures"])
        self.assertNotEqual(again["pictures"], json.loads(run_mom("eval", self.root / "chameleon", *ask, "--seed", 2))["pictures"])
        run_mom("report", self.root / "chameleon", "--out", self.out / "page.html")
        self.assertIn("What they generate", (self.out / "page.html").read_text())

        for option, value, words in (("--pictures", 1, "2 to 10000"), ("--candidates", 1, "2 to 1000"), ("--steps", 0, "1 to 1000"),
                                     ("--sampler", "euler", "ddpm or ddim"), ("--guidance", -1, "--guidance")):
            done = try_mom("eval", self.root / "transfusion", "--generation", option, value)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words, done.stderr)
        self.assertEqual(try_mom("eval", self.root / "chameleon", "--pictures", 5).returncode, 2)  # without --generation
        for more in (("--generation", "--caption-use"), ("--caption-use", "--steps", 3), ("--caption-use", "--split", "train"),
                     ("--grid", self.out / "x.png", "--seed", 2), ("--grid", self.out / "x.png", "--generation"), ("--grid", self.out / "x.jpg")):
            self.assertEqual(try_mom("eval", self.root / "chameleon", *more).returncode, 2, more)
        self.assertEqual(try_mom("eval", self.out, "--generation").returncode, 3)

    def test_a_device_that_is_not_there(self):
        run = self.root / "chameleon"
        for verb in (("generate", run, "--prompt", "red"), ("eval", run), ("eval", run, "--generation"), ("eval", run, "--caption-use"),
                     ("eval", run, "--grid", self.out / "grid.png"), ("serve", run, "--port", 0)):
            done = try_mom(*verb, "--device", "cuda:7")
            self.assertEqual(done.returncode, 2, (verb, done.stderr))
            self.assertIn("mom: error: device: expected ", done.stderr)

    def test_wrong_requests(self):
        run, image = self.root / "chameleon", ("--modality", "image", "--prompt", "red")
        png = self.out / "x.png"
        self.assertIn("--prompt", self.fails(2, run))
        self.assertIn("--prompt", self.fails(2, run, "--prompt", ""))
        self.assertIn("0 to 335", self.fails(2, run, "--tokens", "2,336"))
        self.assertIn("0 to 335", self.fails(2, run, "--tokens", "2,-1"))
        self.assertIn("tokens", self.fails(2, run, "--tokens", "2,red"))
        self.assertIn("token 321", self.fails(2, run, "--tokens", "2,321"))  # a picture's code in text
        self.assertIn("--tokens", self.fails(2, run, "--tokens", "2,20", "--prompt", "red"))
        for count in (0, 10000):
            self.assertIn("1 to 1000", self.fails(2, run, "--prompt", "red", "--count", count))
        for steps in (0, 1001):
            self.assertIn("1 to 1000", self.fails(2, self.root / "transfusion", *image, "--out", png, "--steps", steps))
        self.assertIn("ddpm or ddim", self.fails(2, self.root / "transfusion", *image, "--out", png, "--sampler", "euler"))
        self.assertIn("text, image", self.fails(2, run, "--prompt", "red", "--modality", "video", "--out", png))
        self.assertIn("text, image", self.fails(2, run, "--prompt", "red", "--modality", "speech", "--out", png))
        self.assertIn("text, image", self.fails(2, run, "--speech", png))
        self.assertIn("picture to draw", self.fails(2, run, "--prompt", "red", "--guidance", 3))
        self.assertIn("--guidance", self.fails(2, run, *image, "--out", png, "--guidance", -1))
        self.assertIn("--out", self.fails(2, run, *image))
        self.assertIn("--out", self.fails(2, run, *image, "--count", 2, "--out", png))
        self.assertIn("--out", self.fails(2, run, "--prompt", "red", "--interleaved"))
        self.assertIn("--grid", self.fails(2, run, "--prompt", "red", "--grid", png))
        self.assertIn("--modality", self.fails(2, run, *image, "--interleaved", "--out", png))
        self.assertIn("--max-tokens", self.fails(2, run, "--prompt", "red", "--max-tokens", 0))
        self.assertIn("--max-tokens", self.fails(2, run, "--tokens", "2,4", "--interleaved", "--out", self.out / "d", "--max-tokens", 5))
        self.assertIn("--temperature", self.fails(2, run, "--prompt", "red", "--temperature", -1))
        self.assertFalse(png.exists())

    def test_wrong_files(self):
        run = self.root / "chameleon"
        self.assertIn("no such folder", self.fails(3, self.out / "nowhere", "--prompt", "red"))
        (self.out / "text.png").write_text("no picture")
        self.assertIn("text.png", self.fails(3, run, "--image", self.out / "text.png"))
        write_png(self.out / "huge.png", 100000, 100000)
        self.assertIn("huge.png", self.fails(3, run, "--image", self.out / "huge.png"))
        self.assertIn("missing.png", self.fails(3, run, "--image", self.out / "missing.png"))
        self.assertIn("text.png", self.fails(3, self.root / "three_modality", "--speech", self.out / "text.png"))
        broken = self.out / "codecs"
        shutil.copytree(self.root / "codes" / "codecs", broken)
        shutil.rmtree(broken / "image")
        self.assertIn("codec", self.fails(3, run, "--prompt", "red", "--modality", "image", "--codecs", broken, "--out", self.out / "x.png"))
        (broken / "text" / "tokenizer.model").write_bytes(b"")
        self.assertIn("codec.json", self.fails(3, run, "--prompt", "red", "--codecs", broken))
        (self.out / "full").mkdir()
        (self.out / "full" / "file").write_text("")
        self.assertIn("full", self.fails(2, run, "--prompt", "red", "--interleaved", "--out", self.out / "full"))


if __name__ == "__main__":
    unittest.main()
