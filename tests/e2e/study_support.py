"""A miniature study, and how to kill one: shared by study_test.py and study_kill_slow_test.py. Needs only the standard library."""

import os
import pathlib
import signal
import subprocess
import time

from program import BINARY, newest_step
from tiny import make_data, write_recipe

STUDY = """
title = "Miniature"
recipes = ["{recipe}"]
seeds = [1, 2]
runs_at_once = 2
"""


def write_study(root, steps):
    """Tiny data, recipe and study below `root`; returns the study's file."""
    make_data(root)
    recipe = write_recipe(root / "recipe.toml", root / "tiny" / "encoded", data={"batch_tokens": 256}, train={"steps": steps},
                          eval={"every_steps": 10}, checkpoint={"every_steps": 4})
    study = root / "study.toml"
    study.write_text(STUDY.format(recipe=recipe))
    return study


def start(study, out, *arguments):
    """The study in a process group of its own."""
    return subprocess.Popen([BINARY, "study", str(study), "--out", str(out), *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(study, out, *arguments, code=0):
    """Runs it to its end; returns (stdout, stderr)."""
    program = start(study, out, *arguments)
    texts = program.communicate(timeout=600)
    assert program.returncode == code, f"exit code {program.returncode}, not {code}\n{texts[1]}"
    return texts


def steps_saved(out):
    """Of all runs of the study, one number a run."""
    return [newest_step(run) for run in sorted((out / "runs").glob("*"))]


def kill_once(study, out, draw, further):
    """Starts or goes on, and kills the process group at a random moment; returns whether it was still at work then.

    One kill in four falls anywhere in the start, however slow the machine; the others when up to `further` more steps are saved.
    """
    program = start(study, out)
    early = draw.random() < 0.25
    target = sum(steps_saved(out)) + (0 if early else draw.randint(1, further))
    while program.poll() is None and sum(steps_saved(out)) < target:
        time.sleep(0.005)
    try:
        program.communicate(timeout=draw.uniform(0, 1.5 if early else 0.2))
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate()
        return True
    assert program.returncode == 0, f"exit code {program.returncode} after a kill"
    return False


def wait_for(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what} in vain"
        time.sleep(0.01)


def results_of(out):
    return (pathlib.Path(out) / "results.json").read_bytes()
