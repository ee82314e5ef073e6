"""The whole road in seconds, as a user walks it: data, training of both backbones, evaluation, comparison, report, forward; stopping
and going on; and what a wrong file or option is answered with.

Needs only the standard library. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes a tiny encoded data set.
"""

import json
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from program import BINARY, run_mom, try_mom
from tensors import read_safetensors, write_safetensors
from tiny import make_data, write_recipe


class Road(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        make_data(cls.root)
        cls.recipe = write_recipe(cls.root / "recipe.toml", cls.root / "tiny" / "encoded")
        for backbone in ("mamba", "mixture_of_mamba"):
            run_mom("train", cls.recipe, "--run", cls.root / backbone, "--set", f"model.backbone={backbone}")
            run_mom("eval", cls.root / backbone, "--samples", "2")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def fails(self, code, *arguments):
        done = try_mom(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        lines = [line for line in done.stderr.splitlines() if "mom: error:" in line]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def test_run_folder(self):
        run = self.root / "mixture_of_mamba"
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        train = [line for line in lines if line["kind"] == "train"]
        self.assertEqual([line["step"] for line in train], list(range(1, 31)))
        for key in ("tokens", "tokens_text", "tokens_image", "flops", "loss", "loss_text", "loss_image", "lr", "grad_norm", "tokens_per_s"):
            self.assertIn(key, train[-1])
        self.assertLess(train[-1]["loss"], train[0]["loss"])
        self.assertEqual({line["set"] for line in lines if line["kind"] == "eval"}, {"shapes", "words"})
        checkpoint = run / "checkpoints" / "step-00000030"
        self.assertEqual(sorted(path.name for path in checkpoint.iterdir()),
                         ["config.json", "manifest.json", "model.safetensors", "optimizer.safetensors", "state.json"])
        header, _ = read_safetensors(checkpoint / "model.safetensors")
        self.assertIn("backbone.layers.0.mixer.in_proj.image.weight", header)
        self.assertEqual(json.loads((checkpoint / "config.json").read_text())["model_type"], "mixture_of_mamba")

    def test_bench_train_splits_a_step(self):
        """The parts of a step add up, in the bench and in the log."""
        arguments = ("--set", "model.d_model=128", "--set", "data.batch_tokens=2048")
        step = json.loads(run_mom("bench", "train", self.recipe, *arguments, "--steps", 6, "--json"))
        for key in ("tokens_per_s", "step_ms", "data_ms", "forward_ms", "backward_ms", "optimizer_ms", "peak_rss_bytes",
                    "model_flops_per_s", "gemm_peak_flops_per_s"):
            self.assertGreater(step[key], 0, key)
        parts = sum(step[f"{part}_ms"] for part in ("data", "forward", "backward", "optimizer"))
        self.assertAlmostEqual(parts / step["step_ms"], 1, delta=0.05)
        lines = [json.loads(line) for line in (self.root / "mamba" / "metrics.jsonl").read_text().splitlines()]
        for line in (line for line in lines if line["kind"] == "train"):
            parts = sum(line[f"{part}_s"] for part in ("data", "forward", "backward", "optimizer"))
            self.assertAlmostEqual(parts / line["step_s"], 1, delta=0.05)

    def training_bytes(self, *arguments):
        """What training has taken from the allocator, resident or not: the system may reclaim pages of a process at any time."""
        taken = json.loads(run_mom("bench", "train", self.recipe, *arguments, "--json"))["training_bytes"]
        if taken == 0:
            self.skipTest("the allocator is not jemalloc: a build with sanitizers")
        return taken

    def test_memory_is_as_planned(self):
        planned, taken = [], []
        for d_model, tokens in ((128, 2048), (256, 4096)):
            arguments = ("--set", f"model.d_model={d_model}", "--set", f"data.batch_tokens={tokens}")
            memory = json.loads(run_mom("train", self.recipe, *arguments, "--dry-run", "--json"))["memory_bytes"]
            planned.append(memory["state"] + memory["activations"])
            taken.append(self.training_bytes(*arguments, "--steps", 6))
            self.assertLess(taken[-1], planned[-1] + 100e6)  # generated code, which the plan counts as libraries
        self.assertAlmostEqual((planned[1] - planned[0]) / (taken[1] - taken[0]), 1, delta=0.15)

    def test_bfloat16_and_recomputation(self):
        for name, setting in (("bf16", "train.precision=bfloat16"), ("again", "train.recompute=true")):
            run = self.root / name
            run_mom("train", self.recipe, "--run", run, "--set", setting)
            ours = [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
            plain = [json.loads(line)["loss"] for line in (self.root / "mixture_of_mamba" / "metrics.jsonl").read_text().splitlines()]
            self.assertEqual(len(ours), len(plain))
            for loss, expected in zip(ours, plain):
                self.assertAlmostEqual(loss / expected, 1, delta=0.03 if name == "bf16" else 0)

    def test_iso_flop_and_same_draws(self):
        flops = []
        for backbone in ("mamba", "mixture_of_mamba"):
            lines = (self.root / backbone / "metrics.jsonl").read_text().splitlines()
            flops.append([json.loads(line)["flops"] for line in lines])
        self.assertEqual(*flops)

    def test_eval_compare_report(self):
        result = json.loads(run_mom("eval", self.root / "mamba", "--json", "--samples", "0"))
        self.assertEqual(set(result["loss"]), {"text", "image"})
        self.assertGreater(result["tokens"]["image"], 0)
        comparison = json.loads(run_mom("compare", self.root / "mamba", self.root / "mixture_of_mamba", "--json"))
        for modality in ("text", "image", "overall"):
            for key in ("dense_loss", "mix_loss", "gain", "flops_to_match", "flops_to_match_slope"):
                self.assertIn(key, comparison[modality])
        entry = comparison["image"]
        self.assertAlmostEqual(entry["gain"], (entry["dense_loss"] - entry["mix_loss"]) / entry["dense_loss"], places=9)
        page = self.root / "report.html"
        run_mom("report", self.root / "mamba", self.root / "mixture_of_mamba", "--out", page)
        text = page.read_text()
        # Two pictures: original and noised once, denoised by each of the two runs.
        self.assertGreaterEqual(text.count("data:image/webp;base64,"), 8)

    def check_generation(self, run, modalities):
        """What was trained writes documents of all its modalities, and the page and files are there."""
        for modality in modalities - {"text"}:
            out = run.parent / f"{run.name}-{modality}"
            result = json.loads(run_mom("generate", run, "--prompt", "red disc", "--modality", modality, "--out", out, "--json"))
            self.assertEqual(result["stop"], "end")
            self.assertEqual(result["tokens"][-1], {"image": 5, "speech": 7}[modality])
            document = json.loads((out / "document.json").read_text())
            self.assertEqual([set(segment) - {"given"} for segment in document["segments"]], [{"text"}, {modality}])
            media = out / document["segments"][1][modality]
            again = run_mom("generate", run, f"--{modality}", media, "--max-tokens", "9")  # and reads what it wrote
            self.assertTrue(again.endswith("\n"))

    def test_generation_in_transfusion(self):
        self.check_generation(self.root / "mixture_of_mamba", {"text", "image"})

    def test_backbones_side_by_side(self):
        """Runs of unlike backbones: FLOPs a step differ and are said, and the page shows what experts do."""
        for backbone in ("transformer", "moe_mamba"):
            run_mom("train", self.recipe, "--run", self.root / backbone, "--set", f"model.backbone={backbone}")
        comparison = json.loads(run_mom("compare", self.root / "transformer", self.root / "moe_mamba", "--json"))
        self.assertEqual(comparison["warnings"], [])
        self.assertNotAlmostEqual(comparison["step_flops_ratio"], 1, delta=0.01)
        words = run_mom("compare", self.root / "transformer", self.root / "moe_mamba")
        self.assertIn("Per step MoE-Mamba with 4 experts takes", words)
        page = self.root / "backbones.html"
        run_mom("report", *(self.root / name for name in ("mamba", "mixture_of_mamba", "transformer", "moe_mamba")), "--out", page)
        text = page.read_text()
        for words in ("All runs", "Use of the experts", "The busiest expert takes", "state space", "attention"):
            self.assertIn(words, text)

    def test_forward_in_transfusion(self):
        run = self.root / "mixture_of_mamba"
        given, out = self.root / "in.safetensors", self.root / "out.safetensors"
        modality = [0, 0, 0] + [1] * 16 + [0, 0]
        num_tokens = len(modality)
        write_safetensors(given, {"tokens": ("I64", [num_tokens], [2, 20, 4] + [0] * 16 + [5, 3]), "modality": ("I64", [num_tokens], modality),
                                  "offsets": ("I64", [2], [0, num_tokens]), "patches": ("F32", [16, 16], [0.1] * 256), "timesteps": ("I64", [1], [300])})
        run_mom("forward", run, "--input", given, "--output", out)
        header, _ = read_safetensors(out)
        self.assertEqual(header["logits"]["shape"], [num_tokens, 320])
        self.assertEqual(header["noise"]["shape"], [16, 16])
        # The same image with a token inside, and cut by the end of a sequence.
        for patches, offsets in (([1] * 5 + [0] + [1] * 11, [0, 22]), ([1] * 16 + [0], [0, 8, 22])):
            write_safetensors(given, {"tokens": ("I64", [22], [2] * 22), "modality": ("I64", [22], [0, 0, 0] + patches + [0, 0]),
                                      "offsets": ("I64", [len(offsets)], offsets), "patches": ("F32", [16, 16], [0.1] * 256), "timesteps": ("I64", [1], [300])})
            self.assertIn("modality", self.fails(3, "forward", run, "--input", given, "--output", out))
        write_safetensors(given, {"tokens": ("I64", [1], [999])})
        self.assertIn("tokens", self.fails(3, "forward", run, "--input", given, "--output", out))

    def test_inspect_agrees_with_the_file(self):
        result = json.loads(run_mom("inspect", self.root / "mixture_of_mamba", "--json"))
        header, _ = read_safetensors(self.root / "mixture_of_mamba" / "checkpoints" / "step-00000030" / "model.safetensors")
        total = 0
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            count = 1
            for size in entry["shape"]:
                count *= size
            total += count
        self.assertEqual(result["parameters"]["total"], total)

    def test_memory_stays_when_steps_go_on(self):
        """Every batch has row counts of its own; what is kept of products of such shapes is little (apps/mom/memory_settings.cpp)."""
        few, many = (self.training_bytes("--steps", steps) for steps in (20, 500))
        self.assertLess(many - few, 60e6)  # 11e6 with AVX-512, 30e6 with AVX2; 175e6 and 112e6 with LibTorch's limits

    def test_sigterm_saves_and_resumes(self):
        run = self.root / "stopped"
        arguments = [BINARY, "train", str(self.recipe), "--run", str(run), "--resume", "--set", "train.steps=100000", "--set", "eval.every_steps=100000"]
        program = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (run / "checkpoints").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        program.send_signal(signal.SIGTERM)
        self.assertEqual(program.wait(timeout=60), 75)
        steps = len([line for line in (run / "metrics.jsonl").read_text().splitlines() if '"train"' in line])
        newest = max(int(path.name.removeprefix("step-")) for path in (run / "checkpoints").glob("step-*"))
        self.assertEqual(steps, newest)  # the step that ran was saved

    def test_wrong_recipes_and_options(self):
        self.assertIn("did you mean", self.fails(2, "train", self.recipe, "--run", self.root / "x", "--set", "train.step=1"))
        self.assertIn("1 to", self.fails(2, "train", self.recipe, "--run", self.root / "x", "--set", "train.steps=0"))
        self.assertIn("--resume", self.fails(2, "train", self.recipe, "--run", self.root / "mamba", "--set", "model.backbone=mamba"))
        self.assertIn("did you mean", self.fails(2, "trian"))
        self.assertIn("data.mixture={}", self.fails(2, "train", self.recipe, "--run", self.root / "x", "--set", "data.mixture={ noto = 1 }"))
        self.assertFalse((self.root / "x").exists())

    def test_foreign_and_damaged_files(self):
        self.assertIn("config.json", self.fails(3, "forward", self.root / "tiny", "--input", self.recipe, "--output", self.root / "o"))
        damaged = self.root / "damaged"
        subprocess.run(["cp", "-r", str(self.root / "mamba"), str(damaged)], check=True)
        weights = damaged / "checkpoints" / "step-00000030" / "model.safetensors"
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        self.assertIn("model.safetensors", self.fails(3, "eval", damaged))

    def test_a_codec_that_does_not_fit(self):
        root = self.root / "other"
        subprocess.run(["cp", "-r", str(self.root / "tiny"), str(root)], check=True)
        config = root / "other_text.toml"
        config.write_text('kind = "text"\n[text]\nvocabulary = 330\n')
        run_mom("codec", "train", config, "--data", root / "documents", "--out", root / "codec-other")
        run_mom("data", "encode", root / "documents", "--codecs", root / "codec-other", root / "codec-image", "--out", root / "encoded-other")
        self.assertIn("codec", self.fails(3, "eval", self.root / "mamba", "--data", root / "encoded-other"))
        # The same path, encoded anew by another codec while a run was stopped.
        recipe = write_recipe(root / "recipe.toml", root / "encoded")
        try_mom("train", recipe, "--run", root / "run", "--stop-at", "3")
        run_mom("data", "encode", root / "documents", "--codecs", root / "codec-other", root / "codec-image", "--out", root / "encoded", "--replace")
        self.assertIn("codec the model was trained with", self.fails(3, "train", recipe, "--run", root / "run", "--resume"))

    def test_discrete_settings(self):
        """Chameleon and three_modality walk the same road: a setting is a choice of codecs."""
        spoken = self.root / "tiny" / "spoken"
        data = {"three_modality": spoken / "encoded", "chameleon": self.root / "encoded-chameleon"}
        run_mom("data", "encode", self.root / "tiny" / "documents", "--codecs", spoken / "codec-text", spoken / "codec-image", "--out", data["chameleon"])
        for setting, encoded in data.items():
            modalities = {"text", "image"} | ({"speech"} if setting == "three_modality" else set())
            recipe = write_recipe(self.root / f"{setting}.toml", encoded, setting)
            runs = [self.root / setting / backbone for backbone in ("mamba", "mixture_of_mamba")]
            for run in runs:
                run_mom("train", recipe, "--run", run, "--set", f"model.backbone={run.name}", "--set", "objective.z_loss=1e-4")
                result = json.loads(run_mom("eval", run, "--samples", "2", "--json"))
                self.assertEqual(set(result["loss"]), modalities)
                last = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
                for modality in modalities:
                    self.assertIn(f"tokens_{modality}", last)
            lines = [json.loads(line) for line in (runs[1] / "metrics.jsonl").read_text().splitlines()]
            train = [line for line in lines if line["kind"] == "train"]
            self.assertLess(train[-1]["loss"], train[0]["loss"])
            self.assertTrue(all(f"loss_{modality}" in train[-1] for modality in modalities))
            config = json.loads((runs[1] / "checkpoints" / "step-00000030" / "config.json").read_text())
            self.assertEqual(list(config["vocabulary"]), config["modalities"])
            self.assertEqual(set(config["modalities"]), modalities)
            self.assertEqual(set(config["codec_hashes"]), modalities)
            self.check_generation(runs[1], modalities)
            comparison = json.loads(run_mom("compare", *runs, "--json"))
            self.assertTrue(modalities | {"overall"} <= set(comparison))
            page = self.root / f"{setting}.html"
            run_mom("report", *runs, "--out", page)
            text = page.read_text()
            self.assertIn("What the codecs keep", text)
            self.assertIn("predicted one by one", text)
            self.assertEqual("data:audio/wav;base64," in text, setting == "three_modality")
            self.fails(2, "train", recipe, "--run", self.root / "x", "--set", 'setting="transfusion"')
        self.assertIn("speech", self.fails(2, "train", self.root / "chameleon.toml", "--run", self.root / "x", "--set", 'setting="three_modality"'))
        self.assertIn("vq_image", self.fails(2, "train", self.recipe, "--run", self.root / "x", "--set", 'setting="chameleon"'))

    def test_forward_with_codes(self):
        """Tokens of the joint vocabulary in, logits of the whole vocabulary out."""
        run = self.root / "forward-codes"
        recipe = write_recipe(self.root / "forward-codes.toml", self.root / "tiny" / "spoken" / "encoded", "three_modality")
        run_mom("train", recipe, "--run", run, "--set", "train.steps=1", "--set", "train.warmup_steps=0")
        given, out = self.root / "codes.safetensors", self.root / "logits.safetensors"
        tokens = [2, 20, 4] + [320 + i for i in range(16)] + [5, 6] + [336 + i for i in range(10)] + [7, 3]
        modality = [0 if token < 320 else 1 if token < 336 else 2 for token in tokens]
        write_safetensors(given, {"tokens": ("I64", [len(tokens)], tokens), "modality": ("I64", [len(tokens)], modality),
                                  "offsets": ("I64", [2], [0, len(tokens)])})
        run_mom("forward", run, "--input", given, "--output", out)
        header, _ = read_safetensors(out)
        self.assertEqual(header["logits"]["shape"], [len(tokens), 320 + 16 + 12])
        self.assertNotIn("noise", header)

    def test_divergence_stops_with_5(self):
        line = self.fails(5, "train", self.recipe, "--run", self.root / "diverged", "--set", "train.learning_rate=10", "--set", "train.clip_norm=0",
                          "--set", "train.steps=400", "--set", "train.warmup_steps=0", "--set", "eval.every_steps=1000")
        self.assertIn("finite", line)


if __name__ == "__main__":
    unittest.main()
