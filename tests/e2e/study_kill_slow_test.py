"""SIGKILL to a study's process group at 10 random moments, gone on with each time: results.json is that of an uninterrupted study, byte
for byte. MOM_KILL_SEED repeats a schedule of kills (it is printed). Needs only the standard library.
"""

import os
import pathlib
import random
import tempfile

from study_support import finish, kill_once, results_of, steps_saved, write_study

NUM_KILLS = 10
STEPS = 150


def main():
    seed = int(os.environ.get("MOM_KILL_SEED", random.SystemRandom().randrange(2**32)))
    print(f"MOM_KILL_SEED={seed}")
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        study = write_study(root, STEPS)
        finish(study, root / "whole")
        attempt, kills, steps = 0, 0, []
        while kills < NUM_KILLS:
            out = root / f"killed-{attempt}"
            if kill_once(study, out, draw, STEPS):
                kills += 1
                steps.append(steps_saved(out))
                continue
            assert results_of(out) == results_of(root / "whole"), "results differ"
            attempt += 1  # it got to its end: go on with a fresh one
        finish(study, out)
        assert results_of(out) == results_of(root / "whole"), "results differ"
        print(f"{kills} kills; newest checkpoints at each: {steps}; {attempt} studies ended in between")
        assert sum(any(0 < step < STEPS for step in each) for each in steps) >= NUM_KILLS // 4, "too few kills fell into training"
    print("results are equal byte for byte")


if __name__ == "__main__":
    main()
