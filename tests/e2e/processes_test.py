"""Several processes train one model: the bits of one, stops, deaths, and starts that do not fit.

Needs only the standard library, and torchrun where PyPI's torch brought it. MOM_BINARY: the program; MOM_TINY_DATA: the test
program that writes a tiny encoded data set.
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

from program import BINARY, free_port, place_of_rank, run_mom, try_mom
from tiny import make_data, write_recipe

STEPS = 24
TORCHRUN = pathlib.Path(os.environ["MOM_SOURCE"]) / ".venv" / "bin" / "torchrun"


def files_of(run, step=STEPS):
    folder = run / "checkpoints" / f"step-{step:08d}"
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "optimizer.safetensors", "state.json", "manifest.json")}


def metrics_of(run, keys):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: line.get(key) for key in keys} for line in lines]


class Processes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.shared = pathlib.Path(temporary.name)
        make_data(cls.shared)
        cls.recipe = write_recipe(cls.shared / "recipe.toml", cls.shared / "tiny" / "encoded", train={"steps": STEPS, "microbatches": 4},
                                  checkpoint={"every_steps": 4, "keep": 0})
        run_mom("train", cls.recipe, "--run", cls.shared / "one")
        cls.expected = files_of(cls.shared / "one")

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.run_folder = pathlib.Path(temporary.name) / "run"

    def command(self, *arguments):
        return [BINARY, "train", str(self.recipe), "--run", str(self.run_folder), *map(str, arguments)]

    def start_ranks(self, count, *arguments, timeout_s=30, of_rank=lambda rank: ()):
        port = free_port()
        ranks = []
        for rank in range(count):
            environment = {**os.environ, **place_of_rank(rank, count, port), "MOM_DIST_TIMEOUT_S": str(timeout_s)}
            ranks.append(subprocess.Popen(self.command(*arguments, *of_rank(rank)), env=environment, stderr=subprocess.PIPE, text=True))
            self.addCleanup(self.end, ranks[-1])
        return ranks

    @staticmethod
    def end(program):
        program.kill()
        program.wait()
        program.stderr.close()

    def ends(self, ranks):
        """Exit codes and last lines of stderr."""
        ended = [(program.communicate(timeout=120)[1], program.returncode) for program in ranks]
        return [code for _, code in ended], [text.strip().splitlines()[-1] if text.strip() else "" for text, _ in ended]

    def wait_for_step(self, step):
        deadline = time.monotonic() + 60
        while not (self.run_folder / "checkpoints" / f"step-{step:08d}").exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    def test_two_and_four_have_the_bits_of_one(self):
        keys = ("kind", "step", "loss", "loss_text", "loss_image", "grad_norm", "tokens", "flops", "set")
        for count, shard in ((2, "optimizer"), (4, "optimizer"), (2, "all")):
            run_mom(*self.command("--processes", count, "--set", f"train.shard={shard}")[1:])
            self.assertEqual(files_of(self.run_folder), self.expected)
            self.assertEqual(metrics_of(self.run_folder, keys), metrics_of(self.shared / "one", keys))
            last = metrics_of(self.run_folder, ("kind", "comm_s", "comm_bytes", "slowest_rank"))
            steps = [line for line in last if line["kind"] == "train"]
            self.assertTrue(all(line["comm_bytes"] > 0 and line["slowest_rank"] < count for line in steps))
            self.assertTrue((self.run_folder / "logs" / "rank-1.log").exists())
            self.assertEqual(json.loads((self.run_folder / "environment.json").read_text())["processes"], count)
            shutil.rmtree(self.run_folder)

    def test_sequence_ranks_train_as_one_process_does_to_rounding(self):
        # One sequence in each microbatch, which all cuts are inside of.
        keys = ("loss", "loss_text", "loss_image", "grad_norm", "tokens", "flops")
        long = ("--set", "data.reset_state=false", "--set", "data.sequence_tokens=256", "--set", "train.microbatches=2")
        run_mom(*self.command(*long)[1:])
        expected = metrics_of(self.run_folder, keys)
        self.assertGreater(expected[0]["loss"], 1.1 * expected[-1]["loss"])
        # The second run goes on with another number of processes, and the third alone.
        for parts in (((2, 2, "optimizer", STEPS),), ((4, 2, "all", 8), (2, 2, "optimizer", STEPS)), ((2, 2, "all", 8), (1, 1, "all", STEPS))):
            shutil.rmtree(self.run_folder)
            for count, ranks, shard, end in parts:
                done = try_mom(*self.command(*long, "--processes", count, "--resume", "--set", f"train.sequence_ranks={ranks}", "--set",
                                             f"train.shard={shard}", "--stop-at", end)[1:])
                self.assertEqual(done.returncode, 0 if end == STEPS else 75, done.stderr)
            found = metrics_of(self.run_folder, keys)
            self.assertEqual(len(found), len(expected))
            for line, (one, other) in enumerate(zip(expected, found)):
                for key in keys:
                    if one[key] is not None:
                        self.assertLessEqual(abs(other[key] - one[key]), 1e-6 * abs(one[key]), f"{key} of line {line} with {count} processes")

    def test_sequence_ranks_that_do_not_fit_are_refused_on_all(self):
        for count, changes, named in ((3, ("train.sequence_ranks=2", "train.microbatches=1"), "train.sequence_ranks"),
                                      (2, ("train.sequence_ranks=2", "model.backbone=transformer"), "attention"),
                                      (4, ("train.sequence_ranks=2", "train.microbatches=1"), "train.microbatches")):
            codes, lines = self.ends(self.start_ranks(count, *(word for change in changes for word in ("--set", change))))
            self.assertEqual(codes, [2] * count)
            for line in lines:
                self.assertIn(named, line)

    def test_a_signal_to_any_rank_stops_all_after_one_save(self):
        ranks = self.start_ranks(2)
        self.wait_for_step(4)
        ranks[1].send_signal(signal.SIGTERM)
        codes, _ = self.ends(ranks)
        self.assertEqual(codes, [75, 75])
        run_mom(*self.command("--resume")[1:])  # one process goes on
        self.assertEqual(files_of(self.run_folder), self.expected)

    def test_a_death_ends_all_and_names_the_rank(self):
        ranks = self.start_ranks(3, "--set", "train.microbatches=3")
        self.wait_for_step(4)
        ranks[2].kill()
        start = time.monotonic()
        codes, lines = self.ends(ranks)
        self.assertLess(time.monotonic() - start, 20)
        self.assertEqual(codes, [1, 1, -signal.SIGKILL])
        for line in lines[:2]:
            self.assertIn("rank 2", line)

    def test_restarts_go_on_after_a_death(self):
        program = subprocess.Popen(self.command("--processes", 2, "--restarts", 2), stderr=subprocess.PIPE, text=True)
        self.wait_for_step(4)
        children = pathlib.Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        os.kill(int(children[1]), signal.SIGKILL)
        self.addCleanup(self.end, program)
        text = program.communicate(timeout=120)[1]
        self.assertEqual(program.returncode, 0, text)
        self.assertEqual(files_of(self.run_folder), self.expected)

    def test_a_stalled_rank_ends_the_others_in_time(self):
        ranks = self.start_ranks(2, timeout_s=3)
        self.wait_for_step(4)
        ranks[1].send_signal(signal.SIGSTOP)
        start = time.monotonic()
        text = ranks[0].communicate(timeout=60)[1]
        self.assertEqual(ranks[0].returncode, 1, text)
        self.assertLess(time.monotonic() - start, 20)
        self.assertIn("rank 1", text.strip().splitlines()[-1])

    def test_what_differs_between_ranks_is_named_on_all(self):
        codes, lines = self.ends(self.start_ranks(2, of_rank=lambda rank: ("--set", f"train.learning_rate={rank + 1}e-3")))
        self.assertEqual(codes, [2, 2])
        for line in lines:
            self.assertIn("learning_rate", line)
        other = self.shared / "other"
        if not other.exists():
            shutil.copytree(self.shared / "tiny" / "spoken" / "encoded", other)
        codes, lines = self.ends(self.start_ranks(2, "--set", "setting=three_modality",
                                                  of_rank=lambda rank: ("--set", f"data.path={(other, self.shared / 'missing')[rank]}")))
        self.assertEqual(codes, [3, 3])
        for line in lines:
            self.assertIn("rank 1", line)

    def test_counts_that_do_not_divide_are_refused(self):
        for count, microbatches in ((3, 4), (2, 6)):
            done = try_mom(*self.command("--processes", count, "--set", f"train.microbatches={microbatches}", "--set", "data.batch_tokens=768")[1:])
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("train.microbatches", done.stderr)
            shutil.rmtree(self.run_folder)

    def test_a_run_that_is_there_is_refused_on_all(self):
        shutil.copytree(self.shared / "one", self.run_folder)
        codes, lines = self.ends(self.start_ranks(2))
        self.assertEqual(codes, [2, 2])
        for line in lines:
            self.assertIn("--resume", line)

    def test_a_partial_environment_is_refused(self):
        environment = {**os.environ, "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
        done = subprocess.run(self.command(), env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("MASTER_ADDR", done.stderr)

    @unittest.skipUnless(TORCHRUN.exists(), "no torchrun")
    def test_torchrun(self):
        subprocess.run([TORCHRUN, "--no-python", "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--",
                        *self.command()], check=True, capture_output=True, timeout=300)
        self.assertEqual(files_of(self.run_folder), self.expected)


if __name__ == "__main__":
    unittest.main()
