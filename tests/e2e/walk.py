"""A walk through the program with samples of five modalities, of which only text is the program's own."""

import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

from npy import npy_bytes
from program import BINARY

WORDS = ["red", "blue", "disc", "bar", "small", "large"]


def write_samples(folder):
    """Sixty samples of five modalities; the first word of a caption decides what the others are like."""
    folder.mkdir()
    rand = random.Random(1)
    for i in range(60):
        words = rand.sample(WORDS, 3)
        first = WORDS.index(words[0])
        (folder / f"d{i:03}.txt").write_text(" ".join(words))
        photo = [10 + first + 3 * rand.gauss(0, 1) for _ in range(16)] + [0.01 * rand.gauss(0, 1) for _ in range(16)]
        (folder / f"d{i:03}.photo.npy").write_bytes(npy_bytes(photo, (2, 4, 4), "<f4"))
        signal = [first - 3 + 0.5 * rand.gauss(0, 1) for _ in range(3 * 6)]
        (folder / f"d{i:03}.signal.npy").write_bytes(npy_bytes(signal, (3, 6), "<f2"))
        (folder / f"d{i:03}.sketch.npy").write_bytes(npy_bytes([(2 * first + rand.randrange(2)) % 12 for _ in range(9)], (3, 3), "|u1"))
        sensor = [(first + j) % 7 for j in range(3 + rand.randrange(8))]
        (folder / f"d{i:03}.sensor.npy").write_bytes(npy_bytes(sensor, (len(sensor),), "<i8"))


class Walk(unittest.TestCase):
    """A folder of its own, in which the program runs."""

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.root = pathlib.Path(temporary.name)
        write_samples(cls.root / "samples")
        cls.mom("data", "import", "samples", "--out", "documents", "--validation", "0.2")
        (cls.root / "text.toml").write_text('kind = "text"\n[text]\nvocabulary = 300\n')
        cls.mom("codec", "train", "text.toml", "--data", "documents", "--out", "codecs/text")

    @classmethod
    def run_here(cls, *arguments):
        return subprocess.run([os.path.abspath(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=cls.root)

    @classmethod
    def mom(cls, *arguments):
        done = cls.run_here(*arguments)
        assert done.returncode == 0, f"mom {' '.join(map(str, arguments))}: {done.returncode}\n{done.stderr}"
        return done.stdout

    @classmethod
    def encode_two_latents(cls):
        """Into encoded: text, photos and signals, whose latents differ in shape, and codes of a sensor."""
        for name in ("photo", "signal"):
            cls.describe(name)
        cls.describe("sensor", "--codebook-size", 7)
        codecs = [f"codecs/{name}" for name in ("text", "photo", "sensor", "signal")]
        cls.mom("data", "encode", "documents", "--codecs", *codecs, "--out", "encoded", "--without", "sketch")

    @classmethod
    def describe(cls, name, *arguments):
        cls.mom("codec", "describe", "--name", name, "--data", "documents", "--out", f"codecs/{name}", *arguments)

    @classmethod
    def losses(cls, run):
        lines = [json.loads(line) for line in (cls.root / run / "metrics.jsonl").read_text().splitlines()]
        return [line for line in lines if line["kind"] == "eval"]
