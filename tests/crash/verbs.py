"""The commands of `mom` that change the disk, for tests that disturb them: how each starts, what of it appears whole or not at all, and what
of it two undisturbed ones have alike. Used by kills_test.py and power_test.py. MOM_BINARY: the program; MOM_TINY_DATA: the test program
that writes tiny data.
"""

import json
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from program import BINARY, newest_step  # noqa: E402
from tiny import make_data, write_recipe  # noqa: E402

# Of lines of metrics.jsonl, and of nothing else: what a clock said, and what depends on it.
CLOCKED = ("tokens_per_s", "tokens_per_cpu_s", "comm_bytes", "slowest_rank")
STEPS, SAVE_STEPS, KEPT = 12, 2, 2


def metrics(text):
    """The lines of a metrics.jsonl without times; a last line without newline is torn and no part of it."""
    lines = [json.loads(line) for line in text.split(b"\n")[:-1]]
    return [{key: value for key, value in line.items() if key not in CLOCKED and not key.endswith("_s")} for line in lines]


def content(path):
    """What of a file must be alike each time; None: nothing but that it is there."""
    if "tensorboard" in path.parts or "logs" in path.parts or path.name in ("processes.jsonl", "timing.json"):
        return None
    return metrics(path.read_bytes()) if path.name == "metrics.jsonl" else path.read_bytes()


def tree(place, hidden=False):
    """{path: content} of a file or of all files in a folder, of empty folders too; tensorboard/ counts as one. Hidden ones where asked for."""
    if not place.exists():
        return None
    if place.is_file():
        return {"": content(place)}
    found = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place)
        if not hidden and any(part.startswith(".") for part in name.parts):
            continue
        if "tensorboard" in name.parts:
            name = pathlib.Path(*name.parts[:name.parts.index("tensorboard") + 1])
            found[str(name)] = None
        elif path.is_file():
            found[str(name)] = content(path)
        elif not any(path.iterdir()):
            found[str(name) + "/"] = None
    return found


def difference(found, expected):
    """In words, the first of what two trees have unlike; empty: they are alike."""
    for name in sorted({*found, *expected}):
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is there too"
        if found[name] != expected[name]:
            return f"{name} differs"
    return ""


def comparable(found):
    """Without checkpoints before the last: a run that was stopped has saved, and keeps, other steps (wrong_run says whether they are right)."""
    last = f"step-{STEPS:08d}"
    return {name: each for name, each in found.items() if "checkpoints/step-" not in name or last in name}


class Verb:
    """A command that works in a folder `root` of its own and makes `units` in this order. Subclasses say what must hold of it after a
    disturbance."""

    def __init__(self, name, command, units=("out",), old=None, resumes=False, watched=(".",), exits_75=False):
        self.name, self.command, self.units, self.old = name, command, units, old
        self.resumes, self.watched, self.exits_75 = resumes, watched, exits_75
        self.before = self.expected = None
        self.seconds, self.saves = 0.0, 0

    def prepare(self, root):
        """What is there before the command."""
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        if isinstance(self.old, pathlib.Path):
            shutil.copytree(self.old, root, dirs_exist_ok=True)
        elif self.old:
            subprocess.run([BINARY, *self.old(root)], check=True, capture_output=True)

    def wrong_between(self, root):
        """What of a disturbed one is neither old nor new."""
        wrong, is_new = [], []
        for unit in self.units:
            found = tree(root / unit)
            if found not in (self.before.get(unit), self.expected.get(unit)):
                wrong.append(f"neither the old nor the new {unit} is there: {difference(found or {}, self.expected[unit] or {})}")
            is_new.append(found == self.expected.get(unit) != self.before.get(unit))
        if is_new != sorted(is_new, reverse=True):
            wrong.append(f"{self.units[-1]} is there before {self.units[0]}")
        return wrong + self.strangers(root, {unit.split("/")[0] for unit in self.units} | {"run"})

    def strangers(self, root, known):
        return [f"{path.name} is left over" for path in root.iterdir() if not path.name.startswith(".") and path.name not in known]

    def is_done(self, root):
        return all(tree(root / unit) == self.expected[unit] for unit in self.units)

    def remember_before(self, root):
        self.before = {unit: tree(root / unit) for unit in self.units}

    def remember(self, root):
        self.expected = {unit: tree(root / unit) for unit in self.units}
        self.all = tree(root, hidden=True)
        return self

    def unlike(self, root):
        """In words, what a folder in which the command got to its end has unlike an undisturbed one, hidden files included."""
        return difference(comparable(tree(root, hidden=True)), comparable(self.all))


class Train(Verb):
    """Trains into root/out; `every_step`: a run of the same recipe that kept the checkpoints of all steps."""

    def __init__(self, name, command, every_step):
        super().__init__(name, command, resumes=True, watched=("out", "out/checkpoints"), exits_75=True)
        self.every_step = every_step

    def wrong_between(self, root):
        return wrong_run(root / "out", self.every_step) + self.strangers(root, {"out"})

    def is_done(self, root):
        return newest_step(root / "out") == STEPS


