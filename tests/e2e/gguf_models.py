"""Models for the tests of GGUF files: a run of three modalities with a SentencePiece tokenizer, and a plain Mamba with GPT-2's kind."""

import json

import torch
from byte_level import byte_characters
from program import run_mom
from safetensors.torch import save_file
from tiny import TinyData, write_recipe

TEXT_IDS = 320  # of the tiny tokenizer
SIZES = dict(vocab_size=300, hidden_size=48, num_hidden_layers=2, state_size=8, conv_kernel=4, expand=2, intermediate_size=96, time_step_rank=3)


def make_run(root):
    recipe = write_recipe(root / "recipe.toml", root / "tiny" / "spoken" / "encoded", "three_modality", train={"steps": 12, "learning_rate": 0.02})
    run_mom("train", recipe, "--run", root / "run")
    return root / "run"


def make_plain(folder):
    """A random Mamba as Hugging Face stores it, tied, its vocabulary padded beyond the tokenizer."""
    folder.mkdir()
    width, inner, states, rank, rows = 48, 96, 8, 3, SIZES["vocab_size"]
    shapes = {"norm.weight": [width], "mixer.in_proj.weight": [2 * inner, width], "mixer.conv1d.weight": [inner, 1, 4], "mixer.conv1d.bias": [inner],
              "mixer.x_proj.weight": [rank + 2 * states, inner], "mixer.dt_proj.weight": [inner, rank], "mixer.dt_proj.bias": [inner],
              "mixer.A_log": [inner, states], "mixer.D": [inner], "mixer.out_proj.weight": [width, inner]}
    generator = torch.Generator().manual_seed(5)
    weights = {"backbone.embeddings.weight": 0.3 * torch.randn(rows, width, generator=generator), "backbone.norm_f.weight": 0.5 + torch.rand(width, generator=generator)}
    for layer in range(SIZES["num_hidden_layers"]):
        for name, shape in shapes.items():
            scale = 0.3 if len(shape) < 3 else 0.5
            weights[f"backbone.layers.{layer}.{name}"] = (1 if "norm" in name or name.endswith(".D") else 0) + scale * torch.randn(shape, generator=generator)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": "mamba", "tie_word_embeddings": True, "layer_norm_epsilon": 1e-5, "bos_token_id": 259,
                                                    "eos_token_id": 0, **SIZES}))
    (folder / "generation_config.json").write_text('{"eos_token_id": [259, 0]}')
    vocabulary = {character: i for i, character in enumerate(byte_characters().values())} | {"th": 256, "\u0120t": 257, "the": 258}
    added = [{"id": 259, "content": "<|endoftext|>", "special": True}, {"id": 260, "content": "    ", "special": False}]
    (folder / "tokenizer.json").write_text(json.dumps({
        "added_tokens": added, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": ["t h", "\u0120 t", ["th", "e"]]}}))
    return folder


class GgufModels(TinyData):
    """Tests over these models, `run_folder` and `plain`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_folder = make_run(cls.root)
        cls.plain = make_plain(cls.root / "plain")
