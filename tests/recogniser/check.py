"""How well spoken words survive the speech codec: PocketSphinx, choosing from the closed list of the captions, hears held-out
recordings and what comes back from the codec. Exit code 1 when the latter gets less than `--least` of the former's accuracy.

Usage: check.py MOM DOCUMENTS CODEC [--split validation] [--most 150] [--list split|all] [--least 0.8] [--json]
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from pocketsphinx import Decoder, get_model_path

DICTIONARY = pathlib.Path(get_model_path("en-us")) / "cmudict-en-us.dict"
RATE = 16000


def words_of(caption):
    return re.findall(r"[a-z']+", caption.lower().replace("’", "'"))


def known_words():
    with open(DICTIONARY, encoding="utf-8") as lines:
        return {re.sub(r"\(\d+\)$", "", line.split()[0]) for line in lines if line.strip()}


def utterances(documents, splits):
    """(source, split, caption, place of the sound) of every document with a text and a sound."""
    manifest = json.loads((documents / "dataset.json").read_text())
    for part in manifest["collections"]:
        if part["split"] not in splits or "speech" not in part["segments"]:
            continue
        for line in open(documents / part["file"], encoding="utf-8"):
            document = json.loads(line)
            text = next((s["text"] for s in document["segments"] if "text" in s), None)
            media = next((s["speech"] for s in document["segments"] if "speech" in s), None)
            if text and media:
                yield part["source"], part["split"], text, media


def read_media(documents, media):
    with open(documents / media["file"], "rb") as tar:
        tar.seek(media["offset"])
        return tar.read(media["bytes"])


def make_decoder(captions, folder):
    """A recogniser whose only sentences are the captions."""
    grammar = folder / "captions.jsgf"
    rule = " | ".join(sorted(captions))
    grammar.write_text(f"#JSGF V1.0;\ngrammar captions;\npublic <caption> = {rule} ;\n")
    return Decoder(hmm=str(pathlib.Path(get_model_path("en-us")) / "en-us"), dict=str(DICTIONARY), jsgf=str(grammar),
                   samprate=RATE, loglevel="FATAL")


def hear(decoder, wav):
    decoder.start_utt()
    decoder.process_raw(wav[44:], full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return found.hypstr if found else ""


def roundtrip(arguments, sound, folder):
    """The WAV that comes back from the codec."""
    (folder / "in.sound").write_bytes(sound)
    subprocess.run([arguments.mom, "codec", "roundtrip", arguments.codec, folder / "in.sound", "--out", folder / "out.wav"],
                   check=True, stdout=subprocess.DEVNULL)
    return (folder / "out.wav").read_bytes()


def spread(items, most):
    """At most `most` of the items, evenly over all."""
    return items if len(items) <= most else [items[i * len(items) // most] for i in range(most)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mom")
    parser.add_argument("documents", type=pathlib.Path)
    parser.add_argument("codec")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--most", type=int, default=150, help="recordings to hear, of each source")
    parser.add_argument("--list", choices=["split", "all"], default="all", help="captions to choose from")
    parser.add_argument("--least", type=float, default=0.8)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    known = known_words()
    everything = list(utterances(arguments.documents, ["train", "validation", "test"]))
    spoken = [(source, split, " ".join(words_of(text)), media) for source, split, text, media in everything
              if words_of(text) and all(word in known for word in words_of(text))]
    captions = {caption for _, split, caption, _ in spoken if arguments.list == "all" or split == arguments.split}
    by_source = collections.defaultdict(list)
    for source, split, caption, media in spoken:
        if split == arguments.split:
            by_source[source].append((caption, media))
    if not by_source:
        sys.exit(f"{arguments.documents}: no {arguments.split} recordings whose captions' words are in the dictionary")
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        decoder = make_decoder(captions, folder)
        for source, items in sorted(by_source.items()):
            items = spread(items, arguments.most)
            right = [0, 0]
            for caption, media in items:
                sound = read_media(arguments.documents, media)
                if sound[:4] != b"RIFF" or sound[24:28] != RATE.to_bytes(4, "little"):
                    sys.exit(f"{source}: this check hears 16 kHz WAV recordings only")
                right[0] += hear(decoder, sound) == caption
                right[1] += hear(decoder, roundtrip(arguments, sound, folder)) == caption
            results[source] = {"recordings": len(items), "original": right[0] / len(items), "decoded": right[1] / len(items)}
    total = sum(r["recordings"] for r in results.values())
    mean = {what: sum(r[what] * r["recordings"] for r in results.values()) / total for what in ("original", "decoded")}
    ratio = mean["decoded"] / mean["original"] if mean["original"] else 0.0
    report = {"captions": len(captions), "recordings": total, **mean, "ratio": ratio, "sources": results}
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        print(f"{'source':24} {'recordings':>10} {'originals':>10} {'decoded':>10}")
        for source, r in results.items():
            print(f"{source:24} {r['recordings']:10} {r['original']:10.1%} {r['decoded']:10.1%}")
        print(f"{'all':24} {total:10} {mean['original']:10.1%} {mean['decoded']:10.1%}   of {len(captions)} captions; "
              f"decoded / original = {ratio:.3f}, at least {arguments.least}")
    sys.exit(0 if ratio >= arguments.least else 1)


if __name__ == "__main__":
    main()
