"""llama.cpp computes with our GGUF files what `mom` computes: logits of a text and 100 greedy tokens, of the Mamba inside a mixture
and of a plain one, and reads text with our tokenizers as we do.

Oracle: PyPI llama-cpp-python, which builds llama.cpp from source in an environment of its own; where that is not possible, the test is
skipped (exit code 77). MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny encoded data sets.
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
SKIPPED = 77
NEW_TOKENS = 100


def run_in_environment():
    """Goes on in the environment with llama.cpp."""
    made = subprocess.run([SOURCE / "scripts" / "python-env", SOURCE / ".deps" / "llama-cpp", HERE / "llama_cpp_requirements.txt"], text=True,
                          capture_output=True)
    if made.returncode != 0:
        print(f"skipped: llama-cpp-python could not be built here\n{made.stderr}")
        sys.exit(SKIPPED)
    python = made.stdout.strip()
    os.execve(python, [python, __file__, *sys.argv[1:]], {**os.environ, "MOM_IN_LLAMA_CPP": "1"})


if "MOM_IN_LLAMA_CPP" not in os.environ:
    run_in_environment()

import numpy
import torch
from gguf_models import TEXT_IDS, GgufModels
from llama_cpp import Llama
from program import run_mom
from safetensors.torch import load_file, save_file

MAX_DIFFERENCE = 1e-3  # llama.cpp has other roundings: its products of f32 weights take f16 or f32 inputs, by processor


class LlamaCpp(GgufModels):
    def load(self, model):
        out = self.root / f"{self.id()}.gguf"
        run_mom("convert", "to-gguf", model, "--out", out)
        return Llama(str(out), n_ctx=512, n_threads=1, logits_all=True, verbose=False)

    def check_computes_the_same(self, llama, model, prompt, rows):
        tokens = list(prompt)
        given, out = self.root / "in.safetensors", self.root / "out.safetensors"
        save_file({"tokens": torch.tensor(tokens)}, given)
        run_mom("forward", model, "--input", given, "--output", out)
        expected = load_file(out)["logits"][:, :rows].numpy()
        llama.reset()
        llama.eval(tokens)
        found = numpy.array(llama.scores[: len(tokens), :rows])
        self.assertGreater(numpy.abs(expected).max(), 0.5)
        self.assertLessEqual(numpy.abs(found - expected).max(), MAX_DIFFERENCE)
        for _ in range(NEW_TOKENS):
            token = int(numpy.argmax(llama.scores[llama.n_tokens - 1, :rows]))
            tokens.append(token)
            llama.eval([token])
        return tokens[len(prompt):]

    def test_the_mamba_inside_a_run(self):
        text = self.root / "text"
        run_mom("convert", "text-only", self.run_folder, "--out", text)
        llama = self.load(self.run_folder)
        prompt = [i * 37 % TEXT_IDS for i in range(40)]
        found = self.check_computes_the_same(llama, text, prompt, TEXT_IDS)
        # No token of the folder ends the text.
        (text / "generation_config.json").write_text('{"eos_token_id": []}')
        ours = json.loads(run_mom("generate", text, "--tokens", ",".join(map(str, prompt)), "--temperature", 0, "--max-tokens", NEW_TOKENS, "--json"))
        self.assertEqual(found, ours["tokens"])
        for words in ("The red disc lies beside the other.", "  two  spaces", "Zürich, 東京\n\tend"):
            # The same ids leave the same state behind: what comes next has the same probability.
            ours = json.loads(run_mom("generate", text, "--prompt", words, "--temperature", 0, "--max-tokens", 1, "--json"))
            ids = llama.tokenize(words.encode(), add_bos=True)
            llama.reset()
            llama.eval(ids)
            logits = torch.tensor(llama.scores[llama.n_tokens - 1, :TEXT_IDS])
            self.assertAlmostEqual(torch.log_softmax(logits, 0)[ours["tokens"][0]].item(), ours["log_probabilities"][0], delta=1e-4, msg=words)
            self.assertEqual(llama.detokenize(ids[1:]).decode(), words)

    def test_a_plain_mamba_with_byte_level_bpe(self):
        (self.plain / "generation_config.json").write_text('{"eos_token_id": []}')
        llama = self.load(self.plain)
        prompt = [i * 37 % 256 for i in range(40)]
        found = self.check_computes_the_same(llama, self.plain, prompt, 300)
        ours = json.loads(run_mom("generate", self.plain, "--tokens", ",".join(map(str, prompt)), "--temperature", 0, "--max-tokens", NEW_TOKENS, "--json"))
        self.assertEqual(found, ours["tokens"])
        self.assertGreater(len(set(found)), 5)
        self.assertEqual(llama.tokenize(b"the tthe<|endoftext|>", add_bos=False, special=True)[:1], [258])
        self.assertEqual(llama.tokenize(b"x<|endoftext|>", add_bos=False, special=True)[-1], 259)


if __name__ == "__main__":
    unittest.main(verbosity=2)
