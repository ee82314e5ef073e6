"""Other objectives and kept averages, as a user meets them: what a run says it predicts and keeps, and which weights are used.

Needs only the standard library. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes a tiny encoded data set.
"""

import json
import unittest

from program import run_mom, try_mom
from tensors import read_safetensors, write_safetensors
from tiny import TinyData, write_recipe


class Objectives(TinyData):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.recipe = write_recipe(cls.root / "recipe.toml", cls.root / "tiny" / "encoded", train={"steps": 6})
        cls.plain = cls.train("plain")

    @classmethod
    def train(cls, name, *settings):
        run_mom("train", cls.recipe, "--run", cls.root / name, *(word for setting in settings for word in ("--set", setting)))
        return cls.root / name

    def config(self, run):
        return json.loads((run / "checkpoints" / "step-00000006" / "config.json").read_text())

    def test_velocity(self):
        run = self.train("velocity", "objective.prediction=velocity", "objective.loss_weighting=min_snr")
        self.assertEqual([self.config(each)["prediction"] for each in (self.plain, run)], ["noise", "velocity"])
        given, out = self.root / "in.safetensors", self.root / "out.safetensors"
        write_safetensors(given, {"tokens": ("I64", [18], [2, 4] + [0] * 16), "modality": ("I64", [18], [0, 0] + [1] * 16),
                                  "patches": ("F32", [16, 16], [0.1] * 256), "timesteps": ("I64", [1], [300])})
        for each, name in ((self.plain, "noise"), (run, "velocity")):
            run_mom("forward", each, "--input", given, "--output", out)
            self.assertEqual(set(read_safetensors(out)[0]) - {"__metadata__"}, {"logits", name})
        # Both report the error of the noise: near 1, the variance of the noise, for models that know nothing yet.
        for each in (self.plain, run):
            self.assertLess(json.loads(run_mom("eval", each, "--json"))["loss"]["image"], 1.2)

    def test_average(self):
        run = self.train("average", "train.ema_decay=0.9")

        def results(run, *options):
            written = json.loads(run_mom("generate", run, "--tokens", "2,20,30", "--max-tokens", "8", "--seed", "3", "--json", *options))
            return json.loads(run_mom("eval", run, "--samples", "0", "--json", *options))["loss"], written["tokens"], written["log_probabilities"]

        self.assertEqual(results(run, "--last-weights"), results(self.plain))
        self.assertFalse((run / "evaluation.json").exists(), "an evaluation of the last weights is not the model's")
        self.assertNotEqual(results(run)[0], results(self.plain)[0])
        self.assertNotEqual(results(run)[2], results(self.plain)[2])
        for verb in (("eval",), ("generate", "--tokens", "2")):
            refused = try_mom(verb[0], self.plain, *verb[1:], "--last-weights")
            self.assertEqual(refused.returncode, 3, refused.stderr)
            self.assertIn("leave --last-weights out", refused.stderr)

    def test_keys_of_latents_without_latents(self):
        recipe = write_recipe(self.root / "codes.toml", self.root / "tiny" / "spoken" / "encoded", "three_modality")
        said = try_mom("train", recipe, "--dry-run", "--set", "objective.prediction=velocity").stderr
        self.assertIn("objective.prediction is set, but setting three_modality has no latents", said)
        self.assertNotIn("objective.loss_weighting", said)
        self.assertNotIn("latents", try_mom("train", self.recipe, "--dry-run", "--set", "objective.prediction=velocity").stderr)


if __name__ == "__main__":
    unittest.main()
