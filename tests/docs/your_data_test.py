"""Runs docs/your-data.md: every command of its two cases, in order, on small files of the kind that its Python encoders write.

Needs only the standard library. MOM_BINARY: the program; MOM_SOURCE: the repository.
"""

import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["MOM_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
from npy import npy_bytes, read_npy  # noqa: E402

WORDS = ["red", "blue", "square", "disc", "slow", "song", "small"]


def commands_of(title):
    """The sh blocks below a heading, as one script; training of two steps is enough to see that it works."""
    section = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", (SOURCE / "docs" / "your-data.md").read_text(), re.M | re.S).group(1)
    script = "".join(re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S))
    assert script.count("steps = 200") == 1, "the recipe's steps"
    return script.replace("steps = 200", "steps = 3\nwarmup_steps = 1").replace("every_steps = 50", "every_steps = 1")


class YourData(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)
        (self.root / "bin").mkdir()
        (self.root / "bin" / "mom").symlink_to(pathlib.Path(os.environ["MOM_BINARY"]).resolve())
        self.rand = random.Random(7)

    def run_commands(self, title):
        script = commands_of(title)
        self.assertGreater(script.count("mom "), 10)
        done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=self.root, capture_output=True, text=True, timeout=300,
                              env={**os.environ, "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"})
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        return done.stdout

    def caption(self):
        return " ".join(self.rand.sample(WORDS, 3))

    def test_image_captions(self):
        samples = self.root / "samples"
        samples.mkdir()
        for i in range(100):
            (samples / f"{i:03}.txt").write_text(self.caption())
            latent = [5 + 3 * self.rand.gauss(0, 1) for _ in range(4 * 8 * 8)]
            (samples / f"{i:03}.image.npy").write_bytes(npy_bytes(latent, (4, 8, 8), "<f4"))
        (self.root / "decode.py").write_text("import sys\nopen(sys.argv[2], 'wb').write(open(sys.argv[1], 'rb').read())\n")
        output = self.run_commands("Image captions with a VAE from outside")
        self.assertIn("Mixture-of-Mamba", output)
        for name in ("latent.npy", "picture.png"):  # the same seed, the same latent; this decoder hands it through
            shape, values = read_npy(self.root / name)
            self.assertEqual(shape, (4, 8, 8))
            self.assertAlmostEqual(sum(values) / len(values), 5, delta=3)
        self.assertEqual((self.root / "latent.npy").read_bytes(), (self.root / "picture.png").read_bytes())
        self.assertIn("noise MSE", (self.root / "report.html").read_text())

    def test_text_and_music(self):
        with open(self.root / "songs.jsonl", "w") as file:
            for _ in range(100):
                codes = [self.rand.randrange(1024) for _ in range(5 + self.rand.randrange(30))]
                file.write(json.dumps({"segments": [{"text": self.caption()}, {"modality": "music", "codes": codes}]}) + "\n")
        self.run_commands("Text and music as codes")
        shape, values = read_npy(self.root / "song.npy")
        self.assertEqual(shape, (len(values),))
        self.assertTrue(0 < len(values) < 100 and all(0 <= value < 1024 for value in values))
        document = json.loads((self.root / "song" / "document.json").read_text())
        self.assertEqual(document["segments"][0], {"text": "slow song", "given": True})


if __name__ == "__main__":
    unittest.main(verbosity=2)
