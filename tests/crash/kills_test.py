"""kill -9, SIGTERM and SIGINT at random moments of every command that changes the disk: afterwards there is the old or the new, never neither nor
anything between, and the same command again ends with the result of an undisturbed one, byte for byte, with nothing left over.

Half of the moments are drawn evenly over the time that the undisturbed command takes, half fall near something that is being saved. After
SIGTERM and SIGINT the program ends within 30 s, with exit code 75 and all steps saved where it trains.

MOM_KILLS and MOM_STOPS: how many SIGKILLs (24) and others (8) are to come while a command runs; MOM_KILL_SEED repeats a schedule (it is printed);
MOM_KILL="VERB,SIGNAL@MOMENT[,SIGNAL@MOMENT...]" repeats one trial, as its line says: a moment is seconds after the start, or saveN+SECONDS.
Prints a line of JSON for each trial. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny data.
"""

import collections
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from verbs import BINARY, STEPS, Train, make_inputs, newest_step, verbs

KILLS, STOPS = int(os.environ.get("MOM_KILLS", "24")), int(os.environ.get("MOM_STOPS", "8"))
END_S = 30  # after SIGTERM
AFTER_SAVE_S = 0.03  # the time that a save of these sizes takes, and a little more
RUN_S = 300
WEIGHTS = {"train": 3}  # how often a verb comes; the others once


class Watch:
    """Counts what is being saved below `root`: files and folders that are written aside under a hidden name."""

    def __init__(self, root, folders):
        self.root, self.folders, self.seen = root, folders, set()

    def count(self):
        for folder in (each for pattern in self.folders for each in (self.root.glob(pattern) if "*" in pattern else [self.root / pattern])):
            try:
                self.seen.update((folder, name) for name in os.listdir(folder) if name.startswith(".") and ".aside-" in name)
            except FileNotFoundError:
                pass
        return len(self.seen)


def start(verb, root, log):
    return subprocess.Popen([BINARY, *verb.command(root)], stdout=log, stderr=log, start_new_session=True)


def run_to_the_end(verb, root, log):
    """Seconds, and the number of saves that were seen."""
    began, watch = time.monotonic(), Watch(root, verb.watched)
    program = start(verb, root, log)
    while program.poll() is None and time.monotonic() - began < RUN_S:
        watch.count()
        time.sleep(0.0005)
    if program.poll() is None:
        program.kill()
    return program.wait(), time.monotonic() - began, watch.count()


def wait_for_moment(program, moment, watch):
    """Until seconds after the start, or after the Nth save was seen; False where the program ended before."""
    save = re.fullmatch(r"save(\d+)\+([\d.]+)", moment)
    deadline = time.monotonic() + (RUN_S if save else float(moment))
    while program.poll() is None and time.monotonic() < deadline:
        if save and watch.count() >= int(save[1]):
            deadline, save = time.monotonic() + float(save[2]), None
        time.sleep(min(0.0005, max(0, deadline - time.monotonic())))
    return program.poll() is None


def disturb(verb, root, each, log):
    """Starts the command and sends it the signal at the moment of "SIGNAL@MOMENT"; what came of it."""
    name, moment = each.split("@")
    program = start(verb, root, log)
    hit = wait_for_moment(program, moment, Watch(root, verb.watched))
    began = time.monotonic()
    if hit:
        os.killpg(program.pid, getattr(signal, "SIG" + name))
    try:
        code = program.wait(timeout=END_S)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        return {"hit": hit, "exit": program.wait(), "seconds": END_S, "wrong": f"not ended {END_S} s after SIG{name}"}
    return {"hit": hit, "exit": code, "seconds": round(time.monotonic() - began, 3)}


def wrong_end(verb, root, name, end, text):
    """What is wrong with how the program ended after SIGTERM or SIGINT."""
    code = end["exit"]
    if "wrong" in end:
        return [end["wrong"]]
    if code == 75 and verb.exits_75:
        step = re.search(r"stopped after step (\d+)", text)
        saved = [int(step[1])] if step else [end["before"], STEPS] if "stopped with nothing to save" in text else []
        if isinstance(verb, Train) and newest_step(root / "out") not in saved:
            return [f"the newest checkpoint is of step {newest_step(root / 'out')}; it said: {text[-300:]}"]
        return []
    if code == 0 and verb.is_done(root):
        return []
    if code == -getattr(signal, "SIG" + name):
        # Before there is something to save or after all is: it ends as any program does.
        begun = isinstance(verb, Train) and (root / "out/metrics.jsonl").exists() and newest_step(root / "out") != STEPS
        return ["ended by the signal while it trained, without a save"] if begun and end["fresh"] else []
    return [f"exit code {code} after SIG{name}: {text[-300:]}"]


