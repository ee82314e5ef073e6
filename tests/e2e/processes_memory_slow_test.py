"""Memory of each process of a run: what `mom train --dry-run` and `mom plan` say, and a model that only fits when it is shared out.

Needs only the standard library. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes a tiny encoded data set.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from program import BINARY, free_port, place_of_rank, run_mom
from tiny import make_data, write_recipe

# 109 million parameters: 1.7 GB for weights, gradient and moments in one process.
MODEL = {"d_model": 512, "layers": 16}
STEPS = 2
CASES = ((1, "optimizer"), (2, "optimizer"), (4, "optimizer"), (2, "all"), (4, "all"))
# One sequence of 16,384 tokens in a step: its activations take most of the memory of a process.
LONG = {"model": {"d_model": 256, "layers": 2}, "data": {"sequence_tokens": 16384, "batch_tokens": 16384, "reset_state": False}}
CGROUPS = pathlib.Path("/sys/fs/cgroup")


class MemoryLimit:
    """A cgroup (version 2 or 1) with a limit. OSError where this user may not make one."""

    def __init__(self, limit):
        old = (CGROUPS / "memory" / "memory.limit_in_bytes").exists()
        self.folder = (CGROUPS / "memory" if old else CGROUPS) / f"mom-test-{os.getpid()}-{limit}"
        self.folder.mkdir()
        try:
            (self.folder / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(limit))
        except OSError:
            self.remove()
            raise

    def enter(self):
        """Of the process that calls it."""
        (self.folder / "cgroup.procs").write_text("0")

    def remove(self):
        self.folder.rmdir()


class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.shared = pathlib.Path(temporary.name)
        make_data(cls.shared)

    def recipe(self, shard, **train):
        return write_recipe(self.shared / f"{shard}.toml", self.shared / "tiny" / "encoded", model=MODEL,
                            train={"steps": STEPS, "microbatches": 4, "shard": shard, **train}, eval={"every_steps": 1000},
                            checkpoint={"every_steps": 1000})

    def train(self, count, recipe, limits=()):
        """Exit codes and peaks of resident memory by rank; the run's folder."""
        run, port = self.shared / "run", free_port()
        shutil.rmtree(run, ignore_errors=True)
        ranks = []
        for rank in range(count):
            ranks.append(subprocess.Popen([BINARY, "train", recipe, "--run", run], env={**os.environ, **place_of_rank(rank, count, port)},
                                          stderr=subprocess.DEVNULL, preexec_fn=limits[rank].enter if limits else None))
        codes, peaks = [], []
        for program in ranks:
            _, status, usage = os.wait4(program.pid, 0)
            program.returncode = os.waitstatus_to_exitcode(status)
            codes.append(program.returncode)
            peaks.append(usage.ru_maxrss * 1024)
        return codes, peaks, run

    @staticmethod
    def files(run):
        """The manifest, which has their hashes: a child's peak begins at what this process has in memory."""
        return json.loads((run / "checkpoints" / f"step-{STEPS:08d}" / "manifest.json").read_text())["files"]

    def test_peaks_are_those_planned_and_files_those_of_one(self):
        expected = None
        for count, shard in CASES:
            with self.subTest(count=count, shard=shard):
                recipe = self.recipe(shard)
                dry = json.loads(run_mom("train", recipe, "--dry-run", "--processes", count, "--json"))["memory_bytes"]
                plan = json.loads(run_mom("plan", recipe, "--gpus", count, "--json"))["memory_bytes"]
                self.assertLess(abs(dry["peak"] / plan["peak"] - 1), 0.01)
                codes, peaks, run = self.train(count, recipe)
                self.assertEqual(codes, [0] * count)
                print(f"{count} {shard}: peaks", *(f"{peak / 1e6:.0f}" for peak in peaks), f"MB, planned {dry['peak'] / 1e6:.0f} MB", flush=True)
                self.assertLess(abs(max(peaks) / dry["peak"] - 1), 0.1)
                files = self.files(run)
                expected = expected or files
                self.assertEqual(files, expected)

    def test_activations_of_a_long_sequence_are_shared_out(self):
        activations = []
        for count in (1, 2, 4):
            with self.subTest(count=count):
                recipe = write_recipe(self.shared / "long.toml", self.shared / "tiny" / "encoded", **LONG,
                                      train={"steps": STEPS, "sequence_ranks": count}, eval={"every_steps": 1000, "max_tokens": 512},
                                      checkpoint={"every_steps": 1000})
                dry = json.loads(run_mom("train", recipe, "--dry-run", "--processes", count, "--json"))["memory_bytes"]
                codes, peaks, _ = self.train(count, recipe)
                self.assertEqual(codes, [0] * count)
                print(f"{count} sequence ranks: peaks", *(f"{peak / 1e6:.0f}" for peak in peaks), f"MB, planned {dry['peak'] / 1e6:.0f} MB",
                      flush=True)
                self.assertLess(max(peaks), dry["peak"])
                self.assertGreater(max(peaks), 0.8 * dry["peak"])
                activations.append(max(peaks) - dry["process"] - dry["state"])
        self.assertLess(activations[1], 0.6 * activations[0])
        self.assertLess(activations[2], 0.35 * activations[0])

    def test_what_one_process_has_no_room_for_four_train(self):
        limit = 1000 << 20
        limits = []
        try:
            for rank in range(4):
                limits.append(MemoryLimit(limit + rank))
                self.addCleanup(limits[-1].remove)
        except OSError as error:
            self.skipTest(f"NOT TESTED: no cgroup with a limit of memory: {error}")
        codes, _, _ = self.train(1, self.recipe("all"), limits[:1])
        self.assertEqual(codes, [4])  # before it begins: weights and moments alone are more
        codes, _, _ = self.train(4, self.recipe("all"), limits)
        self.assertEqual(codes, [0, 0, 0, 0])


if __name__ == "__main__":
    unittest.main()
