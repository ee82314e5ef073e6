"""`mom study` at miniature size: a grid completes; killed or stopped anywhere, the same command ends with the same results; a run that
fails takes no other with it.

Needs only the standard library. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes a tiny encoded data set.
MOM_KILL_SEED repeats a schedule of kills (it is printed).
"""

import json
import os
import pathlib
import random
import signal
import tempfile
import unittest

from study_support import finish, kill_once, newest_step, results_of, start, wait_for, write_study

STEPS = 24
RUNS = ["recipe-mamba-1", "recipe-mixture_of_mamba-1", "recipe-mamba-2", "recipe-mixture_of_mamba-2"]


class Study(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        cls.study = write_study(cls.root, STEPS)
        cls.whole = cls.root / "whole"
        cls.page, cls.progress = finish(cls.study, cls.whole)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_a_grid_completes(self):
        results = json.loads(results_of(self.whole))
        self.assertEqual(list(results["runs"]), RUNS)
        self.assertEqual({run["state"] for run in results["runs"].values()}, {"finished"})
        arm = results["groups"]["recipe"]["arms"]["mixture_of_mamba"]
        self.assertEqual(arm["seeds"], [1, 2])
        for modality in ("image", "text", "overall"):
            row = arm["sets"]["shapes"][modality]
            for key in ("dense_loss", "mix_loss", "gain", "flops_to_match", "flops_to_match_slope", "tokens_to_match"):
                self.assertEqual(len(row[key]["values"]), 2, key)
            # The losses are those of mom eval.
            for seed in (1, 2):
                run = self.whole / "runs" / f"recipe-mixture_of_mamba-{seed}"
                losses = json.loads((run / "evaluation.json").read_text())["sets"]["shapes"]
                if modality != "overall":
                    self.assertEqual(row["mix_loss"]["values"][seed - 1], losses["loss"][modality])
            self.assertEqual(row["gain"]["interval"], sorted(row["gain"]["values"]))
        for run in results["runs"].values():
            self.assertLessEqual(len(run["curves"]["train"]["step"]), 200)
            self.assertEqual(run["resolved_recipe"]["train.steps"], str(STEPS))
        timing = json.loads((self.whole / "timing.json").read_text())
        self.assertGreater(timing["runs"]["recipe-mamba-1"]["tokens_per_s"], 0)
        self.assertGreater(timing["runs"]["recipe-mamba-1"]["peak_rss_bytes"], 1e7)
        self.assertEqual((self.whole / "README.md").read_text(), self.page)
        self.assertIn("| recipe | Mixture-of-Mamba | shapes | image |", self.page)
        self.assertTrue((self.whole / "logs" / "recipe-mamba-1.log").exists())

    def test_finished_runs_are_not_redone(self):
        metrics = self.whole / "runs" / RUNS[0] / "metrics.jsonl"
        before, results = metrics.stat().st_mtime_ns, results_of(self.whole)
        out, err = finish(self.study, self.whole, "--json")
        self.assertIn("4 finished already", err)
        self.assertEqual(metrics.stat().st_mtime_ns, before)
        self.assertEqual(results_of(self.whole), results)
        self.assertEqual(json.loads(out), json.loads(results))

    def test_killed_anywhere_it_ends_with_the_same_results(self):
        seed = int(os.environ.get("MOM_KILL_SEED", random.SystemRandom().randrange(2**32)))
        print(f"MOM_KILL_SEED={seed}")
        draw, out = random.Random(seed), self.root / "killed"
        kills = sum(kill_once(self.study, out, draw, STEPS) for _ in range(4))
        finish(self.study, out)
        self.assertGreater(kills, 0)
        self.assertEqual(results_of(out), results_of(self.whole))

    def test_killed_before_the_first_checkpoint(self):
        """The log has lines of a run that begins anew: each step is there once in the end."""
        out, once = self.root / "early", ("--set", "checkpoint.every_steps=1000", "--set", "train.steps=100", "--set", "seeds=[1]")
        program, metrics = start(self.study, out, *once), out / "runs" / RUNS[0] / "metrics.jsonl"
        wait_for(lambda: metrics.exists() and '"train"' in metrics.read_text(), "a step")
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate()
        self.assertEqual(newest_step(metrics.parent), 0)
        finish(self.study, out, *once)
        curves = json.loads(results_of(out))["runs"][RUNS[0]]["curves"]
        self.assertEqual(curves["held_out"]["shapes"]["step"], list(range(0, 101, 10)))
        self.assertEqual(curves["train"]["step"], list(range(1, 101)))

    def test_stopped_after_a_good_save(self):
        out = self.root / "stopped"
        # Long enough to be still at work when the signal comes.
        longer = ("--set", "train.steps=5000", "--set", "eval.every_steps=100000", "--set", "seeds=[1]", "--set", "backbones=[\"mamba\"]")
        program = start(self.study, out, *longer)
        run = out / "runs" / RUNS[0]
        wait_for(lambda: newest_step(run) > 0, "a checkpoint")
        program.send_signal(signal.SIGTERM)
        _, err = program.communicate(timeout=60)
        self.assertEqual(program.returncode, 75, err)
        steps = sum('"train"' in line for line in (run / "metrics.jsonl").read_text().splitlines())
        self.assertEqual(steps, newest_step(run))  # the step that ran was saved
        self.assertEqual(json.loads(results_of(out))["runs"][RUNS[0]]["state"], "unfinished")
        # Another study in the same folder, from other settings.
        _, err = finish(self.study, out, *longer, "--set", "train.learning_rate=1e-3", code=2)
        self.assertIn("as it was started with", err)

    def test_two_studies_in_one_folder(self):
        out = self.root / "twice"
        program = start(self.study, out, "--set", "train.steps=100000", "--set", "seeds=[1]")
        wait_for(lambda: (out / "runs" / RUNS[0]).exists(), "a run")
        _, err = finish(self.study, out, code=2)
        self.assertIn(f"process {program.pid} on ", err)
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate()

    def test_a_failing_run_is_reported_and_the_rest_goes_on(self):
        study = self.root / "failing.toml"
        study.write_text(self.study.read_text().replace("seeds = [1, 2]", "seeds = [1]") +
                         '[[variant]]\nname = "wide"\nset = ["model.d_model=0"]\n[[variant]]\nname = "fine"\nset = []\n')
        out = self.root / "failing"
        page, err = finish(study, out, code=2)
        self.assertEqual(len([line for line in err.splitlines() if "mom: error:" in line]), 1, err)
        self.assertIn("2 of 4 runs failed", err)
        self.assertIn("d_model: expected 1 to", err)
        results = json.loads(results_of(out))
        states = {name: run["state"] for name, run in results["runs"].items()}
        self.assertEqual(states, {"recipe-wide-mamba-1": "failed", "recipe-wide-mixture_of_mamba-1": "failed",
                                  "recipe-fine-mamba-1": "finished", "recipe-fine-mixture_of_mamba-1": "finished"})
        self.assertIn("d_model: expected 1 to", results["runs"]["recipe-wide-mamba-1"]["error"])
        self.assertIn("recipe-wide-mamba-1 failed", page)
        self.assertIn("image", results["groups"]["recipe-fine"]["arms"]["mixture_of_mamba"]["sets"]["shapes"])

    def test_plan_is_a_prediction(self):
        plan = json.loads(finish(self.study, self.root / "plan", "--plan", "--json", "--set", "seeds=[1]")[0])
        self.assertTrue(plan["prediction"])
        self.assertEqual(len(plan["models"]), 2)
        self.assertGreater(plan["seconds"], 0)
        self.assertGreater(plan["memory_bytes"], 2e7)
        self.assertFalse((self.root / "plan").exists())
        # Nothing is left to do in a finished study.
        text, _ = finish(self.study, self.whole, "--plan")
        self.assertIn("4 finished", text)
        self.assertIn("prediction", text)

    def test_wrong_studies(self):
        for assignment, answer in (("seed=1", "did you mean \"seeds\"?"), ("seeds=[]", "at least one seed"), ("model.backbone=mamba", "backbones")):
            self.assertIn(answer, finish(self.study, self.root / "x", "--set", assignment, code=2)[1])
        self.assertFalse((self.root / "x").exists())


if __name__ == "__main__":
    unittest.main()
