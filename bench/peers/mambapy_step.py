"""The peer of the training bench: PyPI mambapy, one training step on the sizes of `mom bench train_step`.

d_model 256, 8 blocks, vocabulary 512, 8 x 512 tokens, f32: embedding, mambapy's Mamba, RMSNorm, head; forward, backward, AdamW.
Prints one JSON object {"tokens_per_s", "peak_rss_bytes", ...}: the median of the timed steps, after the warm-up steps.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import torch
from mambapy.mamba import Mamba, MambaConfig, RMSNorm
from torch import nn

D_MODEL, BLOCKS, VOCABULARY, BATCH, LENGTH = 256, 8, 512, 8, 512


class LanguageModel(nn.Module):
    """As mambapy.lm.LM, whose import also asks for the packages of Mamba-2."""

    def __init__(self):
        super().__init__()
        config = MambaConfig(d_model=D_MODEL, n_layers=BLOCKS)
        self.embedding = nn.Embedding(VOCABULARY, D_MODEL)
        self.mamba = Mamba(config)
        self.norm_f = RMSNorm(D_MODEL, config.rms_norm_eps)
        self.lm_head = nn.Linear(D_MODEL, VOCABULARY, bias=False)

    def forward(self, tokens_BL):
        return self.lm_head(self.norm_f(self.mamba(self.embedding(tokens_BL))))


def step(model, optimizer, tokens_BL):
    logits_BLV = model(tokens_BL[:, :-1])
    loss = nn.functional.cross_entropy(logits_BLV.flatten(0, 1), tokens_BL[:, 1:].flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=4, help="steps before the clock starts")
    parser.add_argument("--steps", type=int, default=8, help="timed steps")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = LanguageModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    tokens_BL = torch.randint(0, VOCABULARY, (BATCH, LENGTH + 1))
    seconds = []
    for index in range(arguments.warmup + arguments.steps):
        start = time.perf_counter()
        loss = step(model, optimizer, tokens_BL)
        if index >= arguments.warmup:
            seconds.append(time.perf_counter() - start)
        print(f"step {index}: {time.perf_counter() - start:.2f} s, loss {loss:.3f}", file=sys.stderr)
    print(json.dumps({
        "tokens_per_s": BATCH * LENGTH / statistics.median(seconds),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "step_s": [round(s, 4) for s in seconds],
        "loss_nats": loss,
        "parameters": sum(p.numel() for p in model.parameters()),
        "torch": torch.__version__,
        "threads": arguments.threads,
    }, indent=2))


if __name__ == "__main__":
    main()
