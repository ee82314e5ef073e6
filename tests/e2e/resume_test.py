"""A run that is stopped and resumed: two processes on it, data that moved, other settings; and data without a validation split.

Needs only the standard library. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes a tiny encoded data set.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from program import BINARY, run_mom, try_mom
from tiny import make_data, write_recipe

STEPS = 12


def weights_of(run, step=STEPS):
    folder = run / "checkpoints" / f"step-{step:08d}"
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "optimizer.safetensors")}


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.shared = pathlib.Path(temporary.name)
        make_data(cls.shared)
        cls.encoded = cls.shared / "tiny" / "encoded"
        cls.recipe = write_recipe(cls.shared / "recipe.toml", cls.encoded, train={"steps": STEPS})
        run_mom("train", cls.recipe, "--run", cls.shared / "whole")

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)
        self.run_folder = self.root / "run"

    def mom(self, code, *arguments):
        done = try_mom(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def train(self, code, *arguments, recipe=None):
        return self.mom(code, "train", recipe or self.recipe, "--run", self.run_folder, *arguments)

    def start(self, *arguments):
        """`mom train` in the background, once it has a checkpoint."""
        program = subprocess.Popen([BINARY, *map(str, arguments)], stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: program.poll() is None and (program.kill(), program.wait()))
        deadline = time.monotonic() + 60
        while not list((self.run_folder / "checkpoints").glob("step-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        return program

    def start_long(self):
        return self.start("train", self.recipe, "--run", self.run_folder, "--set", "train.steps=100000", "--set", "eval.every_steps=100000",
                          "--set", "checkpoint.every_steps=5")

    # Two processes.

    def test_the_second_process_is_refused_and_the_first_goes_on(self):
        first = self.start_long()
        for arguments in (("--resume",), ()):
            message = self.train(2, *arguments, "--set", "train.steps=100000")
            self.assertIn(f"process {first.pid} on {os.uname().nodename}", message)
        self.assertIsNone(first.poll())
        first.send_signal(signal.SIGTERM)
        self.assertEqual(first.wait(timeout=60), 75)
        self.assertFalse((self.run_folder / "lock").exists())
        steps = [json.loads(line)["step"] for line in (self.run_folder / "metrics.jsonl").read_text().splitlines() if '"train"' in line]
        self.assertEqual(steps, list(range(1, len(steps) + 1)))

    def test_a_killed_process_holds_nobody_up(self):
        first = self.start_long()
        first.kill()
        first.wait()
        self.assertTrue((self.run_folder / "lock").exists())  # left behind
        newest = max(int(path.name.removeprefix("step-")) for path in (self.run_folder / "checkpoints").glob("step-*"))
        self.train(75, "--resume", "--set", "train.steps=100000", "--set", "eval.every_steps=100000", "--stop-at", newest + 1)

    def test_a_run_that_is_removed_and_begun_anew_is_not_written_to_by_its_first_process(self):
        first = self.start_long()
        shutil.rmtree(self.run_folder, ignore_errors=True)
        shutil.rmtree(self.run_folder, ignore_errors=True)  # it may have begun a checkpoint meanwhile
        self.assertEqual(first.wait(timeout=60), 2)

    def test_outputs_are_locked(self):
        """Encoding, codecs and imports that are at work refuse a second process, whatever --replace says."""
        tiny = self.shared / "tiny"
        config = self.root / "codec.toml"
        config.write_text('kind = "image_vae"\n[image_vae]\nimage_size = 16\ndownsample = 2\nbase_channels = 8\nsteps = 100000\n')
        out = self.root / "out"
        arguments = ("codec", "train", config, "--data", tiny / "documents", "--out", out, "--replace")
        program = subprocess.Popen([BINARY, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (program.kill(), program.wait()))
        deadline = time.monotonic() + 60
        while not (self.root / ".out.lock").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.1)
        text = self.root / "text.txt"
        text.write_text("Some words.\n")
        for second in (arguments,
                       ("data", "encode", tiny / "documents", "--codecs", tiny / "codec-text", tiny / "codec-image", "--out", out, "--replace"),
                       ("data", "import", text, "--out", out, "--replace")):
            self.assertIn(f"process {program.pid} on ", self.mom(2, *second))
        program.kill()
        program.wait()
        run_mom("data", "import", text, "--out", out, "--replace")
        self.assertEqual(sorted(path.name for path in self.root.iterdir()), ["codec.toml", "out", "text.txt"])

    # What may change.

    def stop_with_own_data(self, step=5):
        """A stopped run on a copy of the data."""
        data = self.root / "data"
        shutil.copytree(self.encoded, data)
        self.train(75, "--stop-at", step, "--set", f"data.path={data}")
        return data

    def test_data_that_moved_and_settings_that_change_no_result(self):
        moved = self.root / "elsewhere"
        self.stop_with_own_data().rename(moved)
        self.train(0, "--resume", "--set", f"data.path={moved}", "--set", "eval.every_steps=4", "--set", "eval.max_tokens=500",
                   "--set", "checkpoint.every_steps=3", "--set", "checkpoint.keep=0", "--set", "train.recompute=true",
                   "--set", "model.scan_backend=check")
        self.assertEqual(weights_of(self.run_folder), weights_of(self.shared / "whole"))
        self.assertEqual(sorted(path.name for path in (self.run_folder / "checkpoints").iterdir()),
                         [f"step-{step:08d}" for step in (5, 6, 9, 12)])
        environment = json.loads((self.run_folder / "environment.json").read_text())
        self.assertEqual(environment["data"]["path"], str(moved))
        self.assertIn(("eval.every_steps", 5, "5", "4", False),
                      [(c["key"], c["step"], c["before"], c["after"], c["forced"]) for c in environment["changes"]])
        run_mom("eval", self.run_folder)  # which reads the data where they are now

    def test_other_data_are_refused_even_in_the_same_place(self):
        data = self.stop_with_own_data()
        tiny = self.shared / "tiny"
        documents = self.root / "documents"
        shutil.copytree(tiny / "documents", documents)
        for lines in documents.glob("**/*.jsonl"):
            lines.write_text(lines.read_text().replace("red disc", "red plum"))  # the same counts of everything but tokens
        encode = ("data", "encode", documents, "--codecs", tiny / "codec-text", tiny / "codec-image", "--variants", "2", "--out", data, "--replace")
        self.assertIn("take \"sha256\" and \"hash\" out of dataset.json", try_mom(*encode).stderr)
        manifest = json.loads((documents / "dataset.json").read_text())
        for part in (manifest, *manifest["collections"]):
            part.pop("hash", None)
            part.pop("sha256", None)
        (documents / "dataset.json").write_text(json.dumps(manifest))
        run_mom(*encode)
        message = self.train(3, "--resume", "--set", f"data.path={data}")
        self.assertIn("the data that the run began with", message)
        self.assertIn(str(data), message)

    def test_what_makes_another_run_is_refused_by_its_key(self):
        self.train(75, "--stop-at", "5")
        for key, before, after, forced in (("train.learning_rate", "0.004", "0.5", True), ("train.steps", str(STEPS), "20", True),
                                           ("train.microbatches", "1", "2", True), ("seed", "1", "2", False), ("model.d_model", "32", "64", False),
                                           ("objective.image_weight", "5", "2", False), ("data.batch_tokens", "512", "256", False),
                                           ("model.scan_backend", "auto", "reference", False)):
            message = self.train(2, "--resume", "--set", f"{key}={after}")
            for part in (key, before, after, "recipe.toml"):
                self.assertIn(part, message)
            self.assertEqual("--force" in message, forced, message)
            if not forced:
                self.train(2, "--resume", "--force", "--set", f"{key}={after}")
        self.assertIn("--resume", self.train(2, "--force"))

    def test_more_steps_by_force(self):
        shutil.copytree(self.shared / "whole", self.run_folder)
        message = self.train(0, "--resume", "--force", "--set", "train.steps=20")
        self.assertIn(f"train.steps is 20 from step {STEPS} on, {STEPS} before", message)
        self.assertEqual(len(weights_of(self.run_folder, 20)), 2)
        self.assertIn("steps = 20", (self.run_folder / "recipe.toml").read_text())
        self.train(0, "--resume", "--set", "train.steps=20")  # trained already
        self.assertIn("at least 20", self.train(2, "--resume", "--force", "--set", "train.steps=15"))
        warnings = json.loads(run_mom("compare", self.shared / "whole", self.run_folder, "--json"))["warnings"]
        self.assertTrue(any("--force, train.steps from step 12 on: 20, before 12" in warning for warning in warnings), warnings)

    def test_the_model_it_started_from_may_be_gone(self):
        start = self.root / "start"
        shutil.copytree(self.shared / "whole", start)
        arguments = ("--set", f"train.start_from={start}")
        self.train(75, "--stop-at", "5", *arguments)
        shutil.rmtree(start)
        self.train(0, "--resume", *arguments)
        self.assertIn(str(start), (self.run_folder / "recipe.toml").read_text())

    # No validation split.

    def test_data_without_a_validation_split(self):
        tiny = self.shared / "tiny"
        texts = self.root / "words.txt"
        texts.write_text("\n\n".join(f"The {colour} disc {number} lies beside the other." for number in range(30) for colour in ("red", "blue")))
        run_mom("data", "import", texts, "--paragraphs", "--split", "train", "--out", self.root / "documents")
        run_mom("data", "encode", self.root / "documents", "--codecs", tiny / "codec-text", tiny / "codec-image", "--out", self.root / "encoded")
        recipe = write_recipe(self.root / "recipe.toml", self.root / "encoded", train={"steps": 2})
        message = self.train(0, recipe=recipe)
        self.assertIn('no documents of split "validation"', message)
        self.assertIn("mom data import --validation", message)
        for arguments in ((), ("--generation",)):
            message = self.mom(3, "eval", self.run_folder, *arguments)
            for part in ("validation", '60 of "train"', "--split", "--data", "mom data import --validation"):
                self.assertIn(part, message)
        message = self.mom(2, "compare", self.run_folder, self.run_folder)
        self.assertIn("mom data import --validation", message)
        self.assertNotIn("every_steps", message)


if __name__ == "__main__":
    unittest.main()
