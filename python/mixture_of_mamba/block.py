"""The Mixture-of-Mamba block (arXiv 2501.16295) for models of your own.

A Mamba whose projections may have their own weights per modality, while convolution, state transition and recurrent state
are shared by the whole sequence. Each token passes one set of weights, so it costs what a Mamba's costs.

B sequences, L positions, T packed tokens, E model width, D inner width, N state slots, R dt rank, K taps, M modalities.
"""

import math
from typing import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ._checks import describe
from .ops import causal_conv1d, equal_offsets, selective_scan

PROJECTIONS = ("in_proj", "x_proj", "dt_proj", "out_proj")


@torch.library.custom_op("mixture_of_mamba::grouped_linear", mutates_args=())
def _grouped_linear(x: torch.Tensor, weights: Sequence[torch.Tensor], biases: Sequence[torch.Tensor], offsets: torch.Tensor) -> torch.Tensor:
    """Rows offsets[m] to offsets[m + 1] times weights[m], one shape whatever the offsets are."""
    y, ends = x.new_empty(x.shape[0], weights[0].shape[0]), offsets.tolist()
    if ends[-1] != x.shape[0]:
        raise ValueError(f"[grouped_linear] offsets: expected to end at {x.shape[0]} (the number of rows), got {ends}: is a modality's id too large?")
    for m, (begin, end) in enumerate(zip(ends, ends[1:])):
        if end > begin:
            y[begin:end] = F.linear(x[begin:end], weights[m], biases[m] if biases else None)
    return y


@_grouped_linear.register_fake
def _(x, weights, biases, offsets):
    return x.new_empty(x.shape[0], weights[0].shape[0])


@torch.library.custom_op("mixture_of_mamba::grouped_linear_backward", mutates_args=())
def _grouped_linear_backward(dy: torch.Tensor, x: torch.Tensor, weights: Sequence[torch.Tensor], has_biases: bool,
                             offsets: torch.Tensor) -> list[torch.Tensor]:
    """-> gradients of x, of the weights, of the biases."""
    ends, dx = offsets.tolist(), torch.empty_like(x, memory_format=torch.contiguous_format)
    dweights, dbiases = [], []
    for weight, begin, end in zip(weights, ends, ends[1:]):
        torch.mm(dy[begin:end], weight, out=dx[begin:end])
        dweights.append(dy[begin:end].t() @ x[begin:end])
        dbiases.append(dy[begin:end].sum(0))
    return [dx, *dweights, *(dbiases if has_biases else [])]


@_grouped_linear_backward.register_fake
def _(dy, x, weights, has_biases, offsets):
    biases = [weight.new_empty(weight.shape[0]) for weight in weights] if has_biases else []
    return [x.new_empty(x.shape), *(weight.new_empty(weight.shape) for weight in weights), *biases]


def _save_for_backward(ctx, inputs, output):
    x, weights, biases, offsets = inputs
    ctx.has_biases = len(biases) > 0
    ctx.save_for_backward(x, offsets, *weights)


def _backward(ctx, dy):
    x, offsets, *weights = ctx.saved_tensors
    dx, *gradients = torch.ops.mixture_of_mamba.grouped_linear_backward(dy, x, weights, ctx.has_biases, offsets)
    return dx, gradients[: len(weights)], gradients[len(weights) :], None


_grouped_linear.register_autograd(_backward, setup_context=_save_for_backward)


class ModalityLinear(nn.Module):
    """A linear layer with one weight (`weight`), or one per modality (`MODALITY.weight`)."""

    def __init__(self, inputs: int, outputs: int, bias: bool, modalities: Sequence[str] | None):
        super().__init__()
        self.modalities = list(modalities) if modalities else None
        if self.modalities:
            for name in self.modalities:
                self._modules[name] = nn.Linear(inputs, outputs, bias)
        else:
            plain = nn.Linear(inputs, outputs, bias)
            self.weight, self.bias = plain.weight, plain.bias

    def forward(self, rows: torch.Tensor, group_offsets: torch.Tensor | None) -> torch.Tensor:
        """rows: [T, inputs], sorted by modality where weights differ; group_offsets: [M + 1], where each begins."""
        if not self.modalities:
            return F.linear(rows, self.weight, self.bias)
        linears = [self._modules[name] for name in self.modalities]
        biases = [linear.bias for linear in linears if linear.bias is not None]
        if rows.dtype == torch.float64:  # plain ops, which have second derivatives
            ends = group_offsets.tolist()
            return torch.cat([linear(rows[begin:end]) for linear, begin, end in zip(linears, ends, ends[1:])])
        return _grouped_linear(rows, [linear.weight for linear in linears], biases, group_offsets)


