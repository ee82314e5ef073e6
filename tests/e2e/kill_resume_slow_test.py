"""`kill -9` at 20 random moments of `mom train`, resumed each time: the final weights are those of an uninterrupted run, byte for byte.

Needs only the standard library. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes a tiny encoded data set.
MOM_KILL_SEED repeats a schedule of kills (it is printed).
"""

import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from program import BINARY, newest_step
from tiny import make_data, write_recipe

NUM_KILLS = 20
STEPS = 120
CHECKPOINT_STEPS = 3


def start(recipe, run, log):
    command = [BINARY, "train", str(recipe), "--run", str(run), "--resume", "--set", "data.mixture={ shapes = 0.6, words = 0.4 }"]
    return subprocess.Popen(command, stdout=log, stderr=log)


def train_to_the_end(recipe, run, log):
    start_s = time.monotonic()
    code = start(recipe, run, log).wait(timeout=900)
    assert code == 0, f"mom train ended with exit code {code}; log: {log.name}"
    return time.monotonic() - start_s


def final_weights(run):
    folder = run / "checkpoints" / f"step-{STEPS:08d}"
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "optimizer.safetensors")}


def kill_once(recipe, run, log, draw):
    """Starts or resumes, kills at a random moment; returns whether the program was still running then.

    One kill in four falls anywhere in the start; the others after one or two further checkpoints, in the steps or the save that follow.
    """
    program = start(recipe, run, log)
    further_steps = draw.choice((0, CHECKPOINT_STEPS, CHECKPOINT_STEPS, 2 * CHECKPOINT_STEPS))
    target_step = newest_step(run) + further_steps
    while program.poll() is None and newest_step(run) < target_step:
        time.sleep(0.002)
    try:
        code = program.wait(timeout=draw.uniform(0, 0.2 if further_steps else 1.0))
    except subprocess.TimeoutExpired:
        program.send_signal(signal.SIGKILL)
        program.wait()
        return True
    assert code == 0, f"mom train failed with exit code {code} after a kill; log: {log.name}"
    return False


def kill_many_times(recipe, run, log, draw):
    """Kills and resumes; goes on with a fresh run when one got to its end. Returns the last run, trained to its end."""
    at_steps, finished = [], 0
    while len(at_steps) < NUM_KILLS:
        if kill_once(recipe, run, log, draw):
            at_steps.append(newest_step(run))
            continue
        check_equal(run)
        finished += 1
        run = run.with_name(f"killed-{finished}")
    train_to_the_end(recipe, run, log)
    print(f"{len(at_steps)} kills; newest checkpoint at each: {at_steps}; {finished} runs ended in between")
    assert len({step for step in at_steps if 0 < step < STEPS}) >= NUM_KILLS // 4, \
        "too few kills fell into training: this shows nothing"
    return run


def check_equal(run):
    expected = final_weights(run.parent / "uninterrupted")
    for name, content in final_weights(run).items():
        assert content == expected[name], f"{name} of {run} differs from the uninterrupted run's"


def main():
    seed = int(os.environ.get("MOM_KILL_SEED", random.SystemRandom().randrange(2**32)))
    print(f"MOM_KILL_SEED={seed}")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_data(folder)
        # 256 tokens a step: a few milliseconds a step, a checkpoint every third.
        recipe = write_recipe(folder / "recipe.toml", folder / "tiny" / "encoded", model={"backbone": "mixture_of_mamba"},
                              data={"batch_tokens": 256}, train={"steps": STEPS}, eval={"every_steps": 40},
                              checkpoint={"every_steps": CHECKPOINT_STEPS, "keep": 2})
        log_path = folder / "train.log"
        with open(log_path, "w") as log:
            try:
                whole_s = train_to_the_end(recipe, folder / "uninterrupted", log)
                print(f"uninterrupted: {whole_s:.1f} s")
                check_equal(kill_many_times(recipe, folder / "killed", log, random.Random(seed)))
            except AssertionError:
                sys.stderr.write(log_path.read_text()[-4000:])
                raise
    print("final weights and optimizer state are equal byte for byte")


if __name__ == "__main__":
    main()
