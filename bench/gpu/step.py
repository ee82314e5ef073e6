"""A training step of Mixture-of-Mamba, its blocks on the ops of mom and in plain PyTorch as research code writes them, in turns.

    python step.py FOLDER_OF_LIBRARIES [--device cuda] [--size 163M] [--sequences 8] [--tokens 4096] [--rounds 5] [--small]

FOLDER_OF_LIBRARIES: build/cuda/lib (`cmake --build --preset cuda --target mom_ops mom_gpus`), whose LibTorch must be this Python's
torch. bf16 autocast of products, f32 weights, two modalities of random tokens in runs of 64, AdamW. Prints Markdown. `--small --device
cpu` only shows that it runs.
"""

import argparse
import pathlib
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

SIZES = {"37M": (256, 4), "94M": (512, 8), "163M": (768, 16), "443M": (1024, 24), "760M": (1536, 24)}  # width, layers
VOCABULARY, STATES, TAPS = 32000, 16, 4


class Packed:
    """Rows of tokens by modality; `order_T`: the row of each position; `offsets_S1`: where sequences begin."""

    def __init__(self, sequences, tokens, device):
        modality_T = torch.arange(sequences * tokens) // 64 % 2
        rows_T = torch.argsort(modality_T, stable=True)
        self.order_T = torch.empty_like(rows_T)
        self.order_T[rows_T] = torch.arange(len(rows_T))
        self.offsets_S1 = torch.arange(sequences + 1) * tokens
        self.groups_M1 = torch.tensor([0, int((modality_T == 0).sum()), len(rows_T)])  # on the host, as ops expect
        self.position_of_row_T = rows_T.to(device)  # for the plain code
        self.row_of_position_T = self.order_T.to(device)
        self.shape = (sequences, tokens)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        inner, rank = 2 * width, (width + 15) // 16
        self.split = [rank, STATES, STATES]
        two = lambda out, inputs: nn.ParameterList(nn.Parameter(torch.randn(out, inputs) * inputs**-0.5) for _ in range(2))
        self.norm = nn.Parameter(torch.ones(width))
        self.in_proj, self.x_proj, self.dt_proj, self.out_proj = two(2 * inner, width), two(sum(self.split), inner), two(inner, rank), two(width, inner)
        self.conv, self.conv_bias = nn.Parameter(torch.randn(inner, TAPS) * 0.5), nn.Parameter(torch.zeros(inner))
        self.a_log = nn.Parameter(torch.arange(1, STATES + 1).float().log().repeat(inner, 1))
        self.skip, self.dt_bias = nn.Parameter(torch.ones(inner)), nn.Parameter(torch.full((inner,), -4.6))


class OnOps:
    """Blocks on torch.ops.mom: one product for each modality, packed sequences, fused scan."""

    def linear(self, x, weights, packed):
        return torch.ops.mom.modality_linear(x, list(weights), [], packed.groups_M1)

    def block(self, block, x, residual, packed):
        h, residual = torch.ops.mom.add_rms_norm(x, residual, block.norm, 1e-5)
        u, gate = self.linear(h, block.in_proj, packed).chunk(2, 1)
        u, _ = torch.ops.mom.causal_conv1d(u, block.conv, block.conv_bias, True, packed.offsets_S1, None, packed.order_T)
        dt, b, c = self.linear(u, block.x_proj, packed).split(block.split, 1)
        dt = self.linear(dt.contiguous(), block.dt_proj, packed)
        y, _ = torch.ops.mom.selective_scan(u, dt, -block.a_log.exp(), b, c, block.skip, gate, block.dt_bias, True, packed.offsets_S1, None, packed.order_T)
        return self.linear(y, block.out_proj, packed), residual


