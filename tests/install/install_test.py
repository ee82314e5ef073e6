"""`cmake --install` and find_package(mom): the installed tree at another place than it was installed to, without the build.

MOM_BUILD, MOM_SOURCE: the trees; MOM_TORCH: the LibTorch of the build; CMAKE, CXX: what builds the consumers.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["MOM_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests/e2e"))

from program import run_mom  # noqa: E402
from tiny import make_data, write_recipe  # noqa: E402


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=200, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        run(os.environ["CMAKE"], "--install", os.environ["MOM_BUILD"], "--prefix", cls.root / "first")
        cls.prefix = cls.root / "elsewhere"
        (cls.root / "first").rename(cls.prefix)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def libraries(self, file):
        """Where the loader finds what a file needs, but for the system's."""
        found = re.findall(r"(\S+) => (\S+)", run("ldd", file))
        self.assertTrue(found)
        return {name: pathlib.Path(path) for name, path in found if not path.startswith(("/lib/", "/usr/lib/"))}

    def consumer(self, part, *options):
        build = self.root / part
        run(os.environ["CMAKE"], "-S", SOURCE / "tests/install/consumer", "-B", build, f"-DPART={part}", f"-DCMAKE_PREFIX_PATH={self.prefix}",
            "-DCMAKE_BUILD_TYPE=Debug", *options)
        run(os.environ["CMAKE"], "--build", build)
        return build / part

    def test_programs_need_nothing_of_the_build(self):
        version = run(os.environ["MOM_BINARY"], "--version")
        for program in ("mom", "mom-bench", "mom-quickstart-data"):
            for name, path in self.libraries(self.prefix / "bin" / program).items():
                self.assertEqual(path.resolve().parent, self.prefix / "lib/mom", (program, name))
        self.assertEqual(run(self.prefix / "bin/mom", "--version", env={"PATH": "/usr/bin"}), version)
        self.assertTrue(json.loads(run(self.prefix / "bin/mom", "doctor", "--json", env={"PATH": "/usr/bin"}))["ok"])
        self.assertIn("usage", run(self.prefix / "bin/mom", "bench", "--help").lower())  # it starts another program

    def test_what_else_is_there(self):
        names = {str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*") if path.is_file()}
        for name in ("include/mom/engine/engine.h", "lib/cmake/mom/mom-config.cmake", "share/mom/configs/transfusion.toml", "share/man/man1/mom.1.gz",
                     "share/doc/mom/LICENSE", "share/doc/mom/NOTICE", "share/doc/mom/docs/serve.md", "share/doc/mom/licenses/libtorch/LICENSE",
                     "share/doc/mom/licenses/preact/LICENSE"):
            self.assertIn(name, names)

    def test_a_program_generates(self):
        make_data(self.root)
        model = self.root / "run"
        recipe = write_recipe(self.root / "tiny.toml", self.root / "tiny/encoded", train={"steps": 2, "warmup_steps": 0})
        run_mom("train", recipe, "--run", model)
        expected = json.loads(run_mom("generate", model, "--prompt", "red disc", "--max-tokens", 12, "--seed", 3, "--json"))["text"]
        program = self.consumer("engine", "-DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON")
        self.assertEqual(run(program, model, "red disc"), expected)
        failed = subprocess.run([program, self.root / "nothing", "x"], capture_output=True, text=True, timeout=60)
        self.assertIn(f"{self.root}/nothing", failed.stderr)  # what() of an exception nobody caught

    def test_a_program_calls_an_op(self):
        self.assertEqual(run(self.consumer("ops", f"-DTorch_DIR={os.environ['MOM_TORCH']}/share/cmake/Torch")), "5\n")

    def test_ops_without_libtorch_say_so(self):
        with self.assertRaisesRegex(AssertionError, "mom::ops needs LibTorch 2"):
            self.consumer("ops", "-DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON")


if __name__ == "__main__":
    unittest.main()
