"""The wheel under other versions of torch, each installed in an environment of its own, where the tests of the ops run: the oldest that it
is for, the newest, and the newest CPU build.

A version of which the configured registries have no CPU build is left out: the others are gigabytes. MOM_TORCH_GIGABYTES=1 takes them all
the same, and MOM_TORCH_VERSIONS=2.10.0,2.12.1 names others.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from wheel_test import FreshEnvironment, find_wheel

HERE = pathlib.Path(__file__).resolve().parent
OLDEST = "2.10.0"


def pip(*arguments):
    return subprocess.run([sys.executable, "-m", "pip", *arguments, "--disable-pip-version-check"], check=True, capture_output=True, text=True).stdout


def requirements():
    if named := os.environ.get("MOM_TORCH_VERSIONS"):
        return [f"torch=={version}" for version in named.split(",")]
    known = re.search(r"Available versions: (.*)", pip("index", "versions", "torch"))[1].split(", ")
    return [f"torch=={OLDEST}", "torch", *[f"torch=={version}" for version in known if "+cpu" in version][:1]]


def what_pip_would_install(requirement):
    """Names of packages -> versions."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        pip("install", "--dry-run", "--ignore-installed", "--report", report, requirement)
        packages = json.loads(report.read_text())["install"]
    return {package["metadata"]["name"]: package["metadata"]["version"] for package in packages}


class Versions(unittest.TestCase):
    def test_versions(self):
        ran = []
        for requirement in requirements():
            try:
                packages = what_pip_would_install(requirement)
            except subprocess.CalledProcessError as error:
                print(f"{requirement}: left out, it cannot be installed: {error.stderr.strip().splitlines()[-1]}")
                continue
            if any(name.startswith(("nvidia", "cuda", "triton")) for name in packages) and not os.environ.get("MOM_TORCH_GIGABYTES"):
                print(f"torch {packages['torch']}: left out, no CPU build of it is to be had")
                continue
            with self.subTest(torch=packages["torch"]), tempfile.TemporaryDirectory() as folder:
                environment = FreshEnvironment(folder)
                environment.install(requirement, find_wheel())
                for test in ("ops_test", "tracing_test", "refusals_test", "published_test"):
                    done = environment.run(HERE / f"{test}.py")
                    self.assertEqual(done.returncode, 0, f"{test}: {done.stderr}")
                used = environment.run("-c", "import torch; print(torch.__version__)").stdout.strip()
                self.assertEqual(used.split("+")[0], packages["torch"].split("+")[0])
                ran.append(packages["torch"])
        print("ran with torch", *ran)
        if not ran:
            self.skipTest("no version has a CPU build here")


if __name__ == "__main__":
    unittest.main(verbosity=2)
