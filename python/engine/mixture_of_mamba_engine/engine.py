"""What a trained model writes: text, images, sounds and arrays, as they are written."""

from __future__ import annotations

import collections
import io
import os
import pathlib
import sys
import threading
import wave
import weakref
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Union

import numpy as np
import PIL.Image

from ._native import as_tensor, native, npy_file, signed

Part = Union[str, bytes, os.PathLike, PIL.Image.Image, tuple]


class Sound(NamedTuple):
    """samples f32 [N] in [-1, 1], mono; rate in Hz."""

    samples: np.ndarray
    rate: int


class Piece(NamedTuple):
    """What a stream with raw=True yields. kind: "text" (data is UTF-8), "image" (PNG), "sound" (WAV), "array" (NPY) or "preview" (PNG)."""

    kind: str
    data: bytes
    modality: str  # of an array
    answer: int
    number: int  # of a preview


def _read_sound(data: bytes) -> Sound:
    with wave.open(io.BytesIO(data)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return Sound(samples.astype(np.float32) / 32768, file.getframerate())


def _value_of(piece: Piece):
    if piece.kind == "text":
        return piece.data.decode()
    if piece.kind in ("image", "preview"):
        image = PIL.Image.open(io.BytesIO(piece.data))
        image.load()
        return image
    return _read_sound(piece.data) if piece.kind == "sound" else np.load(io.BytesIO(piece.data))


def _part(part: Part) -> tuple[str, bytes]:
    """A part of a prompt as its modality and bytes."""
    if isinstance(part, str):
        return "text", part.encode()
    if isinstance(part, PIL.Image.Image):
        file = io.BytesIO()
        part.save(file, "PNG")
        return "image", file.getvalue()
    if isinstance(part, Sound):
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(part.rate)
            sound.writeframes((np.clip(np.asarray(part.samples), -1, 1) * 32767).round().astype("<i2").tobytes())
        return "speech", file.getvalue()
    if isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str):
        modality, content = part
        if isinstance(content, np.ndarray):
            return modality, npy_file(content)
        if isinstance(content, str):
            return modality, content.encode()
        if isinstance(content, os.PathLike):
            return modality, pathlib.Path(content).read_bytes()
        if isinstance(content, (bytes, bytearray)):
            return modality, bytes(content)
        return modality, _part(content)[1]
    raise TypeError(f"a prompt is text, images, sounds, or (modality, text, bytes, path or array), not {type(part).__name__}")


class Stream(Iterator):
    """The pieces of an answer, in order. Leaving it before its end, by `cancel`, `with` or losing it, cancels the rest."""

    def __init__(self, engine: Engine, wish: int, count: int, raw: bool):
        self._engine, self._wish, self._raw = engine, wish, raw
        self._waiting: collections.deque = collections.deque()
        self._left = count
        self.finish_reasons: list = [None] * count  # of each answer, when it has ended: "stop" or "length"

    @property
    def finish_reason(self):
        """Of the one answer."""
        return self.finish_reasons[0]

    def __next__(self):
        while True:
            if self._waiting:
                piece = self._waiting.popleft()
                return piece if self._raw else _value_of(piece)
            if self._left == 0 or not self._engine._advance(self):
                raise StopIteration

    def cancel(self):
        """Nothing more is written of it."""
        if self._left > 0:
            self._left = 0
            self._engine._cancel(self._wish)
        self._waiting.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cancel()

    def __del__(self):
        if getattr(self, "_left", 0) > 0 and not sys.is_finalizing():
            self.cancel()

    def _told(self, kind, answer, data, modality, number):
        if kind == "end":
            self.finish_reasons[answer] = "length" if number else "stop"
            self._left -= 1
        elif data or kind != "text":  # tokens of no text are told of, too
            self._waiting.append(Piece(kind, data, modality, answer, number))


class Engine:
    """A trained model: a run folder of `mom train`, or a model folder with `codecs`, a folder with one codec for each modality.

    weights: "float32", "bfloat16" or "int8", of text and codes; None: as stored. last_weights: those of the last step, where
    the run keeps an average. cache_bytes: of states of prompts that were read.

    Streams of one engine are written side by side, by whoever asks for the next piece; the same request and seed give
    the bytes of `mom generate`, whatever else is being written. Several threads may use it; while a step is computed, other
    Python threads run. RuntimeError, with one line: files that cannot be used, a request that cannot be fulfilled.
    """

    def __init__(self, run, *, codecs=None, weights: str | None = None, last_weights: bool = False, cache_bytes: int = 256 << 20):
        self._lock = threading.RLock()
        self._streams: weakref.WeakValueDictionary[int, Stream] = weakref.WeakValueDictionary()  # a lost one ends itself
        self._answers = native("Answers")(os.fspath(run), "" if codecs is None else os.fspath(codecs), weights, last_weights, cache_bytes)

    def stream(self, prompt: Union[Part, Sequence[Part]] = "", modality: str = "text", *, seed: int = 0, count: int = 1, interleaved: bool = False,
               tokens: Sequence[int] = (), max_tokens: int | None = None, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0,
               min_p: float = 0.0, repetition_penalty: float = 1.0, steps: int | None = None, sampler: str | None = None,
               guidance: float | None = None, stop: Sequence[str] = (), previews: int = 0, raw: bool = False) -> Stream:
        """Begins an answer and returns its pieces as they are written: str, PIL.Image.Image, Sound, or numpy arrays of codecs from outside.

        prompt: text, an image, a Sound, or (modality, text, bytes, path or array); or several in order; or `tokens`, ids, in its place.
        modality: what is asked for; with `interleaved` everything that the model writes. The options are those of `mom
        generate` ("--max-tokens"); stop: text that ends an answer; previews: of each image, on its way. raw: pieces as bytes of files.
        With count > 1 the pieces of all answers come mixed; raw ones say which they are of.
        """
        parts = [] if isinstance(prompt, str) and not prompt else [_part(one) for one in (prompt if isinstance(prompt, list) else [prompt])]
        with self._lock:
            wish = self._answers.add([name for name, _ in parts], [as_tensor(data) for _, data in parts], list(tokens), modality, interleaved,
                                     max_tokens, float(temperature), top_k, float(top_p), float(min_p), float(repetition_penalty), steps, sampler,
                                     None if guidance is None else float(guidance), signed(seed), count, list(stop), previews)
            stream = Stream(self, wish, count, raw)
            self._streams[wish] = stream
            return stream

    def _advance(self, stream: Stream) -> bool:
        """A step for all streams, unless another thread made one that has told `stream` something. False: there is nothing to do."""
        with self._lock:
            if stream._waiting or stream._left == 0:
                return True
            stepped = self._answers.step()
            told = self._answers.told()
            for wish, kind, answer, data, modality, number in told:
                if of := self._streams.get(wish):
                    of._told(kind, answer, data.numpy().tobytes(), modality, number)
                    if of._left == 0:
                        self._streams.pop(wish, None)
            return stepped or bool(told)

    def _cancel(self, wish: int):
        with self._lock:
            self._streams.pop(wish, None)
            self._answers.cancel(wish)