def wrong_run(run, reference):
    """What of a run that was disturbed is wrong: every checkpoint that is to be seen is whole, and so are the files that say what it is."""
    wrong = []
    for folder in sorted(run.glob("checkpoints/*")):
        if folder.name.startswith("."):
            continue
        expected = tree(reference / "checkpoints" / folder.name)
        if expected is None or difference(tree(folder), expected):
            wrong.append(f"{folder.name}: {difference(tree(folder), expected or {})}")
    for name in ("recipe.toml", "parameters.json", "environment.json"):
        if (run / name).exists() and not (run / name).read_bytes().endswith((b"\n", b"}")):
            wrong.append(f"{name} is torn")
    if len(list(run.glob("checkpoints/step-*"))) > KEPT + 1:  # one more while the oldest is about to go
        wrong.append(f"more than {KEPT + 1} checkpoints are kept")
    log, whole = run / "metrics.jsonl", metrics((reference / "metrics.jsonl").read_bytes())
    if log.exists() and any(line not in whole for line in metrics(log.read_bytes())):
        wrong.append("metrics.jsonl has a line that no undisturbed run has")
    if newest_step(run) and not log.exists():
        wrong.append("a checkpoint without metrics.jsonl")
    return wrong


class Study(Verb):
    """Two runs side by side, each like those of Train but of its own backbone; `every_step`: their references by backbone."""

    def __init__(self, name, command, every_step):
        super().__init__(name, command, units=("out/results.json", "out/README.md"), resumes=True,
                         watched=("out", "out/runs/*", "out/runs/*/checkpoints"), exits_75=True)
        self.every_step = every_step

    def wrong_between(self, root):
        wrong = []
        for run in sorted((root / "out/runs").glob("*")):
            backbone = next((name for name in sorted(self.every_step, key=len, reverse=True) if name in run.name), None)
            wrong += [f"{run.name}: {each}" for each in wrong_run(run, self.every_step[backbone])]
        results = root / "out/results.json"
        if results.exists():
            json.loads(results.read_text())
        return wrong + self.strangers(root, {"out"})

    def is_done(self, root):
        return tree(root / "out/results.json") == self.expected["out/results.json"]


def make_inputs(base):
    """All that the commands read, below `base`."""
    base.mkdir(parents=True)
    make_data(base)
    for folder, count in (("pairs", 40), ("more", 60)):
        (base / folder).mkdir()
        for i in range(count):
            (base / folder / f"{i}.txt").write_text(f"text number {i} of {folder}\n" * 20)
    keys = {"train": {"steps": STEPS, "microbatches": 2}, "eval": {"every_steps": 6}, "checkpoint": {"every_steps": SAVE_STEPS, "keep": KEPT},
            "data": {"batch_tokens": 256}}
    for backbone in ("mamba", "mixture_of_mamba"):
        recipe = write_recipe(base / f"{backbone}.toml", base / "tiny/encoded", model={"backbone": backbone}, **keys)
        subprocess.run([BINARY, "train", recipe, "--run", base / f"every-{backbone}", "--set", "checkpoint.every_steps=1", "--set",
                        "checkpoint.keep=0"], check=True, capture_output=True)
    subprocess.run([BINARY, "train", base / "mamba.toml", "--run", base / "trained/run"], check=True, capture_output=True)
    (base / "study.toml").write_text(f'title = "Two"\nrecipes = ["{base}/mamba.toml"]\nseeds = [1]\nruns_at_once = 2\n')


def verbs(base):
    tiny, run = base / "tiny", base / "trained/run"
    recipe, every = str(base / "mixture_of_mamba.toml"), {name: base / f"every-{name}" for name in ("mamba", "mixture_of_mamba")}

    def imports(folder, *more):
        return lambda root: ["data", "import", str(base / folder), "--out", str(root / "out"), *more]

    def trains_codec(kind):
        return lambda root: ["codec", "train", str(tiny / f"tiny_{kind}.toml"), "--data", str(tiny / "documents"), "--out", str(root / "out")]

    def trains(*more):
        return lambda root: ["train", recipe, "--run", str(root / "out"), "--resume", *more]

    return [
        Verb("import", imports("pairs")),
        Verb("import --replace", imports("more", "--replace"), old=imports("pairs")),
        Verb("codec train text", trains_codec("text")),
        Verb("codec train image", trains_codec("image")),
        Verb("encode", lambda root: ["data", "encode", str(tiny / "documents"), "--codecs", str(tiny / "codec-text"), str(tiny / "codec-image"),
                                     "--out", str(root / "out")]),
        Train("train", trains(), every["mixture_of_mamba"]),
        Train("train --processes", trains("--processes", "2"), every["mixture_of_mamba"]),
        Study("study", lambda root: ["study", str(base / "study.toml"), "--out", str(root / "out")], every),
        Verb("generate", lambda root: ["generate", str(run), "--prompt", "red", "--interleaved", "--max-tokens", "60", "--count", "4", "--steps", "10",
                                       "--out", str(root / "out")]),
        Verb("eval", lambda root: ["eval", str(root / "run"), "--samples", "4"], units=("run/samples", "run/evaluation.json"),
             old=base / "trained", watched=("run",)),
        Verb("report", lambda root: ["report", str(run), str(base / "every-mamba"), "--out", str(root / "out.html")], units=("out.html",)),
        Verb("convert", lambda root: ["convert", "dense-to-mom", str(run), "--out", str(root / "out")]),
    ]
