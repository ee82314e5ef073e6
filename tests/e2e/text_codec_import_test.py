"""A tokenizer.json of Hugging Face as text codec, from import to serving; text codecs written as tokenizer.json; and a Hugging
Face Mamba with GPT-NeoX's file: text in, text out, as transformers has it.

Oracles: PyPI tokenizers, transformers. MOM_TOKENIZE_TEXTS: our tokenizers as a program; MOM_TINY_DATA: writes tiny documents
and codecs.
"""

import json
import pathlib
import random
import shutil
import tempfile
import unittest

from generate_hf_test import TOO_CLOSE
from hf_parity_test import make_model
from tiny import make_data, write_recipe

import torch
from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

import tokenizing
from neox import neox_tokenizer
from program import run_mom, try_mom
from serving import Server
from tokenizer_test import byte_level

NUM_CONTROLS = 8  # of a codec, before the tokenizer's own ids
SEED = 23


class Folder(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)

    def import_codec(self, source, name="codec"):
        imported = json.loads(run_mom("codec", "import", source, "--out", self.root / name, "--json"))
        self.assertEqual(imported["kind"], "text")
        return self.root / name

    def export_codec(self, codec):
        out = self.root / "exported.json"
        run_mom("codec", "export", codec, "--out", out)
        return Tokenizer.from_file(str(out))


class ImportAndExport(Folder):
    def test_ids_are_behind_the_controls(self):
        tokenizer = byte_level()
        tokenizer.add_tokens([AddedToken("<x>", normalized=False), AddedToken("  ", normalized=True)])
        codec = self.import_codec(tokenizing.write(self.root / "tokenizer.json", tokenizer))
        texts = tokenizing.random_texts(3000, SEED, ["<x>", "<|endoftext|>", "<s>", "<pad>"])
        expected = [[NUM_CONTROLS + token for token in encoding.ids] for encoding in tokenizer.encode_batch(texts)]
        self.assertEqual(tokenizing.encode(codec, texts)[0], expected)
        exported = self.export_codec(codec)
        self.assertEqual([encoding.ids for encoding in exported.encode_batch(texts)], expected)
        self.assertEqual(exported.decode_batch(expected), tokenizer.decode_batch([[t - NUM_CONTROLS for t in ids] for ids in expected]))
        self.assertEqual(exported.get_vocab_size(), NUM_CONTROLS + tokenizer.get_vocab_size())

    def test_a_folder_and_its_hash(self):
        shutil.copy(neox_tokenizer(), self.root / "tokenizer.json")
        codec = self.import_codec(self.root)
        self.assertEqual((codec / "tokenizer.json").read_bytes(), neox_tokenizer().read_bytes())
        self.assertEqual(json.loads((codec / "codec.json").read_text())["config"], {"vocabulary": NUM_CONTROLS + 50277})
        (self.root / "in.txt").write_text("A caf\u00e9, \u65e5\u672c\u8a9e and   spaces.\n")
        result = json.loads(run_mom("codec", "roundtrip", codec, self.root / "in.txt", "--out", self.root / "out.txt", "--json"))
        self.assertTrue(result["exact"])
        (codec / "tokenizer.json").write_text("{}")
        done = try_mom("codec", "roundtrip", codec, self.root / "in.txt", "--out", self.root / "out.txt")
        self.assertEqual(done.returncode, 3)
        self.assertEqual(try_mom("codec", "import", self.root, "--out", codec).returncode, 2)  # it exists
        self.assertEqual(try_mom("codec", "import", self.root / "none", "--out", self.root / "new").returncode, 3)

    def test_templates_move_with_their_ids(self):
        tokenizer = byte_level()
        single = [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        template = {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
                    "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}}
        codec = self.import_codec(tokenizing.write(self.root / "tokenizer.json", tokenizer, post_processor=template))
        self.assertEqual(self.export_codec(codec).encode("a").ids[0], NUM_CONTROLS)

    def train_pieces(self, texts, vocabulary):
        (self.root / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        (self.root / "codec.toml").write_text(f'kind = "text"\n[text]\nvocabulary = {vocabulary}\n')
        run_mom("data", "import", self.root / "texts.jsonl", "--out", self.root / "documents")
        run_mom("codec", "train", self.root / "codec.toml", "--data", self.root / "documents", "--out", self.root / "pieces")
        return self.root / "pieces"

    def check_pieces(self, texts, vocabulary, tries):
        codec = self.train_pieces(texts, vocabulary)
        exported = self.export_codec(codec)
        ours = tokenizing.encode(codec, tries)[0]
        for text, ids, theirs in zip(tries, ours, exported.encode_batch(tries), strict=True):
            self.assertEqual(ids, theirs.ids, ascii(text))
        self.assertEqual(exported.decode_batch(ours), tries)
        self.assertGreater(sum(map(len, tries)) / sum(map(len, ours)), 0.3)

    def test_sentencepiece_is_written(self):
        sources = [path.read_text() for path in sorted(pathlib.Path(__file__).parent.glob("*_test.py"))[:8]]
        tries = tokenizing.random_texts(3000, SEED, ["<s>", "<unk>", "<0x41>", "\u2581", "\u2581the", " the", "assertEqual"]) + sources
        self.check_pieces(sources, 900, tries)

    def test_sentencepiece_of_repeats_is_written(self):
        """Pieces that can be made in several ways, from texts in which they overlap."""
        repeats = ["ab" * n + "a" * n + " " * n + "aab" * n for n in range(1, 40)]
        generator = random.Random(SEED)
        tries = ["".join(generator.choice("aab ") for _ in range(generator.randint(1, 60))) for _ in range(3000)]
        self.check_pieces(repeats, 320, tries + repeats)

    def test_sentencepiece_without_spaces_is_written(self):
        self.check_pieces(["abab", "aab"] * 20, 275, ["a b", "  ab\u2581", "\n a"])


class Road(Folder):
    """Encode, train, evaluate, generate, serve."""

    def test_from_import_to_serving(self):
        make_data(self.root)
        tiny = self.root / "tiny"
        tokenizer = byte_level(vocabulary=400)
        codec = self.import_codec(tokenizing.write(self.root / "tokenizer.json", tokenizer))
        encoded = self.root / "encoded"
        run_mom("data", "encode", tiny / "documents", "--codecs", codec, tiny / "codec-image", "--out", encoded)
        dataset = json.loads((encoded / "dataset.json").read_text())
        self.assertEqual(dataset["vocabulary"]["text"], [0, NUM_CONTROLS + tokenizer.get_vocab_size()])
        run_mom("data", "inspect", encoded, "--json")
        run = self.root / "run"
        run_mom("train", write_recipe(self.root / "recipe.toml", encoded, train={"steps": 20}), "--run", run)
        self.assertIn("text", json.loads(run_mom("eval", run, "--samples", 2, "--json"))["sets"]["words"]["loss"])
        answer = json.loads(run_mom("generate", run, "--prompt", "The red disc", "--max-tokens", 20, "--seed", 3, "--json"))
        tokens = [token for token in answer["tokens"] if token >= NUM_CONTROLS]
        self.assertEqual(answer["text"], TextAsShown.of(tokenizer, tokens))
        server = Server(run)
        try:
            text = "The red disc lies.\n caf\u00e9 <|endoftext|>"
            tokens = json.loads(server.post("/tokenize", {"content": text, "add_special": False})[1])["tokens"]
            self.assertEqual(tokens, [NUM_CONTROLS + token for token in tokenizer.encode(text).ids])
            back = json.loads(server.post("/detokenize", {"tokens": tokens})[1])["content"]
            self.assertEqual(back, tokenizer.decode([token - NUM_CONTROLS for token in tokens]))
            status, chat = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "The red"}], "max_tokens": 8, "seed": 1})
            self.assertEqual(status, 200, chat)
            self.assertIsInstance(json.loads(chat)["choices"][0]["message"]["content"], str)
        finally:
            self.assertEqual(server.stop(), 0)


class TextAsShown:
    """As the reference decodes, with control characters as `mom` shows them."""

    @staticmethod
    def of(tokenizer, tokens, offset=NUM_CONTROLS):
        text = tokenizer.decode([token - offset for token in tokens])
        return "".join("\ufffd" if (ord(c) < 0x20 and c not in "\n\t") or ord(c) == 0x7F else c for c in text)


class HuggingFaceMamba(Folder):
    """A random Mamba of PyPI transformers with GPT-NeoX's tokenizer."""

    def make(self, **post_processor):
        model = make_model(SEED, vocab_size=50280, hidden_size=32, num_hidden_layers=2, tie_word_embeddings=False)  # padded, as published
        model.config.eos_token_id = model.generation_config.eos_token_id = None
        self.folder = self.root / "model"
        model.save_pretrained(self.folder)
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(neox_tokenizer()), eos_token="<|endoftext|>")
        tokenizer.save_pretrained(self.folder)
        if post_processor:
            path = self.folder / "tokenizer.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), **post_processor}))
        # For a Mamba AutoTokenizer takes GPTNeoXTokenizer, which makes a post-processor of its own.
        return model, (PreTrainedTokenizerFast if post_processor else AutoTokenizer).from_pretrained(self.folder)

    def check_greedy(self, prompt, **post_processor):
        model, tokenizer = self.make(**post_processor)
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            written = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=60, do_sample=False, pad_token_id=0, output_scores=True,
                                     return_dict_in_generate=True)
        expected = written.sequences[0, ids.shape[1]:].tolist()
        top = torch.stack(written.scores)[:, 0].topk(2).values
        self.assertGreater((top[:, 0] - top[:, 1]).min().item(), TOO_CLOSE, "this seed is no test: choose another")
        self.assertGreater(len(set(expected)), 5)
        result = json.loads(run_mom("generate", self.folder, "--prompt", prompt, "--temperature", 0, "--max-tokens", 60, "--json"))
        self.assertEqual(result["tokens"], expected)
        self.assertEqual(result["text"], TextAsShown.of(tokenizer.backend_tokenizer, expected, 0))
        shown = run_mom("generate", self.folder, "--prompt", prompt, "--temperature", 0, "--max-tokens", 60)
        self.assertEqual(shown.rstrip("\n"), result["text"].rstrip("\n"))
        return ids

    def test_greedy_text(self):
        self.check_greedy("A cafe\u0301 in Oslo,   \u65e5\u672c\u8a9e <|endoftext|> 'tis 1234\n")

    def test_greedy_behind_a_first_token(self):
        single = [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        ids = self.check_greedy("The sea", post_processor={
            "type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}})
        self.assertEqual(ids[0, 0], 0)

    def test_a_tokenizer_that_is_not_supported_leaves_ids(self):
        self.make(normalizer={"type": "NFKC"})
        done = try_mom("generate", self.folder, "--tokens", "5,6", "--max-tokens", 3, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("NFKC", done.stderr)
        self.assertNotIn("text", json.loads(done.stdout))
        done = try_mom("generate", self.folder, "--prompt", "words", "--max-tokens", 3)
        self.assertEqual(done.returncode, 3)
        self.assertIn("--tokens", done.stderr)

    def test_a_config_that_disagrees(self):
        self.make()
        path = self.folder / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "add_prefix_space": True}))
        done = try_mom("generate", self.folder, "--prompt", "words")
        self.assertEqual(done.returncode, 3)
        self.assertIn("add_prefix_space", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
