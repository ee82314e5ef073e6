"""Folders and machines that are odd: read-only, full, with a quota, gone in the middle, a clock that jumps, two processes at once, too little
memory. The program ends with the documented exit code and a line that names file and cause, what was there is still there, and the same
command then ends with the result of an undisturbed one, byte for byte.

Mounts are made in a mount namespace of the test's own; where that is not allowed, those tests are skipped by name. MOM_BINARY: the program;
MOM_TINY_DATA: the test program that writes tiny data; MOM_ODD: how many sizes of a disk and of a quota each command meets (2; 1: three of the commands alone). Needs a C
compiler.
"""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from verbs import BINARY, HERE, make_inputs, newest_step, tree, verbs

SIZES = int(os.environ.get("MOM_ODD", "2"))
ALL_WRITES = ("import", "import --replace", "codec train text", "encode", "train", "generate", "eval", "report", "convert")
WRITES = ALL_WRITES if SIZES > 1 else ("import --replace", "train", "report")
CGROUP = pathlib.Path("/sys/fs/cgroup/memory")  # version 1


def setUpModule():
    """Once, what all tests compare with."""
    temporary = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(temporary.cleanup)
    Odd.work = pathlib.Path(temporary.name).resolve()
    make_inputs(Odd.work / "base")
    Odd.root = Odd.work / "trial"
    Odd.verbs = {verb.name: verb for verb in verbs(Odd.work / "base")}
    for verb in (Odd.verbs[name] for name in WRITES):
        verb.prepare(Odd.root)
        verb.remember_before(Odd.root)
        before = disk_bytes(Odd.root)
        Odd.assert_well(Odd.run_verb(verb))
        verb.remember(Odd.root)
        verb.size = max(4096, disk_bytes(Odd.root) - before)
        verb.largest_file = max(path.stat().st_size for path in Odd.root.rglob("*"))


def disk_bytes(folder):
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


