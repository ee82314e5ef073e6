"""Made-up studies and the repository's scripts, for the tests of this folder. Needs only the standard library."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def make_studies(folder):
    subprocess.run([os.environ["MOM_FAKE_STUDIES"], str(folder)], check=True)


def script(name, *arguments, **environment):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([str(ROOT / "scripts" / name), *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr
