"""MixtureOfMambaForCausalLM with transformers: found by the Auto classes, on the kernels and without, trained, generated from, and in mom."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import mixture_of_mamba as mom
import torch
import torch.nn.functional as F
from mixture_of_mamba import modeling_mixture_of_mamba as modeling
from safetensors.torch import load_file, save_file
from support import Comparing
from transformers import AutoConfig, AutoModelForCausalLM

VOCABULARY = {"text": [0, 60], "image": [60, 97]}


def make_model(**options):
    config = mom.MixtureOfMambaConfig(**{"vocab_size": 97, "hidden_size": 48, "num_hidden_layers": 3, "state_size": 8, "modalities": ["text", "image"],
                                         "decoupled": ["in_proj", "x_proj", "dt_proj", "out_proj"], "vocabulary": VOCABULARY} | options)
    model = mom.MixtureOfMambaForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "dt_proj" in name and parameter.dim() == 1:
                parameter.uniform_(-2, 1)
            elif "conv1d" in name:
                parameter.normal_(std=0.5)
            elif parameter.dim() == 2 and "A_log" not in name:
                parameter.normal_(std=(2 if "x_proj" in name else 1) * parameter.shape[-1] ** -0.5)
    return model


class Model(Comparing):
    def setUp(self):
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.tokens = torch.randint(0, 97, (2, 40))

    def test_auto_classes(self):
        model = make_model()
        model.save_pretrained(self.folder)
        self.assertIsInstance(AutoConfig.from_pretrained(self.folder), mom.MixtureOfMambaConfig)
        again = AutoModelForCausalLM.from_pretrained(self.folder).eval()
        self.assertIsInstance(again, mom.MixtureOfMambaForCausalLM)
        self.assertTrue(torch.equal(again(self.tokens).logits, model(self.tokens).logits))

    def test_registered_when_needed(self):
        """In each order of imports the Auto classes know it, and transformers is not imported before somebody does."""
        make_model().save_pretrained(self.folder)
        load = f"AutoModelForCausalLM.from_pretrained({str(self.folder)!r}); "
        for lines in ("import mixture_of_mamba, sys; assert 'transformers' not in sys.modules; from transformers import AutoModelForCausalLM; " + load,
                      "from transformers import AutoModelForCausalLM; import mixture_of_mamba; " + load,
                      f"import mixture_of_mamba; from transformers import AutoConfig; print(AutoConfig.from_pretrained({str(self.folder)!r}).decoupled)",
                      "from mixture_of_mamba import MixtureOfMambaConfig as C; from transformers import AutoModelForCausalLM as M; M.from_config(C(vocab_size=9, num_hidden_layers=1))"):
            done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, f"{lines}\n{done.stderr}")

    def test_with_kernels_and_without(self):
        for options in ({}, {"decoupled": ["x_proj"]}, {"decoupled": [], "use_conv_bias": False}):
            model, results = make_model(**options).train(), []
            labels = self.tokens.clone()
            labels[:, :5] = -100
            for scan in (modeling.selective_scan, None):
                model.zero_grad()
                with mock.patch.object(modeling, "selective_scan", scan):
                    output = model(self.tokens, labels=labels)
                    output.loss.backward()
                    with torch.no_grad():  # in two parts with a cache, and with padding on the left
                        cached = model(self.tokens[:, :9], use_cache=True)
                        later = model(self.tokens[:, 9:], cache_params=cached.cache_params).logits
                        padded = model(self.tokens, attention_mask=(torch.arange(40) >= torch.tensor([[0], [7]])).long()).logits[:, 7:]
                results.append([output.logits, output.loss, later, padded, *(p.grad.clone() for p in model.parameters())])
            self.assertIsNotNone(modeling.selective_scan)
            for got, expected in zip(*results):
                self.check_close(got, expected.double(), str(options), most=1e-9)  # float32 on both sides
            self.check_close(results[0][2], results[0][0][:, 9:].double())

    def test_gradient_checkpointing(self):
        model, gradients = make_model().train(), []
        for _ in range(2):
            model.zero_grad()
            model(self.tokens, labels=self.tokens).loss.backward()
            gradients.append([p.grad.clone() for p in model.parameters()])
            calls = []
            handle = model.backbone.layers[0].mixer.register_forward_pre_hook(lambda *_: calls.append(1))
            model(self.tokens, labels=self.tokens).loss.backward()
            handle.remove()
            self.assertEqual(len(calls), len(gradients))  # once, and with checkpointing once more in the backward
            model.gradient_checkpointing_enable()
        for one, other in zip(*gradients):
            self.assertTrue(torch.equal(one, other))

    def test_generates(self):
        model = make_model()
        prompt = self.tokens[:, :9]
        texts = [model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=30, do_sample=False, use_cache=use) for use in (True, False)]
        self.assertTrue(torch.equal(*texts))
        self.assertGreater(len(texts[0].unique()), 5)
        with mock.patch.object(modeling, "selective_scan", None):
            self.assertTrue(torch.equal(model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=30, do_sample=False), texts[0]))

    def test_packed(self):
        """Sequences in one row are what each is alone, with kernels and without, values and gradients."""
        offsets = torch.tensor([0, 1, 14, 40, 80])
        tokens = torch.randint(0, 97, (1, 80))
        latents = {"vocabulary": {"text": [0, 97], "image": [97, 97]}, "adaptive_norm": True, "image_scan": "alternate",
                   "modality_table": {"text": {"representation": "tokens"}, "image": {"representation": "latents", "latent_shape": [2, 4, 4], "patch_size": 2}}}
        modality = torch.zeros_like(tokens)
        modality[0, 1:5] = modality[0, 50:54] = 1
        items = {"modality_ids": modality, "patches": torch.randn(8, 8), "timesteps": torch.tensor([3, 700])}
        for options, more in (({}, {}), (latents, items)):
            model = make_model(**options).train()
            with torch.no_grad():
                for parameter in model.parameters():  # also those that start at zero
                    parameter.add_(0.05 * torch.randn_like(parameter))
            for scan in (modeling.selective_scan, None):
                with mock.patch.object(modeling, "selective_scan", scan):
                    model.zero_grad()
                    together = model(tokens, labels=tokens, offsets=offsets, **more)
                    together.loss.backward()
                    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
                    model.zero_grad()
                    total, q = 0, 0
                    for begin, end in zip(offsets[:-1], offsets[1:]):
                        own = {name: value[:, begin:end] for name, value in more.items() if name == "modality_ids"}
                        if count := int(own["modality_ids"].sum()) // 4 if more else 0:
                            own |= {"patches": more["patches"][4 * q:4 * (q + count)], "timesteps": more["timesteps"][q:q + count]}
                            q += count
                        alone = model(tokens[:, begin:end], **own).logits
                        self.check_close(together.logits[:, begin:end], alone.double(), str((begin, end)), most=1e-9)
                        total = total + F.cross_entropy(alone[0, :-1], tokens[0, begin + 1:end], reduction="sum")
                    (total / (80 - 4)).backward()
                    self.assertAlmostEqual(together.loss.item(), total.item() / (80 - 4), places=5)
                    for got, expected in zip(gradients, (p.grad for p in model.parameters() if p.grad is not None)):
                        self.check_close(got, expected.double(), most=1e-8)
        for wrong in (torch.tensor([0, 81]), torch.tensor([1, 80]), torch.tensor([0, 9, 9, 80]), torch.tensor([0])):
            with self.assertRaisesRegex(ValueError, "offsets rise from 0"):
                make_model()(tokens, offsets=wrong)
        with self.assertRaisesRegex(ValueError, "no cache"):
            make_model()(tokens, offsets=offsets, use_cache=True)

    @unittest.skipUnless(os.environ.get("MOM_BINARY"), "MOM_BINARY names no program")
    def test_in_mom(self):
        """mom computes the same logits from what save_pretrained writes, to 1e-5 of the largest (of trained models to 1e-5: export_test). In all settings of
        tokens alone: text, text and images (Chameleon), and both with speech."""
        for vocabulary in ({"text": [0, 97]}, VOCABULARY, {"text": [0, 40], "image": [40, 60], "speech": [60, 97]}):
            folder, names = self.folder / str(len(vocabulary)), list(vocabulary)
            model, tokens = make_model(vocabulary=vocabulary, modalities=names), self.tokens[0]
            model.save_pretrained(folder)
            modality = sum((tokens >= vocabulary[name][0]).long() for name in names[1:]) if names[1:] else torch.zeros_like(tokens)
            save_file({"tokens": tokens, "modality": modality}, folder / "in.safetensors")
            subprocess.run([os.environ["MOM_BINARY"], "forward", folder, "--input", folder / "in.safetensors", "--output", folder / "out.safetensors"],
                           check=True, capture_output=True)
            with torch.no_grad():
                logits = model(tokens[None]).logits[0]
            difference = (load_file(folder / "out.safetensors")["logits"] - logits).abs().max().item()
            self.assertLessEqual(difference / logits.abs().max().item(), 1e-5, names)


if __name__ == "__main__":
    unittest.main(verbosity=2)
