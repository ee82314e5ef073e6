"""One peer of the training step: a PyTorch model on made-up tokens; forward, cross-entropy, backward, AdamW (fused).

Letters: S sequences, L tokens of each, E model width, H heads, D inner width, N state slots. Prints one JSON object.
"""

import argparse
import math

import torch
from torch import nn
from torch.nn import functional as F

import measure
from scan import scan_unbind, selective_scan

HEAD_SIZE, STATE_SIZE, TAPS = 64, 16, 4


class LanguageModel(nn.Module):
    """Embedding, body, norm, head."""

    def __init__(self, options, body, norm):
        super().__init__()
        self.embedding = nn.Embedding(options.vocabulary, options.d_model)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.body, self.norm = body, norm
        self.head = nn.Linear(options.d_model, options.vocabulary, bias=False)
        if options.tied:
            self.head.weight = self.embedding.weight

    def forward(self, tokens_SL):
        return self.head(self.norm(self.body(self.embedding(tokens_SL))))


def mambapy(options):
    """PyPI mambapy as its own language model does it (mambapy.lm, whose import also asks for the packages of Mamba-2)."""
    from mambapy.mamba import Mamba, MambaConfig, RMSNorm

    config = MambaConfig(d_model=options.d_model, n_layers=options.blocks)
    return LanguageModel(options, Mamba(config), RMSNorm(options.d_model, config.rms_norm_eps))


class TransformerLayer(nn.Module):
    """12 E^2 parameters, as two Mamba blocks have."""

    def __init__(self, E):
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(E), nn.LayerNorm(E)
        self.qkv, self.out = nn.Linear(E, 3 * E, bias=False), nn.Linear(E, E, bias=False)
        self.up, self.down = nn.Linear(E, 4 * E, bias=False), nn.Linear(4 * E, E, bias=False)

    def forward(self, x_SLE):
        qkv_SLHE = self.qkv(self.attention_norm(x_SLE)).unflatten(-1, (3, -1, HEAD_SIZE))
        q_SHLE, k_SHLE, v_SHLE = (part.transpose(1, 2) for part in qkv_SLHE.unbind(2))
        y_SHLE = F.scaled_dot_product_attention(q_SHLE, k_SHLE, v_SHLE, is_causal=True)
        x_SLE = x_SLE + self.out(y_SHLE.transpose(1, 2).flatten(2))
        return x_SLE + self.down(F.gelu(self.up(self.mlp_norm(x_SLE))))


