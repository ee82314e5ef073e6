"""Texts and ids through `tokenize_texts`, our tokenizer as a program (MOM_TOKENIZE_TEXTS), and texts that try it."""

import json
import os
import random
import struct
import subprocess

PROGRAM = os.environ.get("MOM_TOKENIZE_TEXTS", "build/release/bin/tokenize_texts")
POOLS = [range(0x20, 0x7F), range(0x300), range(0x300, 0x3000), range(0x1100, 0x1200), range(0x1E00, 0x2000), range(0xAC00, 0xAD00),
         range(0xD800), range(0xE000, 0x110000), [0x20, 0x20, 0x09, 0x0A, 0x0D, 0xA0, 0x3000, 0x61, 0x31, 0x27, 0x301]]
PHRASES = ["the", " of", "'s", "'re", "'LL", "   ", "  ", "\n\n", " 123", "e\u0301", "\u1fb4", "\u0344", "\u0f73"]


def random_texts(count, seed, phrases=()):
    """Short texts over all planes, in which spaces, marks, jamo and `phrases` are frequent."""
    generator, phrases = random.Random(seed), [*PHRASES, *phrases]

    def part():
        if generator.random() < 0.35:
            return generator.choice(phrases)
        pool = generator.choice(POOLS)
        return "".join(chr(generator.choice(pool)) for _ in range(generator.randint(1, 6)))

    return ["".join(part() for _ in range(generator.randint(0, 6))) for _ in range(count)]


def code_points():
    """All 1,112,064, as texts of one each."""
    return [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def run(tokenizer, job, records):
    done = subprocess.run([PROGRAM, str(tokenizer), job], input=b"".join(records), capture_output=True, timeout=600)
    if done.returncode != 0:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr.decode()}")
    return done.stdout, float(done.stderr)


def encode(tokenizer, texts):
    """The ids of each text, and the seconds it took."""
    out, seconds = run(tokenizer, "encode", [struct.pack("<I", len(data)) + data for data in (text.encode() for text in texts)])
    ids, at = [], 0
    while at < len(out):
        count, = struct.unpack_from("<I", out, at)
        ids.append(list(struct.unpack_from(f"<{count}i", out, at + 4)))
        at += 4 + 4 * count
    return ids, seconds


def decode(tokenizer, lists):
    """The text of each list of ids, with U+FFFD as Python has it (and the reference) for what is not UTF-8."""
    out, _ = run(tokenizer, "decode", [struct.pack(f"<I{len(ids)}i", len(ids), *ids) for ids in lists])
    texts, at = [], 0
    while at < len(out):
        count, = struct.unpack_from("<I", out, at)
        texts.append(out[at + 4:at + 4 + count].decode(errors="replace"))
        at += 4 + count
    return texts


def write(path, tokenizer, **changes):
    """The tokenizer.json of `tokenizer` (PyPI tokenizers) with some of its keys changed."""
    path.write_text(json.dumps({**json.loads(tokenizer.to_str()), **changes}))
    return path
