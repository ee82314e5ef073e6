"""mixture_of_mamba_engine.data beside the program: batches are the C++ loader's, in its order and after resuming; folders that ShardWriter writes are
those of `mom data encode`, and pass `mom data inspect`."""

import io
import itertools
import json
import os
import pathlib
import pickle
import subprocess
import sys
import unittest

import numpy as np
import torch
from mixture_of_mamba_engine import data
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/e2e"))
from program import run_mom, try_mom  # noqa: E402
from tiny import TinyData, write_recipe  # noqa: E402

OPTIONS = {"sequence_tokens": 128, "batch_tokens": 512}  # those of dump_batches


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


class Batches(TinyData):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folders = {"latents": cls.root / "tiny/encoded", "codes": cls.root / "tiny/spoken/encoded"}

    def dumped(self, name, source="-", seed=0, microbatches=1, steps=1):
        out = self.root / "dumped"
        out.mkdir(exist_ok=True)
        for file in out.iterdir():
            file.unlink()
        subprocess.run([os.environ["MOM_DUMP_BATCHES"], self.folders[name], out, source, str(seed), str(microbatches), str(steps)], check=True)
        return [load_file(out / f"{i}.safetensors") for i in range(len(list(out.iterdir())))]

    def check(self, batch, raw, dataset):
        """By position what the loader has by row, worked out one position at a time."""
        order, groups = raw["order"].tolist(), raw["group_offsets"].tolist()
        targets = dict(zip(raw["target_rows"].tolist(), raw["target_ids"].tolist()))
        modality = [next(m for m in range(len(groups) - 1) if groups[m] <= row < groups[m + 1]) for row in order]
        labels = [-100] + [targets.get(row, -100) for row in order[:-1]]
        self.assertEqual(batch["input_ids"].tolist(), [[raw["tokens"][row].item() for row in order]])
        self.assertEqual(batch["modality_ids"].tolist(), [modality])
        self.assertEqual(batch["labels"].tolist(), [labels])
        self.assertTrue(torch.equal(batch["offsets"], raw["offsets"]))
        for i, label in enumerate(labels):  # what is predicted is what stands there
            self.assertIn(label, (-100, batch["input_ids"][0, i].item()))
        continuous = [name for name in dataset.modalities if dataset.modality_table[name]["representation"] == "latents"]
        self.assertEqual(list(batch.get("latents", {})), continuous)
        for k, name in enumerate(continuous):
            if f"latents.{k}" not in raw:
                self.assertEqual(len(batch["latents"][name]), 0)
                continue
            self.assertTrue(torch.equal(batch["latents"][name], raw[f"latents.{k}"]))
            self.assertEqual(batch["image_first"][name].long().tolist(), raw[f"image_first.{k}"].tolist())
            self.assertEqual(batch["noise_key"], raw["noise_key"].item())
            per_item = modality.count(dataset.modalities.index(name)) / len(batch["latents"][name])
            self.assertEqual(per_item, 4 * 4)  # patches of 2 x 2 of 8 x 8

    def test_training_batches(self):
        for name, (seed, microbatches) in itertools.product(self.folders, ((0, 1), (7, 2), (2**63 + 5, 4))):
            with self.subTest(name, seed=seed):
                dataset = data.Encoded(self.folders[name], seed=seed, microbatches=microbatches, **OPTIONS)
                raws = self.dumped(name, seed=seed, microbatches=microbatches, steps=6)
                self.assertEqual(len(raws), 6 * microbatches)
                for batch, raw in zip(dataset, raws):
                    self.check(batch, raw, dataset)
        self.assertEqual(dataset.modalities, ["text", "image", "speech"])
        self.assertEqual(dataset.vocab_size, dataset.vocabulary["speech"][1])

    def test_held_out_batches(self):
        for name in self.folders:
            dataset = data.Encoded(self.folders[name], "validation", **OPTIONS)
            raws = [raw for source in dataset.sources for raw in self.dumped(name, source)]
            batches = list(dataset)
            self.assertEqual(len(batches), len(raws))
            self.assertGreater(len(dataset.sources), 1)
            for batch, raw in zip(batches, raws):
                self.check(batch, raw, dataset)
            self.assertTrue(all(map(equal, dataset, batches)))  # once more
            last = list(data.Encoded(self.folders[name], "validation", sources=dataset.sources[-1:], **OPTIONS))
            self.assertTrue(all(map(equal, last, batches[-len(last):])))

    def test_resuming(self):
        """Exactly, at every batch of a step, also by way of a file, of another object or in the middle of a loop."""
        options = {"seed": 3, "microbatches": 4, **OPTIONS}
        for name, folder in self.folders.items():
            whole = list(itertools.islice(data.Encoded(folder, **options), 14))
            for cut in (0, 1, 3, 4, 7, 8):
                first = data.Encoded(folder, **options)
                for _ in itertools.islice(first, cut):
                    pass
                second = data.Encoded(folder, **options)
                second.load_state_dict(json.loads(json.dumps(first.state_dict())))
                for dataset in (second, first):
                    rest = list(itertools.islice(dataset, 14 - cut))
                    self.assertTrue(all(map(equal, rest, whole[cut:])), f"{name}, {cut}")
        with self.assertRaisesRegex(RuntimeError, "source"):
            data.Encoded(self.folders["codes"], **options).load_state_dict(data.Encoded(self.folders["latents"], **options).state_dict())

    def test_workers(self):
        """A DataLoader with workers, forked or spawned, gives the same batches in the same order."""
        dataset = data.Encoded(self.folders["latents"], seed=5, **OPTIONS)
        expected = list(itertools.islice(data.Encoded(self.folders["latents"], seed=5, **OPTIONS), 9))
        for workers, context in ((0, None), (2, "fork"), (3, "spawn")):
            loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=workers, multiprocessing_context=context)
            self.assertTrue(all(map(equal, itertools.islice(loader, 9), expected)), (workers, context))
            dataset = pickle.loads(pickle.dumps(data.Encoded(self.folders["latents"], seed=5, **OPTIONS)))

    def test_trains_a_model(self):
        """Packed documents as one row: the loss is that of each document by itself."""
        import mixture_of_mamba as mom
        dataset = data.Encoded(self.folders["codes"], **OPTIONS)
        torch.manual_seed(0)
        config = mom.MixtureOfMambaConfig(vocab_size=dataset.vocab_size, hidden_size=32, num_hidden_layers=2, state_size=8, modalities=dataset.modalities,
                                          decoupled=["in_proj", "out_proj"], vocabulary=dataset.vocabulary)
        model = mom.MixtureOfMambaForCausalLM(config)
        batch = next(iter(dataset))
        loss = model(**batch).loss
        total = count = 0
        for begin, end in zip(batch["offsets"][:-1], batch["offsets"][1:]):
            labels = batch["labels"][:, begin:end]
            if end - begin > 1 and (labels[:, 1:] >= 0).any():
                n = (labels[:, 1:] >= 0).sum()
                total, count = total + n * model(batch["input_ids"][:, begin:end], labels=labels).loss, count + n
        self.assertAlmostEqual(loss.item(), (total / count).item(), places=5)
        self.assertEqual(count, (batch["labels"] >= 0).sum())

    def test_refusals(self):
        with self.assertRaisesRegex(RuntimeError, "nothing"):
            data.Encoded(self.root / "nothing")
        with self.assertRaisesRegex(ValueError, "none for 'tests'"):
            data.Encoded(self.folders["codes"], "tests")
        with self.assertRaisesRegex(ValueError, "some of shapes, words"):
            data.Encoded(self.folders["latents"], "validation", sources=["smells"])
        with self.assertRaisesRegex(RuntimeError, "mixture"):
            next(iter(data.Encoded(self.folders["codes"], mixture={"smells": 1})))
        with self.assertRaisesRegex(RuntimeError, "patch_size"):
            data.Encoded(self.folders["latents"], patch_size=3)