class Transformer(nn.Module):
    """Learned positions: the cheapest ones."""

    def __init__(self, options):
        super().__init__()
        self.position_LE = nn.Parameter(torch.randn(options.length, options.d_model) * 0.02)
        self.layers = nn.Sequential(*(TransformerLayer(options.d_model) for _ in range(options.blocks // 2)))

    def forward(self, x_SLE):
        return self.layers(x_SLE + self.position_LE)


def transformer(options):
    return LanguageModel(options, Transformer(options), nn.LayerNorm(options.d_model))


def rotated(x_SHLW, cos_LW, sin_LW):
    halves = x_SHLW.chunk(2, -1)
    return x_SHLW * cos_LW + torch.cat((-halves[1], halves[0]), -1) * sin_LW


class LlamaLayer(nn.Module):
    """RMS norms, rotary positions, SwiGLU, no biases: the shape of our own transformer."""

    def __init__(self, E, length):
        super().__init__()
        F_ = math.ceil(8 * E // 3 / 256) * 256
        self.attention_norm, self.mlp_norm = nn.RMSNorm(E, eps=1e-5), nn.RMSNorm(E, eps=1e-5)
        self.q, self.k, self.v, self.o = (nn.Linear(E, E, bias=False) for _ in range(4))
        self.gate, self.up, self.down = nn.Linear(E, F_, bias=False), nn.Linear(E, F_, bias=False), nn.Linear(F_, E, bias=False)
        angle = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(0, HEAD_SIZE, 2) / HEAD_SIZE)
        self.register_buffer("cos_LW", torch.cat((angle, angle), -1).cos())
        self.register_buffer("sin_LW", torch.cat((angle, angle), -1).sin())

    def forward(self, x_SLE):
        h_SLE = self.attention_norm(x_SLE)
        q_SHLW, k_SHLW, v_SHLW = (f(h_SLE).unflatten(-1, (-1, HEAD_SIZE)).transpose(1, 2) for f in (self.q, self.k, self.v))
        q_SHLW, k_SHLW = rotated(q_SHLW, self.cos_LW, self.sin_LW), rotated(k_SHLW, self.cos_LW, self.sin_LW)
        y_SHLW = F.scaled_dot_product_attention(q_SHLW, k_SHLW, v_SHLW, is_causal=True)
        x_SLE = x_SLE + self.o(y_SHLW.transpose(1, 2).flatten(2))
        h_SLE = self.mlp_norm(x_SLE)
        return x_SLE + self.down(F.silu(self.gate(h_SLE)) * self.up(h_SLE))


def llama(options):
    layers = nn.Sequential(*(LlamaLayer(options.d_model, options.length) for _ in range(options.blocks // 2)))
    return LanguageModel(options, layers, nn.RMSNorm(options.d_model, eps=1e-5))


class MambaBlock(nn.Module):
    """Mamba in plain PyTorch: linear layers, conv1d, and a loop over unbound time steps."""

    def __init__(self, E):
        super().__init__()
        D, self.rank = 2 * E, math.ceil(E / 16)
        self.norm = nn.RMSNorm(E, eps=1e-5)
        self.in_proj, self.out_proj = nn.Linear(E, 2 * D, bias=False), nn.Linear(D, E, bias=False)
        self.conv = nn.Conv1d(D, D, TAPS, groups=D, padding=TAPS - 1)
        self.x_proj = nn.Linear(D, self.rank + 2 * STATE_SIZE, bias=False)
        self.dt_proj = nn.Linear(self.rank, D, bias=False)
        self.dt_bias_D = nn.Parameter(torch.full((D,), -4.0))
        self.a_log_DN = nn.Parameter(torch.arange(1.0, STATE_SIZE + 1).log().repeat(D, 1))
        self.skip_D = nn.Parameter(torch.ones(D))

    def forward(self, x_SLE):
        u_SLD, gate_SLD = self.in_proj(self.norm(x_SLE)).chunk(2, -1)
        u_SLD = F.silu(self.conv(u_SLD.transpose(1, 2))[..., : x_SLE.size(1)].transpose(1, 2))
        dt_SLR, b_SLN, c_SLN = self.x_proj(u_SLD).split([self.rank, STATE_SIZE, STATE_SIZE], -1)
        y_SLD = selective_scan(
            scan_unbind, u_SLD, self.dt_proj(dt_SLR), -self.a_log_DN.exp(), b_SLN, c_SLN, self.skip_D, gate_SLD, self.dt_bias_D
        )
        return x_SLE + self.out_proj(y_SLD)


def plain(options):
    blocks = nn.Sequential(*(MambaBlock(options.d_model) for _ in range(options.blocks)))
    return LanguageModel(options, blocks, nn.RMSNorm(options.d_model, eps=1e-5))


class TransformersMamba(nn.Module):
    """transformers' Mamba as it runs without a GPU: a loop that indexes time steps. No weights are downloaded."""

    def __init__(self, options):
        super().__init__()
        from transformers import MambaConfig, MambaForCausalLM

        self.model = MambaForCausalLM(MambaConfig(
            hidden_size=options.d_model, num_hidden_layers=options.blocks, vocab_size=options.vocabulary, state_size=STATE_SIZE,
            tie_word_embeddings=options.tied, use_cache=False,
        ))

    def forward(self, tokens_SL):
        return self.model(tokens_SL).logits


MODELS = {"mambapy": mambapy, "transformer": transformer, "llama": llama, "plain": plain, "transformers": TransformersMamba}


def compile_parts(model):
    """Mamba block by block (all three kinds have that name, and share one graph), whose unrolled loop takes minutes; else the whole."""
    blocks = [module for module in model.modules() if type(module).__name__ == "MambaBlock"]
    for part in blocks or [model]:
        part.compile()


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--d-model", type=int, required=True)
    parser.add_argument("--blocks", type=int, required=True, help="Mamba blocks; a transformer has half as many layers")
    parser.add_argument("--vocabulary", type=int, required=True)
    parser.add_argument("--sequences", type=int, required=True)
    parser.add_argument("--length", type=int, required=True)
    parser.add_argument("--tied", action="store_true", help="head and embedding share a weight")
    parser.add_argument("--warmup", type=int, required=True, help="steps before the clock starts")
    parser.add_argument("--steps", type=int, required=True, help="timed steps")
    return parser.parse_args()


def main():
    options = parse()
    torch.manual_seed(1)
    model = MODELS[options.model](options).train()
    if options.compile:
        compile_parts(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    tokens_SL = torch.randint(0, options.vocabulary, (options.sequences, options.length + 1))
    losses = []

    def step():
        logits_SLV = model(tokens_SL[:, :-1])
        loss = F.cross_entropy(logits_SLV.flatten(0, 1), tokens_SL[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    milliseconds = measure.timed([step], options.warmup, options.steps)
    if not losses[-1] < losses[0]:
        raise SystemExit(f"{options.model}: expected a loss that falls on its one batch, found {losses[0]:.4f} to {losses[-1]:.4f} nats")
    measure.report(milliseconds, losses_nats=losses, parameters=sum(p.numel() for p in model.parameters()))


if __name__ == "__main__":
    main()