def trial(verb, root, plan, log_path):
    verb.prepare(root)
    ends, wrong = [], []
    for each in plan:
        with open(log_path, "w") as log:
            end = {"fresh": not (root / "out").exists(), "before": newest_step(root / "out"), **disturb(verb, root, each, log)}
        text = log_path.read_text(errors="replace")
        name = each.split("@")[0]
        if name == "KILL" and end["hit"] and end["exit"] not in (-9, 0):
            wrong.append(f"exit code {end['exit']} after SIGKILL: {text[-300:]}")
        if name != "KILL" and end["hit"]:
            wrong += wrong_end(verb, root, name, end, text)
        if not end["hit"] and end["exit"] != 0:
            wrong.append(f"exit code {end['exit']} by itself: {text[-300:]}")
        wrong += verb.wrong_between(root)
        ends.append({"exit": end["exit"], "hit": end["hit"], "after_s": end["seconds"], **({"step": newest_step(root / "out")} if verb.resumes else {})})
        if not end["hit"]:
            break
    done = verb.is_done(root)
    with open(log_path, "w") as log:
        code = run_to_the_end(verb, root, log)[0]
    refused = not verb.resumes and done and code == 2  # the folder exists
    if code != 0 and not refused:
        wrong.append(f"the next one ends with exit code {code}: {log_path.read_text(errors='replace')[-300:]}")
    unlike = verb.unlike(root)
    if unlike:
        wrong.append(f"the next one ends with another result: {unlike}")
    wrong += verb.wrong_between(root)
    line = {"verb": verb.name, "plan": plan, "ends": ends}
    if wrong:
        line["wrong"] = wrong
        line["repeat"] = f"MOM_KILL={','.join([verb.name, *plan])!r} tests/crash/kills_test.py"
    return line


def draw_plan(verb, draw, names):
    """One disturbance; up to three, one after the other, where the command goes on with what is there."""
    plan = []
    for _ in range(draw.choice((1, 1, 2, 3)) if verb.resumes else 1):
        if verb.saves and draw.random() < 0.5:
            moment = f"save{draw.randint(1, verb.saves)}+{draw.uniform(0, AFTER_SAVE_S):.4f}"
        else:
            moment = f"{draw.uniform(0, verb.seconds):.3f}"
        plan.append(f"{draw.choice(names)}@{moment}")
    return plan


def draw_plans(all_verbs, draw, hits):
    """(verb, plan), over all verbs in turn, until `hits` has as many disturbances that came while the command ran as are asked for."""
    weighted = [verb for verb in all_verbs for _ in range(WEIGHTS.get(verb.name, 1))]
    for names, wanted in ((("KILL",), KILLS), (("TERM", "INT"), STOPS)):
        while sum(hits[name] for name in names) < wanted:
            for verb in draw.sample(weighted, len(weighted)):
                if sum(hits[name] for name in names) < wanted:
                    yield verb, draw_plan(verb, draw, names)


def with_reference(verb, root, log_path):
    """The verb, with what an undisturbed one leaves and how long it takes."""
    verb.prepare(root)
    verb.remember_before(root)
    with open(log_path, "w") as log:
        code, verb.seconds, verb.saves = run_to_the_end(verb, root, log)
    assert code == 0, f"{verb.name}: {log_path.read_text()}"
    print(f"{verb.name}: {verb.seconds:.2f} s, {verb.saves} saves", file=sys.stderr, flush=True)
    return verb.remember(root)


def plans_to_try(all_verbs, hits):
    if "MOM_KILL" in os.environ:
        name, *plan = os.environ["MOM_KILL"].split(",")
        return [(verb, plan) for verb in all_verbs if verb.name == name]
    seed = int(os.environ.get("MOM_KILL_SEED", random.SystemRandom().randrange(2**32)))
    print(f"MOM_KILL_SEED={seed} MOM_KILLS={KILLS} MOM_STOPS={STOPS}", flush=True)
    return draw_plans(all_verbs, random.Random(seed), hits)


def main():
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        make_inputs(work / "base")
        root, log_path = work / "trial", work / "log"
        wanted = os.environ.get("MOM_KILL", "").split(",")[0]
        all_verbs = [with_reference(verb, root, log_path) for verb in verbs(work / "base") if wanted in ("", verb.name)]
        counts, hits, num_wrong = collections.Counter(), collections.Counter(), 0
        for verb, plan in plans_to_try(all_verbs, hits):
            line = trial(verb, root, plan, log_path)
            print(json.dumps(line), flush=True)
            num_wrong += "wrong" in line
            for each, end in zip(plan, line["ends"]):
                name = each.split("@")[0]
                hits[name] += end["hit"]
                counts[verb.name, name, "while it ran" if end["hit"] else "after its end"] += 1
    for key, count in sorted(counts.items()):
        print(*key, count, sep="\t", file=sys.stderr)
    print(f"{sum(hits.values())} disturbances while a command ran, {num_wrong} trials wrong", file=sys.stderr)
    sys.exit(1 if num_wrong or not counts else 0)


if __name__ == "__main__":
    main()
