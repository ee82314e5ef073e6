"""The power goes at a system call of a command that changes the disk, and what was not synced is lost (power.py): afterwards there is the old or
the new, never neither nor anything between, and the same command again ends with the result of an undisturbed one, byte for byte. Once a
command has ended well, its result survives.

MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny data; MOM_CUTS: at how many calls of each command, spread over them
(6; all: 0), each for both ways of losing (fewer than 4: for one in turn). MOM_CUT="VERB,NUMBER,WAY" repeats one trial, whose line is printed where something is wrong. Needs
a C compiler.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import power
from verbs import BINARY, SAVE_STEPS, make_inputs, newest_step, verbs

CUTS = int(os.environ.get("MOM_CUTS", "6"))
NOT_HERE = ("train --processes", "study")  # several processes, of which each would record its own


def run(verb, root, **environment):
    return subprocess.run([BINARY, *verb.command(root)], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300)


class Bench:
    """The folders of the trials, and the shim."""

    def __init__(self, work):
        self.root, self.shadow, self.log, self.shim = work / "trial", work / "shadow", work / "calls", power.build(work)

    def run(self, verb, number):
        """The command, killed at call `number`, or (0) to its end."""
        verb.prepare(self.root)
        power.begin(self.root, self.shadow)
        self.log.unlink(missing_ok=True)
        return run(verb, self.root, LD_PRELOAD=str(self.shim), MOM_FAULT_ROOT=str(self.root), MOM_FAULT_SHADOW=str(self.shadow),
                   MOM_FAULT_LOG=str(self.log), MOM_FAULT_KIND="kill", MOM_FAULT_AT=str(number))

    def calls(self):
        return self.log.read_text().split()


def trial(bench, verb, number, way):
    hit = bench.run(verb, number)
    line = {"verb": verb.name, "number": number, "way": way, "call": bench.calls()[-1] if number else "", "exit": hit.returncode}
    saved = newest_step(bench.root / "out")
    power.lose_power(bench.root, bench.shadow, way)
    wrong = verb.wrong_between(bench.root)
    if newest_step(bench.root / "out") < saved - SAVE_STEPS:  # all but the one that is being saved
        wrong.append(f"step {newest_step(bench.root / 'out')} is left of {saved}")
    if hit.returncode not in (0, -9):
        wrong.append(f"exit code {hit.returncode}: {hit.stderr[-300:]}")
    done = verb.is_done(bench.root)
    if hit.returncode == 0 and not done:
        wrong.append("it ended well, and its result is gone")
    again = run(verb, bench.root)
    if again.returncode != 0 and not (again.returncode == 2 and done):
        wrong.append(f"the next one ends with exit code {again.returncode}: {again.stderr[-300:]}")
    if verb.unlike(bench.root):
        wrong.append(f"the next one ends with another result: {verb.unlike(bench.root)}")
    wrong += verb.wrong_between(bench.root)
    if wrong:
        line.update(wrong=wrong, repeat=f"MOM_CUT='{verb.name},{number},{way}' tests/crash/power_test.py")
    return line


def cuts_of(count):
    """(call, way of losing): 0 (the power goes after the end), and calls spread evenly."""
    step = max(1, count // CUTS) if CUTS else 1
    numbers = [0, *range(1 + step // 2, count + 1, step)]
    both = CUTS == 0 or CUTS >= 4
    return [(number, way) for i, number in enumerate(numbers) for j, way in enumerate(power.WAYS) if both or i % 2 == j]


def main():
    wanted = os.environ.get("MOM_CUT", "").split(",")
    num_trials = num_wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary).resolve()
        make_inputs(work / "base")
        bench = Bench(work)
        for verb in verbs(work / "base"):
            if verb.name in NOT_HERE or wanted[0] not in ("", verb.name):
                continue
            verb.prepare(bench.root)
            verb.remember_before(bench.root)
            done = bench.run(verb, 0)
            assert done.returncode == 0, f"{verb.name}: {done.stderr}"
            verb.remember(bench.root)
            count = len(bench.calls())
            for number, way in [(int(wanted[1]), wanted[2])] if wanted[0] else cuts_of(count):
                line = trial(bench, verb, number, way)
                print(json.dumps(line), flush=True)
                num_trials, num_wrong = num_trials + 1, num_wrong + ("wrong" in line)
            print(f"{verb.name}: {count} calls", file=sys.stderr, flush=True)
    print(f"{num_trials} power cuts, {num_wrong} wrong", file=sys.stderr)
    sys.exit(1 if num_wrong or not num_trials else 0)


if __name__ == "__main__":
    main()
