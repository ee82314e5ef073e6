"""Tiny data and recipes for tests that walk whole roads. MOM_TINY_DATA: the test program that writes tiny encoded data sets."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from program import run_mom

os.environ["OMP_NUM_THREADS"] = "1"  # of the program and all it starts: on matrices this small threads only wait for each other

RECIPE = {
    "model": {"d_model": 32, "layers": 1},
    "data": {"sequence_tokens": 128, "batch_tokens": 512},
    "train": {"steps": 30, "learning_rate": 4e-3, "warmup_steps": 3},
    "eval": {"every_steps": 5},
    "checkpoint": {"every_steps": 10},
}


def make_data(root):
    """Writes below root/tiny: documents, encoded with continuous pictures, and spoken/, encoded as tokens of three modalities."""
    subprocess.run([os.environ["MOM_TINY_DATA"], str(root / "tiny")], check=True, capture_output=True)


def encode_codes(root, out):
    """Captions and pictures of the spoken data as tokens, without their sounds."""
    spoken = root / "tiny" / "spoken"
    run_mom("data", "encode", spoken / "documents", "--codecs", spoken / "codec-text", spoken / "codec-image", "--without", "speech", "--out", out)


class TinyData(unittest.TestCase):
    """Tests over the tiny data, in the folder `root` / "tiny"; `root` goes when they are done."""

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.root = pathlib.Path(temporary.name)
        make_data(cls.root)


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {json.dumps(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


def write_recipe(path, data, setting="transfusion", /, **tables):
    """A recipe on the encoded folder `data`; `tables` change or add keys: train={"steps": 2}. Returns `path`."""
    recipe = {name: {**RECIPE.get(name, {}), **tables.get(name, {})} for name in {**RECIPE, **tables}}
    recipe["data"]["path"] = str(data)
    lines = [f'setting = "{setting}"']
    for name, table in recipe.items():
        lines += [f"[{name}]", *(f"{key} = {toml(value)}" for key, value in table.items())]
    path.write_text("\n".join(lines) + "\n")
    return path
