"""The program on processors without AVX-512 (Haswell: AVX2) and without AVX (Nehalem: SSE4.2), under an emulator that stops at any
instruction they lack: training in both precisions, eval, forward, generate; as Nehalem also codecs and encoding. Losses are this
processor's to rounding.

Needs only the standard library and qemu-user. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny encoded data sets.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from program import BINARY
from tensors import read_safetensors, write_safetensors
from tiny import make_data, write_recipe

FORCED = ("MOM_CPU_CAPABILITY", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")
KERNELS = {"Haswell": "avx2", "Nehalem": "baseline"}
FEATURES = {"Haswell": ["avx2", "fma", "f16c"], "Nehalem": []}


def run(processor, *command):
    """Runs a command on an emulated processor, or on this one; AssertionError with its messages when it fails."""
    emulator = ["qemu-x86_64", "-cpu", processor] if processor in KERNELS else []
    chosen = {name: value for name, value in os.environ.items() if name not in FORCED}  # the program is to choose
    done = subprocess.run([*emulator, *map(str, command)], capture_output=True, text=True, timeout=900, env=chosen)
    if done.returncode != 0:
        raise AssertionError(f"{processor}: {' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr}")
    return done


def walk(processor, root):
    """All verbs in root/processor; what they printed and wrote."""
    here = root / processor

    def mom(*arguments):
        return run(processor, BINARY, *arguments)

    found = {"doctor": json.loads(mom("doctor", "--json").stdout)}
    for precision, steps in (("float32", 2), ("bfloat16", 1)):
        settings = ("model.patch_net=conv", "model.adaptive_norm=true", "objective.prediction=velocity", f"train.precision={precision}", f"train.steps={steps}", "train.warmup_steps=0", "eval.every_steps=1000")
        found[precision + " log"] = mom("train", root / "recipe.toml", "--run", here / precision, *(word for s in settings for word in ("--set", s))).stderr
        found[precision] = [json.loads(line)["loss"] for line in (here / precision / "metrics.jsonl").read_text().splitlines()]
    found["eval"] = list(json.loads(mom("eval", here / "float32", "--samples", "0", "--json").stdout)["loss"].values())
    mom("forward", here / "float32", "--input", root / "in.safetensors", "--output", here / "out.safetensors")
    found["logits"] = read_safetensors(here / "out.safetensors")[0]["logits"]["shape"]
    mom("generate", here / "float32", "--prompt", "red", "--max-tokens", "4", "--weights", "int8")
    mom("generate", here / "float32", "--prompt", "red", "--modality", "image", "--steps", "2", "--out", here / "red.png")
    found["png"] = (here / "red.png").read_bytes()[:4]
    return found


class OlderProcessors(unittest.TestCase):
    def test_every_verb(self):
        with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
            root = pathlib.Path(folder)
            make_data(root)
            write_recipe(root / "recipe.toml", root / "tiny" / "encoded")
            write_safetensors(root / "in.safetensors", {"tokens": ("I64", [4], [2, 20, 30, 40]), "modality": ("I64", [4], [0] * 4)})
            codecs = pool.submit(run, "Nehalem", os.environ["MOM_TINY_DATA"], root / "codecs")
            walks = {processor: pool.submit(walk, processor, root) for processor in (*KERNELS, "this processor")}
            codecs.result()
            here = walks.pop("this processor").result()
            for processor, future in walks.items():
                with self.subTest(processor):
                    there = future.result()
                    self.assertEqual(there["doctor"]["kernels"], KERNELS[processor])
                    self.assertEqual(there["doctor"]["features"], FEATURES[processor])
                    self.assertEqual([(check["name"], check["ok"]) for check in there["doctor"]["checks"]],
                                     [("float32 product", True), ("selective scan", True), ("bfloat16 step", True)])
                    self.assertNotEqual(there["doctor"]["gemm"]["float32"], "oneDNN matmul")  # which needs AVX-512
                    self.assertIn("does not multiply bfloat16", there["bfloat16 log"])
                    self.assertEqual(there["logits"], [4, 320])
                    self.assertEqual(there["png"], b"\x89PNG")
                    for key, delta in (("float32", 1e-5), ("bfloat16", 1e-3), ("eval", 1e-4)):
                        self.assertEqual(len(there[key]), len(here[key]))
                        for loss, expected in zip(there[key], here[key]):
                            self.assertAlmostEqual(loss / expected, 1, delta=delta, msg=key)


if __name__ == "__main__":
    unittest.main()
