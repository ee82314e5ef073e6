"""Runs the program under test: MOM_BINARY names it (ctest sets it)."""

import os
import subprocess

BINARY = os.environ.get("MOM_BINARY", "build/release/bin/mom")


def run_mom(*arguments):
    """Runs `mom ARGUMENTS`, returns its stdout; AssertionError with its stderr when it fails."""
    command = [BINARY, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout
