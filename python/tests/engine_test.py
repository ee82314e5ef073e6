"""mixture_of_mamba_engine.Engine beside `mom generate`: the same bytes, alone and side by side; cancelling, threads, errors."""

import json
import pathlib
import sys
import threading
import time
import unittest

import numpy as np
import PIL.Image
import torch
from mixture_of_mamba_engine import Engine, Sound

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/e2e"))
from program import run_mom  # noqa: E402
from tiny import TinyData, write_recipe  # noqa: E402

torch.set_num_threads(1)  # as the program in these tests: matrices' bits depend on it
PROMPT = "The red disc"


class EngineTest(TinyData):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.runs = {}
        for setting, data in (("transfusion", "encoded"), ("three_modality", "spoken/encoded")):
            recipe = write_recipe(cls.root / f"{setting}.toml", cls.root / "tiny" / data, setting, train={"steps": 12})
            cls.runs[setting] = cls.root / setting
            run_mom("train", recipe, "--run", cls.runs[setting])
        cls.engine = Engine(cls.runs["three_modality"])
        cls.painter = Engine(cls.runs["transfusion"])

    def file_of_program(self, setting, modality, ending, *options):
        file = self.root / f"out.{ending}"
        file.unlink(missing_ok=True)
        run_mom("generate", self.runs[setting], "--prompt", PROMPT, "--modality", modality, "--out", file, *options)
        return file.read_bytes()

    def text_of(self, setting, seed, *options):
        return json.loads(run_mom("generate", self.runs[setting], "--prompt", PROMPT, "--seed", seed, "--max-tokens", 30, "--json", *options))["text"]

    def test_text(self):
        for seed in (0, 1):
            stream = self.engine.stream(PROMPT, seed=seed, max_tokens=30)
            pieces = list(stream)
            self.assertGreater(len(pieces), 5)
            self.assertEqual("".join(pieces), self.text_of("three_modality", seed))
            self.assertIn(stream.finish_reason, ("length", "stop"))
        self.assertEqual("".join(self.engine.stream(PROMPT, max_tokens=30, temperature=0)), self.text_of("three_modality", 0, "--temperature", 0))
        whole = "".join(self.engine.stream(PROMPT, seed=1, max_tokens=30))
        stop = whole[7:9]
        self.assertEqual("".join(self.engine.stream(PROMPT, seed=1, max_tokens=30, stop=[stop])), whole[:whole.index(stop)])

    def test_files(self):
        image, = self.painter.stream(PROMPT, "image", seed=3, steps=6, raw=True)
        self.assertEqual((image.kind, image.data), ("image", self.file_of_program("transfusion", "image", "png", "--seed", 3, "--steps", 6)))
        picture, = self.painter.stream(PROMPT, "image", seed=3, steps=6)
        self.assertEqual(picture.size, (16, 16))
        coded, = self.engine.stream(PROMPT, "image", seed=3, raw=True)
        self.assertEqual(coded.data, self.file_of_program("three_modality", "image", "png", "--seed", 3))
        sound, = self.engine.stream(PROMPT, "speech", seed=3, max_tokens=12, raw=True)
        self.assertEqual((sound.kind, sound.data), ("sound", self.file_of_program("three_modality", "speech", "wav", "--seed", 3, "--max-tokens", 12)))
        heard, = self.engine.stream(PROMPT, "speech", seed=3, max_tokens=12)
        self.assertEqual(heard.rate, 16000)
        self.assertEqual(heard.samples.dtype, np.float32)
        self.assertEqual(len(heard.samples), (len(sound.data) - 44) // 2)
        *previews, last = self.painter.stream(PROMPT, "image", seed=3, steps=6, previews=2, raw=True)
        self.assertEqual([piece.kind for piece in previews], ["preview"] * len(previews))
        self.assertGreater(len(previews), 0)
        self.assertEqual(last.data, image.data)

    def test_prompts(self):
        """Images, sounds and files are parts, whichever way they are given."""
        image, = self.engine.stream(PROMPT, "image", seed=3, raw=True)
        file = self.root / "part.png"
        file.write_bytes(image.data)
        expected = json.loads(run_mom("generate", self.runs["three_modality"], "--image", file, "--prompt", PROMPT, "--max-tokens", 20, "--seed", 5, "--json"))["text"]
        for part in (PIL.Image.open(file), ("image", image.data), ("image", file)):
            self.assertEqual("".join(self.engine.stream([part, PROMPT], max_tokens=20, seed=5)), expected)
        sound = Sound(np.sin(np.arange(8000, dtype=np.float32) / 20) / 2, 16000)
        self.assertGreater(len(list(self.engine.stream([sound, "disc"], max_tokens=20))), 0)
        with self.assertRaisesRegex(TypeError, "a prompt is text"):
            self.engine.stream([3])

    def test_side_by_side(self):
        """Six streams that are read in turns are what each is alone, and what it is after another was cancelled."""
        alone = ["".join(self.engine.stream(PROMPT, seed=seed, max_tokens=30)) for seed in range(6)]
        streams = [self.engine.stream(PROMPT, seed=seed, max_tokens=30) for seed in range(6)]
        texts = [""] * 6
        for turn in range(40):
            for i, stream in enumerate(streams):
                texts[i] += next(stream, "")
            if turn == 3:
                streams[2].cancel()
        self.assertEqual(texts[:2] + texts[3:], alone[:2] + alone[3:])
        self.assertLess(len(texts[2]), len(alone[2]))
        self.assertEqual(list(streams[2]), [])
        answers = {}
        for piece in self.engine.stream(PROMPT, seed=1, count=3, max_tokens=20, raw=True):
            answers[piece.answer] = answers.get(piece.answer, b"") + piece.data
        self.assertEqual(sorted(answers), [0, 1, 2])
        self.assertEqual(len(set(answers.values())), 3)

    def test_cancelled_streams_leave_nothing(self):
        for leave in ("cancel", "with", "lose"):
            stream = self.engine.stream(PROMPT, max_tokens=10000, seed=4)
            next(stream)
            if leave == "cancel":
                stream.cancel()
            elif leave == "with":
                with stream:
                    next(stream)
            del stream
            self.assertFalse(self.engine._answers.step(), leave)  # there is nothing to do
            self.assertEqual(len(self.engine._streams), 0, leave)

    def test_two_engines(self):
        """Of different models and weights in one process, in turns."""
        int8 = Engine(self.runs["three_modality"], weights="int8")
        one, other = self.engine.stream(PROMPT, seed=1, max_tokens=30), int8.stream(PROMPT, seed=1, max_tokens=30)
        image = self.painter.stream(PROMPT, "image", seed=3, steps=6, raw=True)
        texts = ["", ""]
        for _ in range(40):
            texts[0] += next(one, "")
            texts[1] += next(other, "")
        self.assertEqual(texts[0], self.text_of("three_modality", 1))
        self.assertEqual(texts[1], self.text_of("three_modality", 1, "--weights", "int8"))
        self.assertEqual(next(image).data, self.file_of_program("transfusion", "image", "png", "--seed", 3, "--steps", 6))

    def test_other_threads_run(self):
        """While a step is computed other Python threads run, and several threads read streams of one engine."""
        # A thread that waits gets its turn after this time, unless the other one lets go by itself.
        interval = sys.getswitchinterval()
        self.addCleanup(sys.setswitchinterval, interval)
        sys.setswitchinterval(0.05)
        ticks, done = [], threading.Event()

        def tick():
            while not done.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.001)

        ticker = threading.Thread(target=tick)
        with self.engine.stream(PROMPT, max_tokens=10000):
            ticker.start()
            end = time.perf_counter() + 0.5
            while time.perf_counter() < end:
                self.engine._answers.step()
        done.set()
        ticker.join()
        gaps = sorted(b - a for a, b in zip(ticks, ticks[1:]))
        self.assertLess(gaps[len(gaps) // 2], 0.025)
        sys.setswitchinterval(interval)
        alone = {seed: "".join(self.engine.stream(PROMPT, seed=seed, max_tokens=30)) for seed in range(4)}
        together = {}

        def read(seed):
            together[seed] = "".join(self.engine.stream(PROMPT, seed=seed, max_tokens=30))

        readers = [threading.Thread(target=read, args=(seed,)) for seed in alone]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        self.assertEqual(together, alone)

    def test_refusals(self):
        for what, call, words in (("no folder", lambda: Engine(self.root / "nothing"), "expected a model folder"),
                                  ("weights", lambda: Engine(self.runs["transfusion"], weights="int3"), "int8"),
                                  ("modality", lambda: self.engine.stream("x", "smell"), "text, image, speech"),
                                  ("temperature", lambda: self.engine.stream("x", temperature=-1), "temperature"),
                                  ("bytes", lambda: self.engine.stream([("image", b"no image")]), "part 1 of the prompt"),
                                  ("sampler", lambda: self.painter.stream("x", "image", sampler="magic"), "ddpm")):
            with self.subTest(what), self.assertRaisesRegex(RuntimeError, words) as caught:
                call()
            self.assertEqual(str(caught.exception).count("\n"), 0, what)
        with self.assertRaisesRegex(ValueError, "seed"):
            self.engine.stream("x", seed=-1)
        with self.assertRaisesRegex(TypeError, "count"):
            self.engine.stream("x", counts=2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