class Routing:
    """Which rows stand where: tokens of a modality side by side, each in the order of positions."""

    def __init__(self, modality_T: torch.Tensor, num_modalities: int):
        self.position_of_row = torch.argsort(modality_T, stable=True)
        self.row_of_position = torch.empty_like(self.position_of_row).scatter_(0, self.position_of_row, torch.arange(modality_T.shape[0]))
        counts = (modality_T[:, None] == torch.arange(num_modalities)).sum(0)
        self.group_offsets = F.pad(counts.cumsum(0), (1, 0))


class MixtureOfMambaMixer(nn.Module):
    """What stands between norm and residual in a MixtureOfMambaBlock; rows of packed tokens in, rows out."""

    def __init__(self, d_model: int, modalities: Sequence[str], decoupled: Sequence[str], d_state: int, d_conv: int, expand: int,
                 dt_rank: int | None, bias: bool, conv_bias: bool):
        super().__init__()
        inner, dt_rank = expand * d_model, dt_rank or math.ceil(d_model / 16)
        self.sizes = [dt_rank, d_state, d_state]
        own = {name: modalities if name in decoupled else None for name in PROJECTIONS}
        self.in_proj = ModalityLinear(d_model, 2 * inner, bias, own["in_proj"])
        self.conv1d = nn.Conv1d(inner, inner, d_conv, groups=inner, bias=conv_bias)
        self.x_proj = ModalityLinear(inner, sum(self.sizes), False, own["x_proj"])
        self.dt_proj = ModalityLinear(dt_rank, inner, True, own["dt_proj"])
        self.A_log = nn.Parameter(torch.arange(1, d_state + 1).float().log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = ModalityLinear(inner, d_model, bias, own["out_proj"])
        self.reset_steps()

    @torch.no_grad()
    def reset_steps(self) -> None:
        """Steps from 0.001 to 0.1 at first, as Mamba's; those of all modalities are the same."""
        dt_rank, inner = self.sizes[0], self.D.shape[0]
        step = torch.exp(torch.rand(inner) * math.log(100) + math.log(0.001)).clamp_min(1e-4)
        weight = torch.empty(inner, dt_rank).uniform_(-(dt_rank**-0.5), dt_rank**-0.5)
        for name, parameter in self.dt_proj.named_parameters():
            parameter.copy_(step + torch.log(-torch.expm1(-step)) if name.endswith("bias") else weight)

    def forward(self, rows_TE: torch.Tensor, offsets: torch.Tensor, routing: Routing | None) -> torch.Tensor:
        groups, order = (None, None) if routing is None else (routing.group_offsets, routing.row_of_position)
        u, gate = self.in_proj(rows_TE, groups).chunk(2, -1)
        u = causal_conv1d(u, self.conv1d.weight[:, 0], self.conv1d.bias, "silu", offsets=offsets, order=order)
        dt, b, c = self.x_proj(u, groups).split(self.sizes, -1)
        a = -torch.exp(self.A_log if self.A_log.dtype == torch.float64 else self.A_log.float())
        # The bias of dt_proj differs by modality, so it goes with the rows.
        y = selective_scan(u, self.dt_proj(dt, groups), a, b, c, self.D, gate, delta_softplus=True, offsets=offsets, order=order)
        return self.out_proj(y, groups)


class MixtureOfMambaBlock(nn.Module):
    """RMS norm, mixer and residual: x + mixer(norm(x)).

    d_model: E.   modalities: their names, in the order of ids.   decoupled: the projections with own weights per modality.
    d_state, d_conv, expand, dt_rank, bias, conv_bias: as Mamba's; dt_rank None is a sixteenth of d_model.

    Parameters are named as in the layers of a folder of `mom convert to-hf` (`backbone.layers.0.` left out): `norm.weight`,
    `mixer.in_proj.image.weight`, `mixer.x_proj.weight` where that is shared, `mixer.conv1d.weight`, `mixer.A_log` and so on.
    """

    def __init__(self, d_model: int, modalities: Sequence[str] = ("text", "image"), *, decoupled: Sequence[str] = PROJECTIONS, d_state: int = 16,
                 d_conv: int = 4, expand: int = 2, dt_rank: int | None = None, bias: bool = False, conv_bias: bool = True, norm_eps: float = 1e-5):
        super().__init__()
        unknown = [name for name in decoupled if name not in PROJECTIONS]
        if unknown:
            raise ValueError(f"[MixtureOfMambaBlock] decoupled: expected some of {', '.join(PROJECTIONS)}, got {', '.join(unknown)}")
        if len(modalities) == 0 or len(set(modalities)) != len(modalities):
            raise ValueError(f"[MixtureOfMambaBlock] modalities: expected different names, got {list(modalities)}")
        self.modalities, self.is_decoupled = list(modalities), len(decoupled) > 0
        self.norm = nn.RMSNorm(d_model, eps=norm_eps)
        self.mixer = MixtureOfMambaMixer(d_model, self.modalities, decoupled, d_state, d_conv, expand, dt_rank, bias, conv_bias)

    def forward(self, x: torch.Tensor, modality: torch.Tensor | Sequence[torch.Tensor] | None = None,
                offsets: torch.Tensor | None = None) -> torch.Tensor:
        """x: [B, L, E], or packed [T, E] with offsets [S + 1] (None for one sequence).

        modality: [B, L] or [T], the index of each token's modality; or a sequence of masks, one per modality, each True where its tokens
        are; or with two modalities one mask, True for the second. Not needed where no projection is decoupled.
        Returns the shape of x.
        """
        width = self.norm.weight.shape[0]
        if x.dim() not in (2, 3) or x.shape[-1] != width:
            raise ValueError(f"[MixtureOfMambaBlock] x: expected [B, L, {width}] or [T, {width}], got {describe(x)}")
        if x.dim() == 3:
            if offsets is not None:
                raise ValueError("[MixtureOfMambaBlock] offsets: only with packed x [T, E]")
            offsets = equal_offsets(x.shape[0], x.shape[1], x.device)
        rows = x.reshape(-1, width)
        routing = None
        if self.is_decoupled:
            routing = Routing(self._ids(modality, x).flatten(), len(self.modalities))
            rows = rows.index_select(0, routing.position_of_row)
        rows = rows + self.mixer(self.norm(rows), offsets, routing)
        if routing is not None:
            rows = rows.index_select(0, routing.row_of_position)
        return rows.view(x.shape)

    def _ids(self, modality, x: torch.Tensor) -> torch.Tensor:
        """Ids [B, L] or [T] of what forward was given."""
        names, shape = self.modalities, list(x.shape[:-1])
        if modality is None:
            raise ValueError(f"[MixtureOfMambaBlock] modality: expected the modality ({', '.join(names)}) of each of {shape} tokens, got None")
        if not isinstance(modality, torch.Tensor):
            masks = list(modality)
            if len(masks) != len(names) or any(not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool or list(mask.shape) != shape for mask in masks):
                raise ValueError(f"[MixtureOfMambaBlock] modality: expected {len(names)} masks {shape} bool, one for each of {', '.join(names)}, got "
                                 f"{', '.join(describe(mask) if isinstance(mask, torch.Tensor) else type(mask).__name__ for mask in masks)}")
            masks = torch.stack(masks)
            if not torch.compiler.is_compiling() and not bool((masks.sum(0) == 1).all()):
                raise ValueError("[MixtureOfMambaBlock] modality: expected each token in exactly one mask")
            return masks.long().argmax(0)
        if list(modality.shape) != shape or modality.is_floating_point() or modality.device != x.device:
            raise ValueError(f"[MixtureOfMambaBlock] modality: expected {shape} int64 or bool on {x.device}, got {describe(modality)}")
        if modality.dtype == torch.bool and len(names) != 2:
            raise ValueError(f"[MixtureOfMambaBlock] modality: one mask says which of two modalities it is; there are {len(names)}: {', '.join(names)}")
        ids = modality.long()
        if not torch.compiler.is_compiling() and ids.numel() > 0 and not bool(((ids >= 0) & (ids < len(names))).all()):
            raise ValueError(f"[MixtureOfMambaBlock] modality: expected 0 to {len(names) - 1} ({', '.join(names)}), got {int(ids.min())} to {int(ids.max())}")
        return ids
