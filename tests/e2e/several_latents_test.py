"""Several modalities of latents in one model, each with its own shape, patches, noise and loss weight.

Needs only the standard library. MOM_BINARY: the program.
"""

import base64
import json
import random
import struct
import unittest

from npy import read_npy
from serving import Server
from tensors import read_safetensors, write_safetensors
from tiny import write_recipe
from walk import Walk


class SeveralLatents(Walk):
    """Two modalities of latents of different shapes and patches, beside text and codes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.encode_two_latents()
        cls.recipe = write_recipe(cls.root / "recipe.toml", "encoded", "custom", train={"microbatches": 2, "steps": 12})
        text = cls.recipe.read_text().replace("[model]", "[model]\npatch_sizes = {signal = 1}")
        cls.recipe.write_text(text + "[objective]\nweights = {signal = 2, sensor = 0.5}\n")
        cls.mom("train", cls.recipe, "--run", "run")
        cls.mom("eval", "run")

    def weights(self, run, step=12):
        return (self.root / run / "checkpoints" / f"step-{step:08}" / "model.safetensors").read_bytes()

    def test_each_learns(self):
        losses = self.losses("run")
        for modality in ("text", "photo", "sensor", "signal"):
            self.assertLess(losses[-1][f"loss_{modality}"], losses[0][f"loss_{modality}"], modality)
        evaluation = json.loads((self.root / "run" / "evaluation.json").read_text())["sets"]["samples"]
        loss = evaluation["loss"]
        self.assertGreater(evaluation["loss_overall"], 5 * loss["photo"] + 2 * loss["signal"])
        self.assertLess(evaluation["loss_overall"], 5 * loss["photo"] + 2 * loss["signal"] + max(loss["text"], loss["sensor"]))
        header, _ = read_safetensors(next((self.root / "run" / "checkpoints").glob("*12")) / "model.safetensors")
        self.assertEqual(header["patch_in.photo.weight"]["shape"], [32, 8])
        self.assertEqual(header["patch_in.signal.weight"]["shape"], [32, 3])

    def test_encoded_numbers_are_the_files(self):
        manifest = json.loads((self.root / "encoded" / "dataset.json").read_text())
        self.assertEqual(manifest["version"], 4)
        documents = [json.loads(line)["key"] for line in (self.root / "documents" / "train-samples.jsonl").read_text().splitlines()]
        header, body = read_safetensors(self.root / "encoded" / "train-samples-00000.safetensors")
        for name in ("photo", "signal"):
            report = json.loads((self.root / "codecs" / name / "codec.json").read_text())["report"]
            entry = header[f"latents.{name}"]
            self.assertEqual(entry["shape"][:2], [len(documents), 1])
            begin, end = entry["data_offsets"]
            values = struct.unpack(f"<{(end - begin) // 2}e", body[begin:end])
            size = len(values) // len(documents)
            for i, key in enumerate(documents):
                original = read_npy(self.root / "samples" / f"{key}.{name}.npy")[1]
                for j, value in enumerate(original):
                    channel = j * len(report["mean"]) // size
                    self.assertAlmostEqual(values[i * size + j], (value - report["mean"][channel]) / report["std"][channel], delta=0.01)

    def test_processes_and_resuming_change_no_bit(self):
        self.mom("train", self.recipe, "--run", "two", "--processes", 2)
        self.assertEqual(self.weights("two"), self.weights("run"))
        stopped = self.run_here("train", self.recipe, "--run", "stopped", "--stop-at", 5)
        self.assertEqual(stopped.returncode, 75)
        self.mom("train", self.recipe, "--run", "stopped", "--resume")
        self.assertEqual(self.weights("stopped"), self.weights("run"))

    def test_a_sequence_shared_by_processes(self):
        shared = ("--set", "train.microbatches=1", "--set", "train.steps=5", "--set", "train.warmup_steps=1")
        self.mom("train", self.recipe, "--run", "whole", *shared)
        self.mom("train", self.recipe, "--run", "cut", *shared, "--set", "train.sequence_ranks=2", "--processes", 2)
        for ours, theirs in zip(self.losses("cut"), self.losses("whole")):
            for modality in ("text", "photo", "sensor", "signal"):
                self.assertAlmostEqual(ours[f"loss_{modality}"], theirs[f"loss_{modality}"], places=4)

    def test_patch_nets_norms_and_attention(self):
        for name, settings in {"adaptive": ["model.adaptive_norm=true", "model.patch_positions=true", "model.image_scan=four"],
                               "attention": ["model.backbone=mixture_of_transformers"],
                               "velocity": ["objective.prediction=velocity", "objective.loss_weighting=min_snr"]}.items():
            options = [word for setting in settings for word in ("--set", setting)]
            self.mom("train", self.recipe, "--run", name, *options)
            losses = self.losses(name)
            for modality in ("photo", "signal") if name != "velocity" else ():  # whose untrained error of the noise is small
                self.assertLess(losses[-1][f"loss_{modality}"], losses[0][f"loss_{modality}"], (name, modality))
            self.mom("generate", name, "--prompt", "red disc", "--modality", "signal", "--steps", 3, "--out", f"{name}.npy")

    def test_settings_of_each_own(self):
        """The photo passes convolutions and is predicted by its velocity over a schedule of its own."""
        text = self.recipe.read_text().replace("[model]", '[model]\npatch_nets = {photo = "unet"}')
        text = text.replace("[objective]", '[objective]\nschedules = {photo = 40}\npredictions = {photo = "velocity"}\nloss_weighting = "min_snr"')
        (self.root / "own.toml").write_text(text)
        self.mom("train", "own.toml", "--run", "own", "--set", "train.steps=40")
        losses = self.losses("own")
        for modality in ("text", "photo", "sensor", "signal"):
            self.assertLess(losses[-1][f"loss_{modality}"], losses[0][f"loss_{modality}"], modality)
        self.mom("eval", "own")
        config = json.loads((self.root / "own" / "checkpoints" / "step-00000040" / "config.json").read_text())
        self.assertEqual((config["patch_net"], config["patch_nets"]), ("linear", {"photo": "unet"}))
        self.assertEqual((config["diffusion_steps"], config["schedules"]), (1000, {"photo": 40}))
        self.assertEqual((config["prediction"], config["predictions"]), ("noise", {"photo": "velocity"}))
        header, _ = read_safetensors(self.root / "own" / "checkpoints" / "step-00000040" / "model.safetensors")
        self.assertIn("patch_net.photo.conv_in", header)
        self.assertFalse([name for name in header if name.startswith("patch_net.signal")])
        # 60 visits of the signal's schedule, and the 40 that the photo's has.
        for modality in ("photo", "signal"):
            self.mom("generate", "own", "--prompt", "red disc", "--modality", modality, "--steps", 60, "--out", f"own-{modality}.npy")
        self.mom("generate", "own", "--prompt", "red disc", "--modality", "photo", "--steps", 40, "--out", "own-40.npy")
        self.assertEqual((self.root / "own-photo.npy").read_bytes(), (self.root / "own-40.npy").read_bytes())
        self.write_input({"photo": 39, "signal": 600})
        self.mom("forward", "own", "--input", "in.safetensors", "--output", "out.safetensors")
        header, _ = read_safetensors(self.root / "out.safetensors")
        self.assertEqual(sorted(name for name in header if "." in name), ["noise.signal", "velocity.photo"])
        self.write_input({"photo": 40, "signal": 600})
        done = self.run_here("forward", "own", "--input", "in.safetensors", "--output", "out.safetensors")
        self.assertEqual(done.returncode, 3)
        self.assertIn("timesteps.photo", done.stderr)

    def test_generates_each_in_its_own_numbers(self):
        for modality, shape in (("photo", (2, 4, 4)), ("signal", (3, 6))):
            self.mom("generate", "run", "--prompt", "red disc", "--modality", modality, "--steps", 5, "--out", f"{modality}.npy")
            self.assertEqual(read_npy(self.root / f"{modality}.npy")[0], shape)
        self.assertAlmostEqual(sum(read_npy(self.root / "photo.npy")[1][:16]) / 16, 12, delta=6)
        # Both in one prompt, in either order, and in one document.
        for first, second in (("photo", "signal"), ("signal", "photo")):
            self.mom("generate", "run", "--given", f"{first}={first}.npy", "--given", f"{second}={second}.npy", "--max-tokens", 5)
        table = json.loads((self.root / "encoded" / "dataset.json").read_text())["modality_table"]
        self.mom("generate", "run", "--tokens", f"2,{table['photo']['begin_token']}", "--interleaved", "--max-tokens", 80, "--steps", 2, "--out", "document")
        first = json.loads((self.root / "document" / "document.json").read_text())["segments"][0]
        self.assertEqual(first["photo"], "photo-1.npy")

    def test_served_as_arrays(self):
        """What a codec from outside would decode comes as .npy, and goes back in as it came; its command is not run."""
        server = Server(self.root / "run", "--codecs", self.root / "encoded" / "codecs")
        self.addCleanup(server.stop)
        model = json.loads(server.get("/v1/models")[1])["data"][0]
        self.assertEqual(model["output_modalities"], ["text", "photo", "sensor", "signal"])
        chat = {"messages": [{"role": "user", "content": "red disc"}], "seed": 4, "num_inference_steps": 5}
        for modality, shape in (("photo", (2, 4, 4)), ("signal", (3, 6)), ("sensor", None)):
            status, answer = server.post("/v1/chat/completions", {**chat, "modalities": [modality], "max_tokens": 20})
            self.assertEqual(status, 200, answer)
            (part,) = json.loads(answer)["choices"][0]["message"]["parts"]
            self.assertEqual((part["type"], part["array"]["modality"], part["array"]["format"]), ("array", modality, "npy"))
            path = self.root / f"served-{modality}.npy"
            path.write_bytes(base64.b64decode(part["array"]["data"]))
            found, values = read_npy(path)
            self.assertEqual(found, shape or (len(values),))
            self.mom("generate", "run", "--prompt", "red disc", "--modality", modality, "--seed", 4, "--steps", 5, "--max-tokens", 20, "--out", "same.npy")
            self.assertEqual(path.read_bytes(), (self.root / "same.npy").read_bytes(), modality)
            back = {"messages": [{"role": "user", "content": [part]}], "max_tokens": 4}
            self.assertEqual(server.post("/v1/chat/completions", back)[0], 200)
        part["array"]["modality"] = "smell"
        status, answer = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": [part]}]})
        self.assertEqual((status, json.loads(answer)["error"]["param"]), (400, "messages[0].content[0].array.modality"))
        status, answer = server.post("/v1/chat/completions", {**chat, "modalities": ["text", "photo", "sensor", "signal"], "max_tokens": 60})
        self.assertEqual(status, 200, answer)

    def write_input(self, timesteps):
        """One sequence: <bos> photo signal. Tensors of several modalities of latents carry their names."""
        manifest = json.loads((self.root / "encoded" / "dataset.json").read_text())
        table, names = manifest["modality_table"], manifest["modalities"]
        tokens, modality = [2], [0]
        for name, count in (("photo", 4), ("signal", 6)):
            tokens += [table[name]["begin_token"], *[0] * count, table[name]["end_token"]]
            modality += [0, *[names.index(name)] * count, 0]
        rand = random.Random(3)
        given = {"tokens": ("I64", [len(tokens)], tokens), "modality": ("I64", [len(tokens)], modality),
                 "patches.photo": ("F32", [4, 8], [rand.gauss(0, 1) for _ in range(32)]),
                 "patches.signal": ("F32", [6, 3], [rand.gauss(0, 1) for _ in range(18)])}
        given |= {f"timesteps.{name}": ("I64", [1], [timestep]) for name, timestep in timesteps.items()}
        write_safetensors(self.root / "in.safetensors", given)

    def test_forward_by_name(self):
        self.write_input({"photo": 300, "signal": 600})
        self.mom("forward", "run", "--input", "in.safetensors", "--output", "out.safetensors")
        header, _ = read_safetensors(self.root / "out.safetensors")
        self.assertEqual((header["noise.photo"]["shape"], header["noise.signal"]["shape"]), ([4, 8], [6, 3]))
        self.write_input({"photo": 300})
        done = self.run_here("forward", "run", "--input", "in.safetensors", "--output", "out.safetensors")
        self.assertEqual(done.returncode, 3)
        self.assertIn("timesteps.signal", done.stderr)

    def test_what_does_not_fit(self):
        for setting, code, word in (("model.patch_sizes={signal = 4}", 2, "1 x 6 of signal"), ("model.patch_sizes={sensor = 1}", 2, "sensor"),
                                    ("model.patch_sizes={}", 2, "model.patch_sizes.signal"), ("model.patch_sizes={signal = 0.5}", 2, "integer"),
                                    ("objective.weights={smell = 1}", 2, "smell"), ("model.patch_net=unet", 2, "of signal"),
                                    ('model.patch_nets={sensor = "conv"}', 2, "sensor"), ('model.patch_nets={photo = "fourier"}', 2, "linear, conv, unet"),
                                    ("objective.schedules={sensor = 20}", 2, "objective.schedules.sensor"),
                                    ('objective.predictions={smell = "noise"}', 2, "objective.predictions.smell")):
            done = self.run_here("train", self.recipe, "--run", "x", "--set", setting)
            self.assertEqual(done.returncode, code, (setting, done.stderr))
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