class Odd(unittest.TestCase):
    @classmethod
    def start(cls, verb, **options):
        return subprocess.Popen([BINARY, *verb.command(cls.root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    @classmethod
    def run_verb(cls, verb, **options):
        return cls.finish(cls.start(verb, **options))

    @staticmethod
    def finish(program):
        out, err = program.communicate(timeout=120)
        return subprocess.CompletedProcess(program.args, program.returncode, out, err)

    @staticmethod
    def assert_well(done):
        assert done.returncode == 0, f"{done.args}: exit code {done.returncode}\n{done.stderr}"

    def error_of(self, done):
        """The one line that says what is wrong."""
        lines = [line for line in done.stderr.splitlines() if "mom: error: " in line]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def assert_refused(self, done, code, *words):
        self.assertEqual(done.returncode, code, f"{done.args}\n{done.stderr}")
        for word in words:
            self.assertIn(word, self.error_of(done))

    @staticmethod
    def had_room(verb, done):
        """The sizes are guessed from the result: sometimes there is room."""
        return done.returncode == 0 and verb.is_done(Odd.root)

    def assert_nothing_between(self, verb, complete=True):
        """Old or new; where the program had the time to clear up (it was not killed), nothing hidden is left either."""
        self.assertEqual(verb.wrong_between(self.root), [])
        if complete:
            hidden = [path for path in self.root.rglob(".*") if not path.name.endswith(".lock")]
            self.assertEqual(hidden, [])

    def assert_again_well(self, verb):
        if not verb.is_done(self.root):
            self.assert_well(self.run_verb(verb))
        self.assertEqual(verb.unlike(self.root), "")


class Mounted(Odd):
    """With self.root on a small file system of its own."""

    def setUp(self):
        if "MOM_IN_NAMESPACE" not in os.environ:
            self.skipTest("NOT TESTED: no mount namespace (unshare -m) is allowed here")
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()

    def mount(self, options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "odd", self.root], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(f"NOT TESTED: no tmpfs can be mounted here: {done.stderr}")

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", self.root], check=True, capture_output=True)

    def unmount(self):
        subprocess.run(["umount", self.root], check=True, capture_output=True)

    def prepare(self, verb):
        """What is there before, on the file system."""
        other = self.root.with_name("prepared")
        self.root, mounted = other, self.root
        try:
            verb.prepare(self.root)
        finally:
            self.root = mounted
        for path in other.iterdir():
            shutil.copytree(path, self.root / path.name) if path.is_dir() else shutil.copyfile(path, self.root / path.name)

    def test_read_only(self):
        for name in WRITES:
            with self.subTest(verb=name):
                verb = self.verbs[name]
                self.mount("size=64m")
                try:
                    self.prepare(verb)
                    before = tree(self.root, hidden=True)
                    self.remount("ro")
                    self.assert_refused(self.run_verb(verb), 4, str(self.root), "Read-only file system")
                    self.assertEqual(tree(self.root, hidden=True), before)
                    self.remount("rw")
                    self.assert_again_well(verb)
                finally:
                    self.unmount()

    def test_full_disk(self):
        for name in WRITES:
            verb = self.verbs[name]
            for part in range(SIZES):
                kib = int(verb.size / 1024 * (part + 0.5) / SIZES)
                with self.subTest(verb=name, room=f"{kib} KiB"):
                    self.mount("size=64m")
                    try:
                        self.prepare(verb)
                        self.remount(f"size={disk_bytes(self.root) // 1024 + 4 * (kib // 4) + 4}k")
                        done = self.run_verb(verb)
                        if not self.had_room(verb, done):
                            self.assert_refused(done, 4, str(self.root), "No space left on device")
                        self.assert_nothing_between(verb)
                        self.remount("size=64m")
                        self.assert_again_well(verb)
                    finally:
                        self.unmount()


class Limits(Odd):
    def test_quota_of_a_file(self):
        for name in WRITES:
            verb = self.verbs[name]
            for part in range(SIZES):
                most = max(16, int(verb.largest_file * (part + 0.5) / SIZES))
                with self.subTest(verb=name, most=most):
                    verb.prepare(self.root)
                    done = self.run_verb(verb, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
                    if not self.had_room(verb, done):
                        self.assert_refused(done, 4, str(self.root), "File too large")
                    self.assert_nothing_between(verb)
                    self.assert_again_well(verb)

    def test_the_folder_goes_while_it_is_written(self):
        for name in WRITES:
            verb = self.verbs[name]
            with self.subTest(verb=name):
                verb.prepare(self.root)
                program = self.start(verb)
                hidden = verb.watched[0]
                deadline = time.monotonic() + 60
                while program.poll() is None and time.monotonic() < deadline:
                    folder = self.root / hidden
                    if newest_step(self.root / "out") if name == "train" else folder.is_dir() and any(".aside-" in each for each in os.listdir(folder)):
                        break
                    time.sleep(0.0005)
                shutil.rmtree(self.root / "out" if name == "train" else self.root, ignore_errors=True)
                done = self.finish(program)
                if done.returncode == 0 and verb.is_done(self.root):
                    continue  # it was quicker
                self.assertIn(done.returncode, (2, 3, 4), done.stderr)
                self.assertIn(str(self.root), self.error_of(done))
                verb.prepare(self.root)
                self.assert_again_well(verb)

    def test_a_clock_that_jumps(self):
        shim = self.work / "clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, HERE / "clock.c", "-ldl"], check=True)
        for name in ("train", "encode", "import --replace"):
            if name not in WRITES:
                continue
            with self.subTest(verb=name):
                verb = self.verbs[name]
                verb.prepare(self.root)
                done = self.run_verb(verb, env={**os.environ, "LD_PRELOAD": str(shim)})
                self.assert_well(done)
                self.assertEqual(verb.unlike(self.root), "")
                self.assertNotRegex(done.stderr, r"\d+ ?h\b|took -|/s, took \d{3,}|-\d+(\.\d+)?/s")
        verb = self.verbs["train"]
        verb.prepare(self.root)
        self.assert_well(self.run_verb(verb, env={**os.environ, "LD_PRELOAD": str(shim)}))
        for line in map(json.loads, (self.root / "out/metrics.jsonl").read_text().splitlines()):
            for key, value in line.items():
                if key.endswith("_s"):
                    self.assertGreaterEqual(value, 0, f"{key} of step {line['step']}")
                    self.assertTrue(key.startswith("tokens_per") or value < 60, f"{key} of step {line['step']}: {value}")

    def test_two_at_once(self):
        for name in ("train", "import", "import --replace", "encode", "codec train text"):
            if name not in WRITES:
                continue
            for delay in (0, 0.05, 0.2)[:SIZES + 1]:
                with self.subTest(verb=name, delay=delay):
                    verb = self.verbs[name]
                    verb.prepare(self.root)
                    first = self.start(verb)
                    time.sleep(delay)
                    second = self.start(verb)
                    ends = [self.finish(first), self.finish(second)]
                    for done in ends:
                        if done.returncode:
                            self.assertEqual(done.returncode, 2, done.stderr)
                            self.assertRegex(self.error_of(done), r"no other process at work in it.*process \d+ on|a new or empty folder|a new folder")
                    self.assertIn(0, [done.returncode for done in ends])
                    self.assertEqual(verb.unlike(self.root), "")

    def test_a_dry_run_refuses_what_cannot_fit(self):
        verb = self.verbs["train"]
        verb.prepare(self.root)
        large = ["--set", "model.d_model=16384", "--set", "model.layers=64"]
        done = subprocess.run([BINARY, *verb.command(self.root), *large, "--dry-run"], capture_output=True, text=True)
        self.assert_refused(done, 4, "memory", "all that this machine or control group has")
        self.assertIn("memory      about", done.stdout)
        done = subprocess.run([BINARY, *verb.command(self.root), *large], capture_output=True, text=True)
        self.assert_refused(done, 4, "memory", "for weights and optimizer")
        self.assertFalse((self.root / "out").exists())

    def test_too_little_address_space(self):
        verb = self.verbs["train"]
        verb.prepare(self.root)
        most = 1 << 30  # it starts, and has no room for this
        def limited(*arguments):
            return subprocess.run([BINARY, *arguments], capture_output=True, text=True,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)))
        while limited("--version").returncode != 0:  # the libraries of a build for GPUs need more
            most *= 2
        done = limited(*verb.command(self.root), "--set", "model.d_model=1024", "--set", "model.layers=4")
        self.assert_refused(done, 4, "out of memory")
        verb.prepare(self.root)
        self.assert_again_well(verb)

    def test_the_address_space_ends_while_it_trains(self):
        verb = self.verbs["train"]
        verb.prepare(self.root)
        program = self.start(verb)
        while program.poll() is None and newest_step(self.root / "out") == 0:
            time.sleep(0.002)
        resource.prlimit(program.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        self.assert_refused(self.finish(program), 4, "out of memory")
        self.assert_nothing_between(verb, complete=False)
        self.assertGreater(newest_step(self.root / "out"), 0)
        self.assert_again_well(verb)

    def test_a_control_group_too_small(self):
        folder = CGROUP / f"mom-odd-{os.getpid()}"
        try:
            folder.mkdir()
            (folder / "memory.limit_in_bytes").write_text(str(300 << 20))
        except OSError as error:
            self.skipTest(f"NOT TESTED: no control group with a limit of memory: {error}")
        self.addCleanup(folder.rmdir)
        verb = self.verbs["train"]
        verb.prepare(self.root)
        enter = lambda: (folder / "cgroup.procs").write_text("0")  # noqa: E731
        large = ["--set", "model.d_model=512", "--set", "model.layers=16"]
        for more in (["--dry-run"], []):
            done = subprocess.run([BINARY, *verb.command(self.root), *large, *more], capture_output=True, text=True, preexec_fn=enter)
            self.assert_refused(done, 4, "300.0 MiB")
        self.assertFalse((self.root / "out").exists())
        # What the system kills for its memory goes on with more of it.
        self.assert_again_well(verb)


def in_namespace():
    """Starts this test again in a mount namespace of its own, where one is allowed."""
    if "MOM_IN_NAMESPACE" in os.environ or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        return
    os.execvpe("unshare", ["unshare", "-m", sys.executable, *sys.argv], {**os.environ, "MOM_IN_NAMESPACE": "1"})


if __name__ == "__main__":
    in_namespace()
    unittest.main()
