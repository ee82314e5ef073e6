"""Runs the case "A pretrained Mamba that learns to see" of docs/your-data.md, command by command, on a small random Mamba with the
tokenizer of GPT-NeoX: text goes in and comes out as in transformers, before and after.

Oracle: PyPI transformers. MOM_BINARY: the program; MOM_SOURCE: the repository.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from hf_parity_test import make_model
from neox import neox_tokenizer
from program import BINARY, run_mom

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, MambaForCausalLM

TITLE = "A pretrained Mamba that learns to see"
ROWS = 50280  # 50277 ids of the tokenizer, and padding
NUM_CONTROLS = 8  # ids of the codec before the tokenizer's
SMALLER = {"d_model = 768": "d_model = 32", "layers = 12": "layers = 1", "steps = 200": "steps = 50\nwarmup_steps = 5",
           "sequence_tokens = 512": "sequence_tokens = 128", "batch_tokens = 2048": "batch_tokens = 128", "steps = 2000": "steps = 3",
           "image_size = 64": "image_size = 16\ndownsample = 2\nbase_channels = 8"}
COLOURS = {"red": (220, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 210)}


class LearnsToSee(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)
        (self.root / "bin").mkdir()
        (self.root / "bin" / "mom").symlink_to(pathlib.Path(BINARY).resolve())
        self.pretrained = self.root / "mamba-130m-hf"
        self.model = make_model(7, vocab_size=ROWS, hidden_size=32, num_hidden_layers=2, tie_word_embeddings=True, eos_token_id=0)
        self.model.save_pretrained(self.pretrained)
        shutil.copy(neox_tokenizer(), self.pretrained / "tokenizer.json")
        samples = self.root / "samples"
        samples.mkdir()
        for i in range(60):
            name, colour = list(COLOURS.items())[i % 3]
            image = Image.new("RGB", (20, 20), "white")
            image.paste(colour, (4, 4, 8 + i % 7, 8 + i % 5))
            image.save(samples / f"{i:02}.jpg")
            (samples / f"{i:02}.txt").write_text(f"{name} square")

    def run_commands(self):
        source = pathlib.Path(os.environ["MOM_SOURCE"])
        section = re.search(rf"^## {TITLE}$(.*?)(?=^## |\Z)", (source / "docs" / "your-data.md").read_text(), re.M | re.S).group(1)
        script = "".join(re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S))
        for text, smaller in sorted(SMALLER.items(), key=lambda pair: -len(pair[0])):
            self.assertEqual(script.count(text + "\n"), 1, text)
            script = script.replace(text + "\n", smaller + "\n")
        done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=self.root, capture_output=True, text=True, timeout=300,
                              env={**os.environ, "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"})
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        return done

    def forward(self, model, tokens):
        save_file({"tokens": tokens}, self.root / "in.safetensors")
        run_mom("forward", model, "--input", self.root / "in.safetensors", "--output", self.root / "out.safetensors")
        return load_file(self.root / "out.safetensors")["logits"]

    def test_it_does(self):
        done = self.run_commands()
        self.assertNotIn("cannot be checked", done.stderr)
        tokenizer = AutoTokenizer.from_pretrained(self.pretrained)
        words = "The weather is  fine, naïve 東京!"
        ids = torch.tensor(tokenizer(words)["input_ids"])
        with torch.no_grad():
            expected = self.model(ids[None], use_cache=False).logits[0]
        before = self.forward(self.pretrained, ids)
        self.assertLessEqual((before - expected).abs().max().item(), 1e-5)
        self.assertLessEqual((self.forward(self.root / "start", ids) - before).abs().max().item(), 1e-6)
        # After 50 steps the text is the same to the bit.
        after = self.forward(self.root / "runs" / "sees", ids + NUM_CONTROLS)
        rows = len(tokenizer)
        self.assertTrue(torch.equal(after[:, NUM_CONTROLS : NUM_CONTROLS + rows], before[:, :rows]))
        self.assertEqual(after.shape[1], NUM_CONTROLS + rows)
        lines = [json.loads(line) for line in (self.root / "runs" / "sees" / "metrics.jsonl").read_text().splitlines()]
        losses = [line["loss_image"] for line in lines if line["kind"] == "train" and line.get("loss_image") is not None]
        self.assertLess(sum(losses[-5:]), 0.95 * sum(losses[:5]))
        with Image.open(self.root / "picture.png") as picture:
            self.assertEqual(picture.size, (16, 16))
        # Others' programs get the same text.
        text = self.root / "text"
        with torch.no_grad():
            inside = MambaForCausalLM.from_pretrained(text)(ids[None] + NUM_CONTROLS, use_cache=False).logits[0]
            whole = AutoModelForCausalLM.from_pretrained(self.root / "for-transformers", trust_remote_code=True)(ids[None] + NUM_CONTROLS).logits[0]
        self.assertLessEqual((inside - after).abs().max().item(), 1e-5)
        self.assertLessEqual((whole - after).abs().max().item(), 1e-5)
        for folder in (text, self.root / "for-transformers"):
            own = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
            self.assertEqual(own(words)["input_ids"], [2] + (ids + NUM_CONTROLS).tolist())
            self.assertEqual(own.decode((ids + NUM_CONTROLS).tolist()), words)
        self.assertEqual((self.root / "text.gguf").read_bytes()[:4], b"GGUF")


if __name__ == "__main__":
    unittest.main(verbosity=2)
