"""Models that are trained on both sides: with transformers' Trainer on batches of encoded data, further by `mom train`, and back.
Also what a new model starts from, which is what `mom train` starts from."""

import json
import pathlib
import sys
import unittest

import mixture_of_mamba as mom
import torch
from mixture_of_mamba import data
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/e2e"))
from program import run_mom  # noqa: E402
from tiny import TinyData, write_recipe  # noqa: E402

torch.set_num_threads(1)
OPTIONS = {"sequence_tokens": 128, "batch_tokens": 512}
DECOUPLED = ["in_proj", "x_proj", "dt_proj", "out_proj"]
STEPS = 50


class Both(TinyData):
    def train(self, model, dataset, steps, name):
        arguments = TrainingArguments(output_dir=self.root / name, max_steps=steps, per_device_train_batch_size=1, learning_rate=4e-3, warmup_steps=5,
                                      report_to="none", save_strategy="no", logging_steps=1, use_cpu=True, disable_tqdm=True, remove_unused_columns=False,
                                      accelerator_config={"dispatch_batches": False})  # which would cut every tensor of a batch as if it had a row for each
        trainer = Trainer(model, arguments, train_dataset=dataset, data_collator=lambda batches: batches[0])
        trainer.train()
        return [line["loss"] for line in trainer.state.log_history if "loss" in line]

    def losses_of(self, model, folder):
        """Held-out nats per token by source and modality."""
        losses, about = {}, data.Encoded(folder, "validation", **OPTIONS)
        for source in about.sources:
            total, count = {}, {}
            for batch in data.Encoded(folder, "validation", sources=[source], **OPTIONS):
                labels = batch["labels"][0, 1:]
                with torch.no_grad():
                    each = torch.nn.functional.cross_entropy(model(**batch).logits[0, :-1], labels, ignore_index=-100, reduction="none")
                for m, name in enumerate(about.modalities):
                    chosen = (labels >= 0) & (batch["modality_ids"][0, 1:] == m)
                    total[name] = total.get(name, 0) + each[chosen].sum().item()
                    count[name] = count.get(name, 0) + chosen.sum().item()
            losses |= {(source, name): total[name] / count[name] for name in total if count[name] > 0}
        return losses

    def check_losses(self, run, step, expected):
        lines = {line["set"]: line for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()) if (line["kind"], line["step"]) == ("eval", step)}
        self.assertEqual(sorted(lines), sorted({source for source, _ in expected}))
        for (source, modality), loss in expected.items():
            self.assertAlmostEqual(lines[source][f"loss_{modality}"], loss, places=5, msg=f"{source}, {modality}")

    def test_there_and_back(self):
        """50 steps in Python, 10 by `mom train`, 10 in Python. Each begins with the held-out losses that the one before left."""
        folder = self.root / "tiny/spoken/encoded"
        dataset = data.Encoded(folder, seed=1, **OPTIONS)
        torch.manual_seed(1)
        model = mom.MixtureOfMambaForCausalLM(mom.MixtureOfMambaConfig(
            vocab_size=dataset.vocab_size, hidden_size=32, num_hidden_layers=2, modalities=dataset.modalities, decoupled=DECOUPLED,
            vocabulary=dataset.vocabulary, modality_table=dataset.modality_table, tie_word_embeddings=False))
        losses = self.train(model, dataset, STEPS, "trainer")
        self.assertEqual(len(losses), STEPS)
        self.assertLess(sum(losses[-5:]), 0.8 * sum(losses[:5]))
        model.save_pretrained(self.root / "python")
        recipe = write_recipe(self.root / "on.toml", folder, "three_modality", train={"steps": 10, "start_from": str(self.root / "python")}, eval={"every_steps": 5})
        run_mom("train", recipe, "--run", self.root / "run")
        before = self.losses_of(model.eval(), folder)
        self.check_losses(self.root / "run", 0, before)
        run_mom("convert", "to-hf", self.root / "run", "--out", self.root / "back")
        again = AutoModelForCausalLM.from_pretrained(self.root / "back")
        self.assertIsInstance(again, mom.MixtureOfMambaForCausalLM)
        after = self.losses_of(again.eval(), folder)
        self.check_losses(self.root / "run", 10, after)
        self.assertLess(sum(after.values()), sum(before.values()))
        self.train(again.train(), dataset, 10, "trainer")
        self.assertLess(sum(self.losses_of(again.eval(), folder).values()), sum(after.values()))

    def test_starts_as_in_mom(self):
        """Every parameter of a new model has the mean, the spread and the bounds that `mom train` gives it."""
        for name, setting, folder, model in (("spoken", "three_modality", "tiny/spoken/encoded", {}),
                                             ("latents", "transfusion", "tiny/encoded", {"adaptive_norm": True, "patch_net": "unet", "patch_positions": True})):
            recipe = write_recipe(self.root / f"{name}.toml", self.root / folder, setting, train={"steps": 1, "warmup_steps": 0, "learning_rate": 1e-9, "min_learning_rate": 1e-9},
                                  model={"d_model": 64, **model}, eval={"every_steps": 1})
            run_mom("train", recipe, "--run", self.root / name)
            run_mom("convert", "to-hf", self.root / name, "--out", self.root / f"{name}-hf")
            theirs = AutoModelForCausalLM.from_pretrained(self.root / f"{name}-hf")
            torch.manual_seed(5)
            ours = dict(mom.MixtureOfMambaForCausalLM(theirs.config).named_parameters())
            for key, expected in theirs.named_parameters():
                got, message = ours[key], f"{name}: {key}"
                self.assertEqual(expected.numel() > 1 and expected.std().item() > 1e-6, got.numel() > 1 and got.std().item() > 1e-6, message)
                # Of n draws the spread is off by 1 / sqrt(2 n), at most.
                tolerance = 5 * (1 / (2 * got.numel())) ** 0.5
                self.assertAlmostEqual(got.std().item(), expected.std().item(), delta=2 * tolerance * expected.std().item() + 1e-6, msg=message)
                self.assertAlmostEqual(got.mean().item(), expected.mean().item(), delta=10 * got.std().item() / got.numel() ** 0.5 + 1e-6, msg=message)
                self.assertAlmostEqual(got.abs().max().item(), expected.abs().max().item(), delta=0.4 * expected.abs().max().item() + 1e-6, msg=message)


if __name__ == "__main__":
    unittest.main(verbosity=2)