class Writing(TinyData):
    def documents(self, folder):
        """(source, split, document, segments with their bytes) of a documents folder."""
        for collection in json.loads((folder / "dataset.json").read_text())["collections"]:
            for line in (folder / collection["file"]).read_text().splitlines():
                document, segments = json.loads(line), []
                for segment in document["segments"]:
                    if "text" in segment:
                        segments.append(("text", segment["text"]))
                        continue
                    (modality, media), = segment.items()
                    with open(folder / media["file"], "rb") as tar:
                        tar.seek(media["offset"])
                        segments.append((modality, tar.read(media["bytes"])))
                yield collection["source"], collection["split"], document, segments

    def test_as_the_program_writes(self):
        """The documents of `mom data encode`, one by one: the same files, byte for byte."""
        spoken = self.root / "tiny/spoken"
        with data.ShardWriter(self.root / "again", [spoken / f"codec-{name}" for name in ("text", "image", "speech")], variants=2) as writer:
            for source, split, document, segments in self.documents(spoken / "documents"):
                keywords = [word for segment in document["segments"] for word in segment.get("keywords", [])]
                writer.add(segments, source=source, split=split, key=document["key"], free_order=document.get("free_order", False), keywords=keywords)
        expected = {file.relative_to(spoken / "encoded"): file.read_bytes() for file in (spoken / "encoded").rglob("*") if file.is_file()}
        found = {file.relative_to(self.root / "again"): file.read_bytes() for file in (self.root / "again").rglob("*") if file.is_file()}
        self.assertEqual(expected.keys(), found.keys())
        self.assertEqual([str(name) for name in expected if expected[name] != found[name]], [])

    def test_arrays(self):
        """Codes and latents of one's own, with text as words and as ids: inspected, trained on, and read back as they were."""
        random = np.random.default_rng(1)
        data.describe_codec(self.root / "music", "music", codebook_size=50, rate_hz=25, note="ours")
        data.describe_codec(self.root / "depth", "depth", shape=[3, 4, 4], mean=[1, 2, 3], std=[2, 2, 4])
        text = self.root / "tiny/codec-text"
        tunes = [random.integers(0, 50, random.integers(3, 9)) for _ in range(12)]
        depths = [(random.standard_normal((3, 4, 4)) * 2 + 1).astype(np.float32) for _ in range(12)]
        with data.ShardWriter(self.root / "songs", [text, self.root / "music", self.root / "depth"]) as writer:
            for i, (tune, depth) in enumerate(zip(tunes, depths)):
                words = ("text", "The red disc") if i % 2 else ("text", np.array([9, 10, 11]))
                writer.add([words, ("music", tune), ("depth", torch.from_numpy(depth))], source="songs", split="validation" if i > 9 else "train")
        about = json.loads(run_mom("data", "inspect", self.root / "songs", "--json"))
        self.assertEqual((about["documents"], about["tokens"]["music"]), (12, sum(map(len, tunes))))
        dataset = data.Encoded(self.root / "songs", "validation", sequence_tokens=128, batch_tokens=512)
        batch, = dataset
        ids, which = batch["input_ids"][0], batch["modality_ids"][0]
        begin = dataset.vocabulary["music"][0]
        self.assertEqual((ids[which == dataset.modalities.index("music")] - begin).tolist(), [code for tune in tunes[10:] for code in tune])
        scaled = np.stack([(depth - np.array([1, 2, 3])[:, None, None]) / np.array([2, 2, 4])[:, None, None] for depth in depths[10:]])
        np.testing.assert_allclose(batch["latents"]["depth"].numpy(), scaled, atol=2e-3)  # f16
        recipe = write_recipe(self.root / "songs.toml", self.root / "songs", "custom", train={"steps": 3})
        done = try_mom("train", recipe, "--run", self.root / "run")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_whole_or_not_at_all(self):
        text = self.root / "tiny/codec-text"
        with self.assertRaisesRegex(ZeroDivisionError, ""):
            with data.ShardWriter(self.root / "broken", [text]) as writer:
                writer.add([("text", "a")], source="a")
                1 / 0
        self.assertEqual([path.name for path in self.root.iterdir() if "broken" in path.name], [])
        with data.ShardWriter(self.root / "here", [text]) as writer:
            writer.add([("text", "a")], source="a")
        with self.assertRaisesRegex(RuntimeError, "exists"):
            data.ShardWriter(self.root / "here", [text])
        with self.assertRaisesRegex(RuntimeError, "closed"):
            writer.add([("text", "a")], source="a")
        with self.assertRaisesRegex(RuntimeError, "at least one document"):
            data.ShardWriter(self.root / "empty", [text]).close()

    def test_refusals(self):
        data.describe_codec(self.root / "codes", "codes", codebook_size=5, codes_per_item=4, shape=[2, 2])
        writer = data.ShardWriter(self.root / "out", [self.root / "tiny/codec-text", self.root / "codes"])
        for what, error, words, segments, options in (
                ("code", RuntimeError, "0 to 4.*5 at entry 1", [("codes", np.array([0, 5, 1, 1]))], {}),
                ("length", RuntimeError, "4 codes", [("codes", np.array([0, 1]))], {}),
                ("floats", RuntimeError, "integers", [("codes", np.zeros(4))], {}),
                ("ids", RuntimeError, "ids of text", [("text", np.array([2]))], {}),
                ("floats of text", TypeError, "integers", [("text", np.zeros(4))], {}),
                ("no codec", RuntimeError, '"smell"', [("smell", np.array([0]))], {}),
                ("objects", TypeError, "numbers", [("codes", [None])], {}),
                ("nothing", RuntimeError, "at least one segment", [], {}),
                ("order", RuntimeError, "two segments", [("text", "a")], {"free_order": True}),
                ("split", ValueError, "train, validation or test", [("text", "a")], {"split": "dev"}),
                ("source", ValueError, "named by letters", [("text", "a")], {"source": "a/b"})):
            with self.subTest(what), self.assertRaisesRegex(error, words):
                writer.add(segments, **{"source": "s", **options})
        with self.assertRaisesRegex(ValueError, "codebook_size, or latents"):
            data.describe_codec(self.root / "x", "x")
        with self.assertRaisesRegex(ValueError, "C means"):
            data.describe_codec(self.root / "x", "x", shape=[2, 4, 4], mean=[0], std=[1])
        with self.assertRaisesRegex(RuntimeError, "other than text"):
            data.describe_codec(self.root / "x", "text", codebook_size=5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
