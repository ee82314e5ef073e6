"""Deaths and stalls of a random rank at a random moment of a run on two or four processes, sharded either way: nobody hangs, the next start goes on, and
the final weights are those of an undisturbed run of one process, byte for byte.

Needs only the standard library. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes a tiny encoded data set.
MOM_KILLS and MOM_STALLS: how many of each (10 and 10); MOM_KILL_SEED repeats a schedule (it is printed).
"""

import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from program import BINARY, free_port, newest_step, place_of_rank
from tiny import make_data, write_recipe

NUM_KILLS = int(os.environ.get("MOM_KILLS", 10))
NUM_STALLS = int(os.environ.get("MOM_STALLS", 10))
STEPS = 90
CHECKPOINT_STEPS = 3
TIMEOUT_S = 3
END_S = 30  # the others must have ended by then: the timeout, two seconds to find out who it was, and a busy machine


def start(recipe, run, log, count, shard="optimizer"):
    port = free_port()
    command = [BINARY, "train", str(recipe), "--run", str(run), "--resume", "--set", f"train.shard={shard}"]
    ranks = []
    for rank in range(count):
        environment = {**os.environ, **place_of_rank(rank, count, port), "MOM_DIST_TIMEOUT_S": str(TIMEOUT_S)}
        ranks.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
    return ranks


def final_files(run):
    folder = run / "checkpoints" / f"step-{STEPS:08d}"
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "optimizer.safetensors", "state.json")}


def disturb(recipe, run, log, draw, stall):
    """Starts or resumes, disturbs one rank; returns whether the run was still under way."""
    count = draw.choice((2, 4))
    ranks = start(recipe, run, log, count, draw.choice(("optimizer", "all")))
    further_steps = draw.choice((0, CHECKPOINT_STEPS, 2 * CHECKPOINT_STEPS))
    target_step = newest_step(run) + further_steps
    while all(rank.poll() is None for rank in ranks) and newest_step(run) < target_step:
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.3 if further_steps else 1.5))
    victim = draw.choice(ranks)
    under_way = all(rank.poll() is None for rank in ranks)
    victim.send_signal(signal.SIGSTOP if stall else signal.SIGKILL)
    deadline = time.monotonic() + END_S
    try:
        codes = [rank.wait(timeout=max(0.1, deadline - time.monotonic())) for rank in ranks if rank is not victim]
    except subprocess.TimeoutExpired:
        raise AssertionError(f"a rank was still there {END_S} s after rank {ranks.index(victim)} of {count} was "
                             f"{'stopped' if stall else 'killed'}") from None
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    # Those that were at their end already end well, and those that wait for the others to leave may.
    assert all(code in (0, 1, 2) for code in codes), codes
    return under_way


def main():
    seed = int(os.environ.get("MOM_KILL_SEED", random.SystemRandom().randrange(2**32)))
    print(f"MOM_KILL_SEED={seed}", flush=True)
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_data(folder)
        recipe = write_recipe(folder / "recipe.toml", folder / "tiny" / "encoded", model={"backbone": "mixture_of_mamba"},
                              data={"batch_tokens": 512, "sequence_tokens": 128}, train={"steps": STEPS, "microbatches": 4},
                              eval={"every_steps": 40}, checkpoint={"every_steps": CHECKPOINT_STEPS, "keep": 2})
        log_path = folder / "train.log"
        with open(log_path, "w") as log:
            try:
                whole, = start(recipe, folder / "whole", log, 1)
                assert whole.wait(timeout=600) == 0
                expected = final_files(folder / "whole")
                plan = ["kill"] * NUM_KILLS + ["stall"] * NUM_STALLS
                draw.shuffle(plan)
                run, number, at_steps = folder / "run-0", 0, []
                while plan:
                    if newest_step(run) == STEPS:
                        assert final_files(run) == expected, f"{run} differs from the undisturbed run"
                        number += 1
                        run = folder / f"run-{number}"
                    if disturb(recipe, run, log, draw, plan[-1] == "stall"):
                        at_steps.append((plan.pop(), newest_step(run)))
                ranks = start(recipe, run, log, 2 if newest_step(run) < STEPS else 1)
                assert [rank.wait(timeout=600) for rank in ranks] == [0] * len(ranks)
                assert final_files(run) == expected, f"{run} differs from the undisturbed run"
                print(f"{len(at_steps)} disturbances over {number + 1} runs: {at_steps}")
                assert len([step for _, step in at_steps if 0 < step < STEPS]) >= len(at_steps) // 3, "too few fell into training: this shows nothing"
            except AssertionError:
                sys.stderr.write(log_path.read_text()[-4000:])
                raise
    print("final weights and optimizer state are equal byte for byte")


if __name__ == "__main__":
    main()