class Plain:
    """The same in PyTorch alone: padded sequences, masks for modalities, the published reference scan."""

    def linear(self, x, weights, packed):
        groups = packed.groups_M1.tolist()
        return torch.cat([F.linear(x[first:last], weight.to(x.dtype)) for weight, first, last in zip(weights, groups, groups[1:])])

    def block(self, block, x, residual, packed):
        residual = x.float() if residual is None else x + residual
        h = F.rms_norm(residual, residual.shape[-1:], block.norm, 1e-5).to(x.dtype)
        u, gate = self.linear(h, block.in_proj, packed).chunk(2, 1)
        in_order = lambda rows: rows[packed.row_of_position_T].view(*packed.shape, -1)
        back = lambda values: values.flatten(0, 1)[packed.position_of_row_T]
        u = F.conv1d(F.pad(in_order(u).transpose(1, 2), (TAPS - 1, 0)), block.conv.to(u.dtype)[:, None], block.conv_bias.to(u.dtype), groups=len(block.conv))
        u = F.silu(u).transpose(1, 2)
        dt, b, c = self.linear(back(u), block.x_proj, packed).split(block.split, 1)
        dt = F.softplus(in_order(self.linear(dt, block.dt_proj, packed)).float() + block.dt_bias)
        y = self.scan(u.float(), dt, -block.a_log.exp(), in_order(b).float(), in_order(c).float()) + block.skip * u
        return self.linear(back(y).to(h.dtype) * F.silu(gate), block.out_proj, packed), residual

    def scan(self, u, dt, a, b, c):
        state, ys = u.new_zeros(u.shape[0], u.shape[2], a.shape[1]), []
        for t in range(u.shape[1]):
            state = torch.exp(dt[:, t, :, None] * a) * state + (dt[:, t] * u[:, t])[..., None] * b[:, t, None]
            ys.append((state * c[:, t, None]).sum(-1))
        return torch.stack(ys, 1)


class Model(nn.Module):
    def __init__(self, width, layers, vocabulary):
        super().__init__()
        self.embeddings, self.head = nn.Embedding(vocabulary, width), nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.embeddings.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layers))

    def loss(self, how, tokens_T, targets_T, packed, dtype):
        x, residual = self.embeddings(tokens_T).to(dtype), None
        for block in self.blocks:
            x, residual = how.block(block, x, residual, packed)
        return F.cross_entropy(F.linear((x + residual).to(dtype), self.head.weight.to(dtype)).float(), targets_T)


def measure(model, how, tokens, packed, dtype, rounds):
    """-> the first loss and its gradient of a scan's parameter, median seconds of a step after one that warms up."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)  # the same weights for all
    wait = torch.cuda.synchronize if tokens[0].is_cuda else lambda: None
    seconds, first = [], None
    for _ in range(rounds + 1):
        wait()
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=False)
        loss = model.loss(how, *tokens, packed, dtype)
        loss.backward()
        optimizer.step()
        wait()
        seconds.append(time.perf_counter() - start)
        first = first or (loss.item(), model.blocks[0].a_log.grad.clone())
    return *first, statistics.median(seconds[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("libraries", type=pathlib.Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", choices=SIZES, default="163M")
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="two layers of width 64, 2 x 96 tokens")
    options = parser.parse_args()
    for name in ("libmom_ops.so", "libmom_gpus.so"):
        if (options.libraries / name).exists():
            torch.ops.load_library(str(options.libraries / name))
    (width, layers), vocabulary = (((64, 2), 512) if options.small else (SIZES[options.size], VOCABULARY))
    shape = (2, 96) if options.small else (options.sequences, options.tokens)
    torch.manual_seed(1)
    packed = Packed(*shape, options.device)
    model = Model(width, layers, vocabulary).to(options.device)
    tokens = [torch.randint(vocabulary, (shape[0] * shape[1],), device=options.device) for _ in range(2)]
    where = torch.cuda.get_device_name() if options.device.startswith("cuda") else "CPU"
    print(f"{where}, torch {torch.__version__}; width {width}, {layers} layers, {sum(p.numel() for p in model.parameters()) / 1e6:.0f} M parameters, "
          f"{shape[0]} x {shape[1]} tokens, bf16\n\n| program | step, ms | tokens/s | loss |\n|---|---|---|---|")
    results = {}
    for name, how in (("ops of mom", OnOps()), ("plain PyTorch", Plain())):
        loss, gradient, seconds = measure(model, how, tokens, packed, torch.bfloat16, options.rounds)
        results[name] = loss, gradient
        print(f"| {name} | {1000 * seconds:.1f} | {shape[0] * shape[1] / seconds:.0f} | {loss:.4f} |", flush=True)
    (loss, gradient), (plain_loss, plain_gradient) = results.values()
    error = ((gradient - plain_gradient).square().sum() / plain_gradient.square().sum()).item()
    print(f"\ngradient of a_log in the first block: {error:.1e} apart (normalised mean square)")
    return int(abs(loss - plain_loss) > 2e-2 * plain_loss or error > 2e-2)


if __name__ == "__main__":
    raise SystemExit(main())
