"""Made-up studies and the repository's scripts, for the tests of this folder. Needs only the standard library."""

import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class MadeStudies(unittest.TestCase):
    """Has made-up studies in `root`, a folder of its own."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        subprocess.run([os.environ["MOM_FAKE_STUDIES"], str(cls.root)], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()


def script(name, *arguments, **environment):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([str(ROOT / "scripts" / name), *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr
