"""One system call of a writer fails, or the program is killed in it: afterwards there is the old or the new, never anything between, the
message says what happened, and the same command then ends with the result of an undisturbed one, byte for byte.

Every writer has each of its calls (open, write, fsync, rename, mkdir, ftruncate, unlinkat) failed with ENOSPC, EIO and EINTR, a write that
takes half, and SIGKILL (faults.c, preloaded). MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny data;
MOM_FAULTS: how many trials of each writer and kind (all: 0; 4 where it is not set), spread over its calls. MOM_FAULT=WRITER,KIND,NUMBER repeats
one trial, whose line is printed where something is wrong. Needs a C compiler.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from power import build  # noqa: E402
from program import BINARY  # noqa: E402
from tiny import make_data, write_recipe  # noqa: E402

KINDS = ("ENOSPC", "EIO", "EINTR", "short", "kill")
TRIALS = int(os.environ.get("MOM_FAULTS", "4"))


def files(folder):
    """{path: bytes} of what a user sees there; hidden leftovers are not part of it."""
    if folder.is_file():
        return {"": folder.read_bytes()}
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)}


class Writer:
    """A command that makes `out` in a folder of its own; `old`: the command that made what is there before."""

    def __init__(self, name, command, out="out", old=None, compare=files):
        self.name, self.command, self.out, self.old, self.compare = name, command, out, old, compare

    def run(self, root, **environment):
        return subprocess.run([BINARY, *self.command(root)], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300)


def trained(run):
    """What of a run must not depend on what happened to it."""
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.glob("checkpoints/step-*/*")) if path.name in
            ("model.safetensors", "optimizer.safetensors", "state.json")}


def writers(base):
    pairs, more = base / "pairs", base / "more"
    documents, encoded = base / "tiny/documents", base / "tiny/encoded"
    recipe = write_recipe(base / "recipe.toml", encoded, train={"steps": 4}, eval={"every_steps": 2}, checkpoint={"every_steps": 2, "keep": 1})
    text, image = base / "tiny/codec-text", base / "tiny/codec-image"
    return [
        Writer("import", lambda root: ["data", "import", str(pairs), "--out", str(root / "out")]),
        Writer("import --replace", lambda root: ["data", "import", str(more), "--out", str(root / "out"), "--replace"],
               old=lambda root: ["data", "import", str(pairs), "--out", str(root / "out")]),
        Writer("codec export", lambda root: ["codec", "export", str(text), "--out", str(root / "out")]),
        Writer("encode", lambda root: ["data", "encode", str(documents), "--codecs", str(text), str(image), "--out", str(root / "out")]),
        Writer("train", lambda root: ["train", str(recipe), "--run", str(root / "out"), "--resume"], compare=trained),
        Writer("convert", lambda root: ["convert", "dense-to-mom", str(base / "dense"), "--out", str(root / "out")]),
    ]


def may_have(call, kind):
    """mkdir and unlinkat are never interrupted (POSIX), and only a write takes less than it is given."""
    return {"short": "write" in call, "EINTR": call not in ("mkdir", "unlinkat")}.get(kind, True)


def environment_of(shim, root, kind, number):
    return {"LD_PRELOAD": str(shim), "MOM_FAULT_ROOT": str(root), "MOM_FAULT_KIND": kind, "MOM_FAULT_AT": str(number)}


def trial(writer, shim, work, expected, kind, number, call):
    root = work / "trial"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    if writer.old:
        subprocess.run([BINARY, *writer.old(root)], check=True, capture_output=True)
    old = files(root / writer.out) if writer.old else None
    hit = writer.run(root, **environment_of(shim, root, kind, number))
    line = {"writer": writer.name, "kind": kind, "number": number, "call": call, "exit": hit.returncode}
    after = root / writer.out
    found = writer.compare(after) if after.exists() else None
    wrong = []
    if kind == "kill":
        if hit.returncode != -9:
            wrong.append(f"was not killed: exit code {hit.returncode}")
    elif kind in ("EINTR", "short"):
        if hit.returncode != 0:
            wrong.append(f"exit code {hit.returncode} in place of 0")
    elif hit.returncode not in (0, 4) or (hit.returncode == 4 and "mom: error: " not in hit.stderr):
        wrong.append(f"exit code {hit.returncode} in place of 4")
    if writer.compare is files and found not in (None, old, expected):
        wrong.append("neither the old nor the new is there")
    if hit.returncode == 0 and found != expected:
        wrong.append("exit code 0, and another result")
    # The same command then makes it; a folder that is complete may be refused as one that exists.
    again = writer.run(root)
    if again.returncode != 0 and found != expected:
        wrong.append(f"the next one fails with exit code {again.returncode}: {again.stderr[-300:]}")
    if writer.compare(after) != expected:
        wrong.append("the next one makes another result")
    leftovers = [path.name for path in root.iterdir() if path.name.startswith(".")]
    if leftovers and writer.compare is files and again.returncode == 0:
        wrong.append(f"leftovers: {leftovers}")
    if wrong:
        line["wrong"] = wrong
        line["stderr"] = hit.stderr[-400:]
        line["repeat"] = f"MOM_FAULT={writer.name},{kind},{number}"
    return line


def main():
    wanted = os.environ.get("MOM_FAULT", "").split(",")
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        shim = build(work)
        base = work / "base"
        base.mkdir()
        make_data(base)
        for folder, count in (("pairs", 2), ("more", 3)):
            (base / folder).mkdir()
            for i in range(count):
                (base / folder / f"{i}.txt").write_text(f"text number {i} of {folder}\n")
        recipe = write_recipe(base / "dense.toml", base / "tiny/encoded", model={"backbone": "mamba"}, train={"steps": 1, "warmup_steps": 0})
        subprocess.run([BINARY, "train", recipe, "--run", base / "dense"], check=True, capture_output=True)
        lines = []
        for writer in writers(base):
            if wanted[0] and writer.name != wanted[0]:
                continue
            reference = work / "reference"
            shutil.rmtree(reference, ignore_errors=True)
            reference.mkdir()
            if writer.old:
                subprocess.run([BINARY, *writer.old(reference)], check=True, capture_output=True)
            log = work / "calls"
            log.unlink(missing_ok=True)
            done = writer.run(reference, **environment_of(shim, reference, "", 0), MOM_FAULT_LOG=str(log))
            assert done.returncode == 0, f"{writer.name}: {done.stderr}"
            expected = writer.compare(reference / writer.out)
            assert expected, writer.name
            calls = log.read_text().split()
            for kind in KINDS:
                numbers = [i + 1 for i, call in enumerate(calls) if may_have(call, kind)]
                if TRIALS:
                    step = max(1, len(numbers) // TRIALS)
                    numbers = numbers[KINDS.index(kind) % step::step][:TRIALS]
                if wanted[0]:
                    numbers = [int(wanted[2])] if kind == wanted[1] else []
                for number in numbers:
                    lines.append(trial(writer, shim, work, expected, kind, number, calls[number - 1]))
                    print(json.dumps(lines[-1]), flush=True)
            print(f"{writer.name}: {len(calls)} calls", file=sys.stderr)
    wrong = [line for line in lines if "wrong" in line]
    print(f"{len(lines)} trials, {len(wrong)} wrong", file=sys.stderr)
    sys.exit(1 if wrong or not lines else 0)


if __name__ == "__main__":
    main()
