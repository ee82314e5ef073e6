"""Encoded data (docs/formats/encoded.md): as training batches, and written from arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from ._native import as_tensor, native, npy_file, signed


class Encoded(torch.utils.data.IterableDataset):
    """The batches of `mom train` with these options of [data], endlessly; of another split than "train" the held-out batches of `mom eval`,
    once. Each is a dict that MixtureOfMambaForCausalLM takes as it is, T positions of S sequences without padding:

    input_ids, modality_ids   i64 [1, T]   0 and the modality's index where a patch of latents stands
    labels                    i64 [1, T]   the token itself where the position before it predicts it, -100 elsewhere
    offsets                   i64 [S + 1]  sequence s is positions [offsets[s], offsets[s + 1]); its state starts anew
    latents, image_first      of data with latents, by modality: f32 [I, C, H, W] in the order of their positions, clean; bool [I], whether
                              text of the item's document follows it and none stands before it
    noise_key                 int          what draws that belong to the batch (timesteps, noise) may be keyed by

    The order is a function of data, options and seed. state_dict() and load_state_dict() keep and restore the position, exactly.
    With workers of a DataLoader (batch_size=None) the batches are the same in the same order; the position then is the workers'.

    patch_size: latent pixels per side. microbatches: of a step; batches come one by one, `batch_tokens` is of the step.
    Held-out batches: source after source, of `sources` alone where they are given; about max_tokens of each, 0: all. RuntimeError: a folder that is not encoded data, or is damaged.
    """

    def __init__(self, folder, split: str = "train", *, sequence_tokens: int = 512, batch_tokens: int = 4096, microbatches: int = 1,
                 mixture: Mapping[str, float] | None = None, reset_state: bool = True, caption_first: float = 0.8, condition_drop: float = 0.1,
                 patch_size: int = 2, seed: int = 0, max_tokens: int = 0, sources: Sequence[str] | None = None):
        self.split, self._max_tokens, self._state, self._made = split, max_tokens, None, None
        self._options = (os.fspath(folder), sequence_tokens, batch_tokens, microbatches, {name: float(w) for name, w in (mixture or {}).items()},
                         reset_state, caption_first, condition_drop, patch_size, signed(seed))
        about = json.loads(self._batches().describe())
        self.modalities, self.vocabulary, self.modality_table = about["modalities"], about["vocabulary"], about["modality_table"]
        known = about["sources"].get(split, [])
        self.sources = known if sources is None else list(sources)
        if not known:
            raise ValueError(f"{folder} has documents for {', '.join(about['sources'])}, none for {split!r}")
        if sources is not None and (split == "train" or not set(sources) <= set(known)):
            raise ValueError(f"sources are of held-out batches, some of {', '.join(known)}; those of training have shares in mixture")

    @property
    def vocab_size(self) -> int:
        return max(end for _, end in self.vocabulary.values())

    def _batches(self):
        if self._made is None:
            self._made = native("Batches")(*self._options)
        return self._made

    def __getstate__(self):  # for workers: the library's objects stay in their process
        return {**self.__dict__, "_made": None}

    def __iter__(self) -> Iterator[dict]:
        worker = torch.utils.data.get_worker_info()
        first, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        for i, batch in enumerate(self._all()):
            if i % stride == first:
                yield batch

    def _all(self):
        if self.split != "train":
            for source in self.sources:
                yield from map(self._dict, self._batches().held_out(source, self.split, self._max_tokens))
            return
        batches, done = self._batches(), 0
        if self._state is not None:
            batches.restore(self._state["loader"])
            done = self._state["done"]
        while True:
            before = batches.state()
            step = batches.next()
            for i in range(done, len(step)):
                self._state = {"loader": before, "done": i + 1} if i + 1 < len(step) else {"loader": batches.state(), "done": 0}
                yield self._dict(step[i])
            done = 0

    def _dict(self, tensors) -> dict:
        labels = tensors["labels"]  # of the next position: theirs are moved inside a model
        batch = {"input_ids": tensors["tokens"][None], "modality_ids": tensors["modality"][None],
                 "labels": torch.cat([labels.new_full((1,), -100), labels[:-1]])[None], "offsets": tensors["offsets"]}
        names = [name for name in self.modalities if "latents." + name in tensors]
        if names:
            batch["latents"] = {name: tensors["latents." + name] for name in names}
            batch["image_first"] = {name: tensors["image_first." + name] for name in names}
            batch["noise_key"] = int(tensors["noise_key"])
        return batch

    def state_dict(self) -> dict:
        """The position behind the batch that was yielded last. Small, of plain values."""
        if self.split != "train":
            raise ValueError("held-out batches are short: they have no position to keep")
        return dict(self._state) if self._state else {"loader": self._batches().state(), "done": 0}

    def load_state_dict(self, state: Mapping):
        """RuntimeError: a state of other data."""
        self._state = {"loader": state["loader"], "done": state["done"]}
        self._batches().restore(self._state["loader"])


class ShardWriter:
    """Writes a folder of encoded data, whole or not at all.

    codecs: folders of codecs, one for each modality, of `mom codec train`, `mom codec import` or describe_codec; copies become part of the
    data. Without one of text, documents have no text. variants: views of each image that one of mom's own codecs encodes.

        with data.ShardWriter("data/songs", ["codecs/text", "codecs/music"]) as writer:
            for title, codes in songs:
                writer.add([("text", title), ("music", codes)], source="songs")

    Leaving `with` by an exception leaves nothing behind.
    """

    def __init__(self, folder, codecs: Sequence = (), *, replace: bool = False, variants: int = 4):
        self._writer = native("Writer")(os.fspath(folder), [os.fspath(codec) for codec in codecs], replace, variants)
        self._count = 0

    def add(self, segments: Sequence[tuple], *, source: str, split: str = "train", key: str | None = None, free_order: bool = False,
            keywords: Sequence[str] = ()):
        """A document: (modality, content) in order. Content of text: str, or ids of its codec as integers; of a codec from outside: an array as
        the codec describes it, codes as integers or latents as floats; of mom's own codecs of images and sounds: the bytes of a file.

        split: "train", "validation" or "test". free_order: training draws the order of the segments. keywords: of the text, drawn
        and shuffled each time it is used. RuntimeError: content that is not what its codec says."""
        if split not in ("train", "validation", "test"):
            raise ValueError(f"split is train, validation or test, not {split!r}")
        if not source or not all(c.isalnum() or c in "_-." for c in source):
            raise ValueError(f"a source is named by letters, digits, '_', '-' and '.', not {source!r}")
        contents = [_content(modality, content) for modality, content in segments]
        self._writer.add(source, split, key or f"{source}-{self._count}", free_order, [modality for modality, _ in segments], contents, list(keywords))
        self._count += 1

    def close(self):
        """Finishes the folder. RuntimeError: no document was added."""
        self._writer.commit()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self._writer.abandon()


def _content(modality, content):
    if isinstance(content, str):
        return as_tensor(content.encode())
    if isinstance(content, (bytes, bytearray)):
        return as_tensor(bytes(content))
    array = content.numpy() if isinstance(content, torch.Tensor) else np.asarray(content)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{modality}: text, bytes or an array of numbers, not {type(content).__name__} of {array.dtype}")
    if modality == "text":
        if array.dtype.kind == "f":
            raise TypeError("ids of text are integers")
        return torch.from_numpy(array.astype(np.int64).ravel())
    return as_tensor(npy_file(array))


def describe_codec(folder, modality: str, *, codebook_size: int = 0, codes_per_item: int = 0, shape: Sequence[int] = (), mean=None, std=None,
                   rate_hz: float = 0.0, note: str = "", decode: str = "", decodes_to: str = "", replace: bool = False):
    """Writes the folder of a codec from outside, as `mom codec describe` does (docs/formats/codec.md, "A codec from outside").

    Codes: codebook_size; codes_per_item, 0: any number; shape: what `mom generate` gives back, such as [16, 16].
    Latents: shape [C, H, W] or [C, T]; mean, std [C]: what brings each channel to mean 0 and variance 1."""
    latents = codebook_size == 0
    if latents != (mean is not None) or latents != (std is not None):
        raise ValueError("a codec has either a codebook_size, or latents with mean and std")
    shape = list(shape) or ([codes_per_item] if codes_per_item else [])
    numbers = [torch.as_tensor(x, dtype=torch.float32).reshape(-1) if latents else torch.empty(0) for x in (mean, std)]
    if latents and not (len(shape) in (2, 3) and len(numbers[0]) == len(numbers[1]) == shape[0] and bool((numbers[1] > 0).all())):
        raise ValueError(f"latents have a shape [C, H, W] or [C, T], and C means and positive deviations; found {shape}, {mean}, {std}")
    torch.ops.mixture_of_mamba_engine.describe_codec(os.fspath(folder), modality, replace, "latents" if latents else "codes", codebook_size,
                                                     codes_per_item, shape, float(rate_hz), note, decode, decodes_to, *numbers)
