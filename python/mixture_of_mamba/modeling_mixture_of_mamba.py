"""Mixture-of-Mamba in plain PyTorch, for `transformers` with trust_remote_code; written into a model folder by `mom convert to-hf`.

A Mamba whose four projections may have their own weights per modality, while convolution, state transition and recurrent state
are shared by the whole sequence (arXiv 2501.16295, on Mamba, arXiv 2312.00752). The scan is a loop over positions, unless
the package mixture_of_mamba is installed and the model is on the CPU: then it is that package's.

B batch, T positions, E model width, D inner width, N state slots, R dt rank, K taps, M modalities, I items of latents, Q patches, P patch
width, F numbers of a patch behind convolutions. X rows, one for each of B T tokens, those of a modality side by side (Rows).
"""

import functools
import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import ModelOutput

try:
    from mixture_of_mamba import causal_conv1d, selective_scan
except ImportError:
    causal_conv1d = selective_scan = None

TIMESTEP_FEATURES = 128
# The orders that layers visit an item's patches in, in turn: (by columns, backwards).
SCAN_ORDERS = {"raster": [(False, False)], "alternate": [(False, False), (False, True)],
               "four": [(False, False), (False, True), (True, False), (True, True)]}


class MixtureOfMambaConfig(PretrainedConfig):
    """config.json, with the keys of MambaConfig where there are such. `vocabulary`: the ids [begin, end) of each modality; `decoupled`:
    the projections with own weights per modality."""

    model_type = "mixture_of_mamba"
    vocabulary = modality_table = patch_net_channels = None  # config.json has them only where there are any

    def __init__(self, vocab_size=50280, hidden_size=768, num_hidden_layers=32, state_size=16, conv_kernel=4, expand=2, intermediate_size=None,
                 time_step_rank=None, use_bias=False, use_conv_bias=True, layer_norm_epsilon=1e-5, initializer_range=0.02, tie_word_embeddings=True,
                 modalities=("text",), decoupled=(), vocabulary=None, modality_table=None, image_scan="raster", adaptive_norm=False, patch_positions=False,
                 patch_net="linear", patch_nets=None, patch_net_channels=None, prediction="noise", predictions=None, **kwargs):
        self.vocab_size, self.hidden_size, self.num_hidden_layers = vocab_size, hidden_size, num_hidden_layers
        self.state_size, self.conv_kernel, self.expand = state_size, conv_kernel, expand
        self.intermediate_size = intermediate_size or int(expand * hidden_size)
        self.time_step_rank = time_step_rank or (hidden_size + 15) // 16
        self.use_bias, self.use_conv_bias = use_bias, use_conv_bias
        self.layer_norm_epsilon, self.initializer_range = layer_norm_epsilon, initializer_range
        self.modalities, self.decoupled = list(modalities), list(decoupled)
        given = {"vocabulary": vocabulary, "modality_table": modality_table, "patch_net_channels": patch_net_channels}
        for name, value in given.items():
            if value is not None:
                setattr(self, name, value)
        self.image_scan, self.adaptive_norm, self.patch_positions = image_scan, adaptive_norm, patch_positions
        self.patch_net, self.patch_nets = patch_net, patch_nets or {}
        self.prediction, self.predictions = prediction, predictions or {}
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)

    @property
    def latents(self):
        """The modalities of latents by name, in the order of their indices."""
        return {name: Latents(self, m, name) for m, name in enumerate(self.modalities)
                if (self.modality_table or {}).get(name, {}).get("representation") == "latents"}


class Latents:
    """What a config says of one modality of latents [C, H, W], which are cut into patches row by row."""

    def __init__(self, config, index, name):
        about = config.modality_table[name]
        self.index, self.name, self.shape, self.patch_size = index, name, about["latent_shape"], about["patch_size"]
        self.rows, self.columns = self.shape[1] // self.patch_size, self.shape[2] // self.patch_size
        self.patch_width = self.shape[0] * self.patch_size**2
        self.patch_net = config.patch_nets.get(name, config.patch_net)
        self.prediction = config.predictions.get(name, config.prediction)


class Cache:
    """What a sequence has left behind: the last taps and the state of each layer, the last position's normed rows where norms are adaptive, and
    how many positions it had."""

    is_compileable = False

    def __init__(self):
        self.conv, self.state, self.normed, self.seen = {}, {}, {}, 0

    def get_seq_length(self, *_):
        return self.seen

    def reorder_cache(self, beams):
        for states in (self.conv, self.state, self.normed):
            for layer in states:
                states[layer] = states[layer].index_select(0, beams)


@dataclass
class Items:
    """The items of one modality of latents in a batch, and what embedding them leaves for those who come after."""

    latents: Latents
    batch_I: torch.Tensor  # whose they are
    positions_IL: torch.Tensor  # of their patches
    starts_I: torch.Tensor  # True where no token of this call stands before the item
    rows_IL: torch.Tensor = None  # of their patches
    row_before_I: torch.Tensor = None  # of the tokens before them
    time_IE: torch.Tensor = None
    skips: list = field(default_factory=list)

    def before(self, values_XE, last_BE):
        """What the row of the token before each item has; `last_BE`: of the last tokens before this call. Zeros where nothing stands before."""
        values_IE = torch.where(self.starts_I[:, None], 0, values_XE[self.row_before_I])
        return values_IE if last_BE is None else torch.where((self.positions_IL[:, :1] == 0), last_BE[self.batch_I], values_IE)


class Rows:
    """Where the tokens of a batch are: in rows, those of a modality side by side, so that each weight is multiplied with one block of rows."""

    def __init__(self, modality_BT, num_modalities, items=(), mask_BT=None, offsets=None):
        self.shape, device = modality_BT.shape, modality_BT.device
        modality, count = modality_BT.flatten(), modality_BT.numel()
        self.sizes = torch.bincount(modality, minlength=num_modalities).tolist()
        self.position_of_row = self.row_of_position = None  # rows are in the order of positions already
        if count not in self.sizes:
            self.position_of_row = torch.argsort(modality, stable=True)
            self.row_of_position = torch.empty_like(self.position_of_row).scatter_(0, self.position_of_row, torch.arange(count, device=device))
        self.items, self.packed = items, offsets is not None
        self.offsets = torch.arange(self.shape[0] + 1) * self.shape[1] if offsets is None else offsets
        self.mask_X1 = None if mask_BT is None else self.of_positions(mask_BT.reshape(-1, 1))
        self.orders = {}
        numbers_BT = self.in_rows(torch.arange(count, device=device)).view(self.shape)
        self.last_B = numbers_BT[:, -1]
        for some in items:
            some.rows_IL = numbers_BT[some.batch_I[:, None], some.positions_IL]
            some.row_before_I = numbers_BT[some.batch_I, (some.positions_IL[:, 0] - 1).clamp_min(0)]

    def of_positions(self, values):
        """[B T, ...] by position -> by row."""
        return values if self.position_of_row is None else values.index_select(0, self.position_of_row)

    def in_positions(self, values):
        """[X, ...] by row -> by position."""
        return values if self.row_of_position is None else values.index_select(0, self.row_of_position)

    def in_rows(self, positions):
        return positions if self.row_of_position is None else self.row_of_position[positions]

    def masked(self, values_XD):
        return values_XD if self.mask_X1 is None else values_XD * self.mask_X1.to(values_XD.dtype)

    def order(self, by_columns, backwards):
        """The row that is visited at each position, inside items as said, or None where that is in turn."""
        scan = (by_columns, backwards) if self.items else (False, False)
        if scan not in self.orders:
            self.orders[scan] = self.order_of(*scan)
        return self.orders[scan]

    def order_of(self, by_columns, backwards):
        if not (by_columns or backwards):
            return self.row_of_position
        visited_BT = torch.arange(self.shape[0] * self.shape[1], device=self.last_B.device).view(self.shape)
        for some in self.items:
            patches = torch.arange(some.positions_IL.shape[1], device=visited_BT.device).view(some.latents.rows, some.latents.columns)
            patches = (patches.T if by_columns else patches).flatten()
            of_item_IL = some.positions_IL[:, patches.flip(0) if backwards else patches]
            visited_BT[some.batch_I[:, None], some.positions_IL] = some.batch_I[:, None] * self.shape[1] + of_item_IL
        return self.in_rows(visited_BT.flatten())

    def each_sequence(self, function, order, *values):
        """function of the values of sequences [B, T, ...], or of each packed one [1, T, ...], visited in order, for plain code -> by row."""
        visited = [value if order is None else value.index_select(0, order) for value in values]
        if self.packed:
            ends = self.offsets.tolist()
            y = torch.cat([function(*(value[None, begin:end] for value in visited)) for begin, end in zip(ends, ends[1:])], 1)
        else:
            y = function(*(value.view(*self.shape, -1) for value in visited))
        return y.flatten(0, 1) if order is None else torch.empty_like(y.flatten(0, 1)).index_copy(0, order, y.flatten(0, 1))


def rms_norm(x, weight, epsilon):
    wide = x.float()
    return (weight * wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)).to(weight.dtype)


class RmsNorm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x):
        return rms_norm(x, self.weight, self.epsilon)


# What parameters start from, as in `mom train`; a module's `starts` say which of its own starts how.
zeros = nn.init.zeros_
fan_in = functools.partial(nn.init.kaiming_uniform_, a=5**0.5)  # uniform in +-1 / sqrt(inputs)


def within(bound):
    return functools.partial(nn.init.uniform_, a=-bound, b=bound)


@torch.no_grad()
def steps(bias):
    """softplus(bias) log-uniform in [1e-3, 1e-1] (mamba-ssm)."""
    if not getattr(bias, "_is_hf_initialized", False):
        step = torch.empty_like(bias, dtype=torch.float32).uniform_(math.log(1e-3), math.log(1e-1)).exp()
        bias.copy_(step + torch.log(-torch.expm1(-step)))


def starting(module, weight, bias=zeros):
    module.starts = {"weight": weight, "bias": bias} if hasattr(module, "bias") else {"weight": weight}
    return module


class ModalityLinear(nn.Module):
    """A linear layer with one weight, or with one per modality; parameters `weight`, or `MODALITY.weight`."""

    def __init__(self, config, part, inputs, outputs, bias, start=fan_in, start_bias=zeros):
        super().__init__()
        self.decoupled = part in config.decoupled
        if self.decoupled:
            for name in config.modalities:
                self._modules[name] = starting(nn.Linear(inputs, outputs, bias), start, start_bias)
        else:
            self.weight = nn.Parameter(torch.empty(outputs, inputs))
            self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
            starting(self, start, start_bias)

    def forward(self, x_XI, rows):
        if not self.decoupled:
            return F.linear(x_XI, self.weight, self.bias)
        # Those without rows, too: all weights have gradients.
        return torch.cat([linear(part) for linear, part in zip(self._modules.values(), x_XI.split(rows.sizes))])


def has_kernels(tensor):
    return selective_scan is not None and tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.bfloat16)


class MambaMixer(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        orders, width, inner = SCAN_ORDERS[config.image_scan], config.hidden_size, config.intermediate_size
        self.layer, self.scan_order = layer, orders[layer % len(orders)]
        self.sizes = [config.time_step_rank, config.state_size, config.state_size]
        self.in_proj = ModalityLinear(config, "in_proj", width, 2 * inner, config.use_bias)
        self.conv1d = nn.Conv1d(inner, inner, config.conv_kernel, groups=inner, bias=config.use_conv_bias)
        self.x_proj = ModalityLinear(config, "x_proj", inner, sum(self.sizes), False)
        self.dt_proj = ModalityLinear(config, "dt_proj", config.time_step_rank, inner, True, within(config.time_step_rank**-0.5), steps)
        self.A_log = nn.Parameter(torch.arange(1, config.state_size + 1).float().log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = ModalityLinear(config, "out_proj", inner, width, config.use_bias, within((inner * config.num_hidden_layers)**-0.5))

    def forward(self, x_XE, rows, cache):
        order = rows.order(*self.scan_order)
        u, gate = self.in_proj(x_XE, rows).chunk(2, -1)
        u = rows.masked(self.convolve(rows.masked(u), rows, order, cache))
        dt, b, c = self.x_proj(u, rows).split(self.sizes, -1)
        return self.out_proj(self.scan(u, self.dt_proj(dt, rows), b, c, gate, rows, order, cache), rows)

    def convolve(self, u_XD, rows, order, cache):
        before = cache.conv.get(self.layer) if cache is not None else None
        if has_kernels(u_XD):
            y_XD, last_BDK = causal_conv1d(u_XD, self.conv1d.weight[:, 0], self.conv1d.bias, "silu", offsets=rows.offsets, order=order,
                                           initial_states=before, return_final_states=True)
            if cache is not None:
                cache.conv[self.layer] = last_BDK
            return y_XD

        def plain(u_BTD):
            u_BDT, taps = u_BTD.transpose(1, 2), self.conv1d.kernel_size[0] - 1
            u_BDT = F.pad(u_BDT, (taps, 0)) if before is None else torch.cat([before, u_BDT], -1)
            if cache is not None:
                cache.conv[self.layer] = u_BDT[..., u_BDT.shape[-1] - taps:].clone()
            return F.silu(self.conv1d(u_BDT)).transpose(1, 2)

        return rows.each_sequence(plain, order, u_XD)

    def scan(self, u_XD, dt_XD, b_XN, c_XN, gate_XD, rows, order, cache):
        """state = exp(step a) state + step b u;  y = (c . state + D u) silu(gate)"""
        a_DN = -self.A_log.float().exp()
        before = cache.state.get(self.layer) if cache is not None else None
        if has_kernels(u_XD):
            y_XD, state = selective_scan(u_XD, dt_XD, a_DN, b_XN, c_XN, self.D, gate_XD, delta_softplus=True, offsets=rows.offsets, order=order,
                                         initial_states=before, return_last_state=True)
            if cache is not None:
                cache.state[self.layer] = state
            return y_XD

        def plain(u_BTD, step_BTD, b_BTN, c_BTN):
            state = u_BTD.new_zeros(u_BTD.shape[0], *a_DN.shape) if before is None else before
            ys = []
            for t in range(u_BTD.shape[1]):
                step_BD1 = step_BTD[:, t, :, None]
                state = torch.exp(step_BD1 * a_DN) * state + step_BD1 * b_BTN[:, t, None] * u_BTD[:, t, :, None]
                ys.append((state * c_BTN[:, t, None]).sum(-1))
            if cache is not None:
                cache.state[self.layer] = state
            return torch.stack(ys, 1) if ys else torch.zeros_like(u_BTD)

        y_XD = rows.each_sequence(plain, order, u_XD.float(), F.softplus(dt_XD.float()), b_XN.float(), c_XN.float())
        return (y_XD + self.D.float() * u_XD.float()).to(u_XD.dtype) * F.silu(gate_XD)


class ItemCondition(nn.Module):
    """Scales and shifts the normed rows of items by their timestep and by the token before them (adaLN of DiT, arXiv 2212.09748)."""

    def __init__(self, width):
        super().__init__()
        self.modulation = starting(nn.Linear(width, 2 * width), zeros)

    def forward(self, normed_XE, items, last_BE):
        changed_XE = normed_XE.clone()
        for some in items:
            scale, shift = self.modulation(F.silu(some.before(normed_XE, last_BE) + some.time_IE))[:, None].chunk(2, -1)
            changed_XE[some.rows_IL] = normed_XE[some.rows_IL] * (1 + scale) + shift
        return changed_XE


class Block(GradientCheckpointingLayer):
    def __init__(self, config, layer):
        super().__init__()
        self.layer = layer
        self.norm = RmsNorm(config.hidden_size, config.layer_norm_epsilon)
        self.condition = ItemCondition(config.hidden_size) if config.adaptive_norm and config.latents else None
        self.mixer = MambaMixer(config, layer)

    def forward(self, residual_XE, rows, cache):
        normed = self.norm(residual_XE)
        if self.condition is not None:
            last_BE = replace_last(cache, self.layer, normed, rows)
            normed = self.condition(normed, rows.items, last_BE) if rows.items else normed
        return residual_XE + self.mixer(normed, rows, cache).float()


def replace_last(cache, key, values_XE, rows):
    """What the last positions of the call before had, for which those of this one are put."""
    if cache is None:
        return None
    last_BE = cache.normed.get(key)
    cache.normed[key] = values_XE[rows.last_B]
    return last_BE


class Backbone(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings = starting(nn.Embedding(config.vocab_size, config.hidden_size), functools.partial(nn.init.normal_, std=config.initializer_range))
        self.layers = nn.ModuleList([Block(config, layer) for layer in range(config.num_hidden_layers)])
        self.norm_f = RmsNorm(config.hidden_size, config.layer_norm_epsilon)


def patchify(latents_ICHW, side):
    items, channels, rows, columns = latents_ICHW.shape
    cut = latents_ICHW.reshape(items, channels, rows // side, side, columns // side, side)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(items, (rows // side) * (columns // side), channels * side * side)


def unpatchify(patches_ILP, latents):
    (channels, rows, columns), side = latents.shape, latents.patch_size
    grid = patches_ILP.reshape(-1, latents.rows, latents.columns, channels, side, side)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, rows, columns)


def conv3x3(x_IHWC, weight, stride=1):
    return F.conv2d(x_IHWC.permute(0, 3, 1, 2), weight, stride=stride, padding=1).permute(0, 2, 3, 1)


def convolution(inputs, outputs):
    return nn.Parameter(fan_in(torch.empty(outputs, inputs, 3, 3)))


def linear_weight(inputs, outputs):
    return nn.Parameter(fan_in(torch.empty(outputs, inputs)))


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, width, epsilon):
        super().__init__()
        self.epsilon = epsilon
        self.norm1, self.conv1 = nn.Parameter(torch.ones(inputs)), convolution(inputs, outputs)
        self.norm2, self.conv2 = nn.Parameter(torch.ones(outputs)), convolution(outputs, outputs)
        self.time_weight, self.time_bias = linear_weight(width, 2 * outputs), nn.Parameter(torch.zeros(2 * outputs))
        self.shortcut = linear_weight(inputs, outputs) if inputs != outputs else None

    def forward(self, x_IHWC, time_IE):
        hidden = rms_norm(conv3x3(F.silu(rms_norm(x_IHWC, self.norm1, self.epsilon)), self.conv1), self.norm2, self.epsilon)
        scale, shift = F.linear(F.silu(time_IE), self.time_weight, self.time_bias)[:, None, None].chunk(2, -1)
        hidden = conv3x3(F.silu(hidden * (1 + scale) + shift), self.conv2)
        return (x_IHWC if self.shortcut is None else F.linear(x_IHWC, self.shortcut)) + hidden


class PatchNet(nn.Module):
    """Convolutions before the trunk and after it, with the skip connections of a U-Net where patch_net is "unet"."""

    def __init__(self, config, latents):
        super().__init__()
        self.latents, self.epsilon, self.has_skips = latents, config.layer_norm_epsilon, latents.patch_net == "unet"
        self.levels = latents.patch_size.bit_length() - 1
        channels = [config.patch_net_channels << level for level in range(self.levels)]
        self.features = 4 * channels[-1]
        self.conv_in = convolution(latents.shape[0], channels[0])
        for level, own in enumerate(channels):
            setattr(self, f"down{level}", ResidualBlock(own, own, config.hidden_size, self.epsilon))
            setattr(self, f"below_norm{level}", nn.Parameter(torch.ones(own)))
            setattr(self, f"up{level}", ResidualBlock((1 + self.has_skips) * own, own, config.hidden_size, self.epsilon))
            if self.has_skips:
                setattr(self, f"skip_norm{level}", nn.Parameter(torch.ones(own)))
            if level + 1 < self.levels:
                setattr(self, f"coarser{level}", convolution(own, 2 * own))
                setattr(self, f"finer{level}", linear_weight(2 * own, 4 * own))
        self.norm_out, self.conv_out = nn.Parameter(torch.ones(channels[0])), nn.Parameter(torch.zeros(latents.shape[0], channels[0], 3, 3))

    def encode(self, patches_ILP, items):
        """Patches of noised latents -> [I, L, F]; leaves the skips with the items."""
        x, items.skips = conv3x3(unpatchify(patches_ILP, self.latents).permute(0, 2, 3, 1), self.conv_in), []
        for level in range(self.levels):
            x = getattr(self, f"down{level}")(x, items.time_IE)
            if self.has_skips:
                items.skips.append(x)
            if level + 1 < self.levels:
                x = conv3x3(x, getattr(self, f"coarser{level}"), stride=2)
        rows, columns = x.shape[1:3]
        return x.reshape(-1, rows // 2, 2, columns // 2, 2, x.shape[-1]).transpose(2, 3).reshape(x.shape[0], -1, self.features)

    def decode(self, patches_ILF, items, time_IE):
        """[I, L, F] -> [I, L, P]."""
        x = patches_ILF.reshape(-1, self.latents.rows, self.latents.columns, self.features)
        for level in reversed(range(self.levels)):
            items_in, rows, columns, channels = x.shape
            x = x.reshape(items_in, rows, columns, 2, 2, channels // 4).transpose(2, 3).reshape(items_in, 2 * rows, 2 * columns, -1)
            x = rms_norm(x, getattr(self, f"below_norm{level}"), self.epsilon)
            if self.has_skips:
                x = torch.cat([x, rms_norm(items.skips[level], getattr(self, f"skip_norm{level}"), self.epsilon)], -1)
            x = getattr(self, f"up{level}")(x, time_IE)
            if level > 0:
                x = F.linear(x, getattr(self, f"finer{level - 1}"))
        x = conv3x3(F.silu(rms_norm(x, self.norm_out, self.epsilon)), self.conv_out)
        return patchify(x.permute(0, 3, 1, 2), self.latents.patch_size)


@dataclass
class MixtureOfMambaOutput(ModelOutput):
    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    noise: torch.Tensor | dict | None = None  # [Q, P], with patches; of several modalities of latents by name
    velocity: torch.Tensor | dict | None = None  # in its place where that is what is predicted
    cache_params: Cache | None = None


class MixtureOfMambaForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = MixtureOfMambaConfig
    base_model_prefix = "backbone"
    _is_stateful = True
    supports_gradient_checkpointing = True
    _tied_weights_keys = {"lm_head.weight": "backbone.embeddings.weight"}

    def __init__(self, config):
        super().__init__(config)
        width = config.hidden_size
        self.backbone = Backbone(config)
        self.lm_head = starting(nn.Linear(width, config.vocab_size, bias=False), fan_in)
        for latents in config.latents.values():
            self.add_adapter(latents)
        self.post_init()

    def add_adapter(self, latents):
        """Parameters of one modality of latents are called patch_in.weight; of several, patch_in.MODALITY.weight."""
        config, width, patch = self.config, self.config.hidden_size, latents.patch_width
        def linear(inputs, outputs, start=None):  # their biases start as their weights do
            bound = within(inputs**-0.5)
            return starting(nn.Linear(inputs, outputs), start or bound, start or bound)

        parts = {}
        if latents.patch_net != "linear":  # its last convolution starts at 0, and with it the first prediction
            parts["patch_net"] = PatchNet(config, latents)
            patch = parts["patch_net"].features
            if config.adaptive_norm:
                parts["before_out"] = linear(width, width, zeros)
        parts |= {"patch_in": linear(patch, width), "patch_out": linear(width, patch, zeros if latents.patch_net == "linear" else None)}
        parts |= {"timestep_in": linear(TIMESTEP_FEATURES, width), "timestep_out": linear(width, width)}
        if config.patch_positions:
            parts |= {name: starting(nn.Embedding(count, width), zeros) for name, count in (("patch_rows", latents.rows), ("patch_columns", latents.columns))}
        for name, part in parts.items():
            if len(config.latents) == 1:
                setattr(self, name, part)
            else:
                if name not in self._modules:
                    setattr(self, name, nn.Module())
                self._modules[name]._modules[latents.name] = part

    def part(self, name, latents):
        """A part of what stands between items and trunk, or None."""
        part = self._modules.get(name)
        return part if part is None or len(self.config.latents) == 1 else part._modules.get(latents.name)

    def _init_weights(self, module):
        for name, start in getattr(module, "starts", {}).items():
            if getattr(module, name) is not None:
                start(getattr(module, name))

    def get_input_embeddings(self):
        return self.backbone.embeddings

    def set_input_embeddings(self, embeddings):
        self.backbone.embeddings = embeddings

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, head):
        self.lm_head = head

    @classmethod
    def _supports_default_dynamic_cache(cls):
        return False

    def modality_of(self, input_ids):
        """The modality whose ids hold a token; without a vocabulary all is text."""
        modality = torch.zeros_like(input_ids)
        for m, name in enumerate(self.config.modalities if self.config.vocabulary else []):
            begin, end = self.config.vocabulary.get(name, (0, 0))
            modality[(begin <= input_ids) & (input_ids < end)] = m
        return modality

    def find_items(self, modality_BT, mask_BT, offsets=None):
        """The items of latents that a batch has."""
        found = []
        for latents in self.config.latents.values():
            batch, position = (modality_BT == latents.index).nonzero(as_tuple=True)
            length = latents.rows * latents.columns
            whole = len(position) % length == 0
            if whole:
                batch, position = batch.view(-1, length), position.view(-1, length)
                whole = bool((batch == batch[:, :1]).all() and (position.diff(dim=1) == 1).all())
            if not whole:
                raise ValueError(f"an item of {latents.name} has {length} patches in a row")
            if len(position) > 0:
                batch, first = batch[:, 0], position[:, 0]
                starts = first == 0 if offsets is None else torch.isin(first, offsets)
                found.append(Items(latents, batch, position, starts | (mask_BT[batch, (first - 1).clamp_min(0)] == 0)))
        return found

    def embed_items(self, items, patches_QP, timesteps):
        """Of whole items in a row, each with its timestep."""
        half, part = TIMESTEP_FEATURES // 2, lambda name: self.part(name, items.latents)
        frequency = torch.exp(torch.arange(half, device=timesteps.device) * (-torch.log(torch.tensor(10000.0)) / half))
        angle = timesteps[:, None].float() * frequency
        features = torch.cat([angle.cos(), angle.sin()], 1).to(self.backbone.embeddings.weight.dtype)
        items.time_IE = part("timestep_out")(F.silu(part("timestep_in")(features)))
        patches = patches_QP.view(*items.positions_IL.shape, items.latents.patch_width)
        if part("patch_net") is not None:
            patches = part("patch_net").encode(patches, items)
        embedded_ILE = part("patch_in")(patches) + items.time_IE[:, None]
        if self.config.patch_positions:
            embedded_ILE = embedded_ILE + (part("patch_rows").weight[:, None] + part("patch_columns").weight).flatten(0, 1)
        return embedded_ILE

    def predict_items(self, items, hidden_XE, last_BE):
        """[Q, P] of what the final normed rows say; `last_BE`: those of the last tokens before this call."""
        part = lambda name: self.part(name, items.latents)
        patches = part("patch_out")(hidden_XE[items.rows_IL])
        if part("patch_net") is not None:
            time_IE = items.time_IE
            if part("before_out") is not None:
                time_IE = time_IE + part("before_out")(items.before(hidden_XE, last_BE))
            patches = part("patch_net").decode(patches, items, time_IE)
        return patches.flatten(0, 1)

    def forward(self, input_ids, modality_ids=None, patches=None, timesteps=None, attention_mask=None, cache_params=None, use_cache=None, labels=None,
                logits_to_keep=0, return_dict=None, offsets=None, **kwargs):
        """input_ids, modality_ids [B, T]: modality_ids follow from the vocabulary when not given. patches [Q, P], timesteps [items]: of the
        positions of latents, in order; with several modalities of latents dicts by name. attention_mask: 0 for padding before a text. offsets
        [S + 1]: the one row is S sequences without padding, positions [offsets[s], offsets[s + 1]); the state starts anew with each of them, and
        no token predicts the next one's first. Returns logits [B, T, V], and with patches their noise or velocity."""
        if offsets is not None:
            labels = self.check_packed(offsets, input_ids, labels, cached=use_cache or cache_params is not None)
        modality = self.modality_of(input_ids) if modality_ids is None else modality_ids
        if use_cache and cache_params is None:
            cache_params = Cache()
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask[:, -input_ids.shape[1]:]
        items = self.find_items(modality, mask, offsets)
        rows = Rows(modality, len(self.config.modalities), items, None if attention_mask is None else mask, offsets)
        residual = self.backbone.embeddings(rows.of_positions(input_ids.flatten())).float()
        for some in items:
            given = [one.get(some.latents.name) if isinstance(one, dict) else one for one in (patches, timesteps)]
            if given[0] is None or given[1] is None:
                raise ValueError(f"positions of {some.latents.name} need patches and timesteps")
            residual[some.rows_IL] = self.embed_items(some, *given).float()
        for block in self.backbone.layers:
            residual = block(residual, rows, cache_params)
        if cache_params is not None:
            cache_params.seen += input_ids.shape[1]
        hidden = self.backbone.norm_f(residual)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(rows.in_positions(hidden).view(*input_ids.shape, -1)[:, kept]).float()
        last_BE = replace_last(cache_params, "final", hidden, rows) if "before_out" in self._modules else None
        predicted = {"noise": {}, "velocity": {}}
        for some in items:
            predicted[some.latents.prediction][some.latents.name] = self.predict_items(some, hidden, last_BE)
        if len(self.config.latents) == 1:
            predicted = {what: next(iter(one.values()), None) for what, one in predicted.items()}
        predicted = {what: None if one == {} else one for what, one in predicted.items()}
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        output = MixtureOfMambaOutput(loss=loss, logits=logits, cache_params=cache_params, **predicted)
        return output.to_tuple() if return_dict is False else output

    def check_packed(self, offsets, input_ids, labels, cached):
        """The labels without those of the first tokens."""
        good = offsets.dim() == 1 and len(offsets) > 1 and offsets[0] == 0 and offsets[-1] == input_ids.shape[1] and bool((offsets.diff() > 0).all())
        if input_ids.shape[0] != 1 or cached or not good:
            raise ValueError(f"offsets rise from 0 to the length of the one row, which has no cache; found {offsets.tolist()} and input_ids {list(input_ids.shape)}")
        return labels if labels is None else labels.index_fill(1, offsets[:-1], -100)

    def prepare_inputs_for_generation(self, input_ids, modality_ids=None, cache_params=None, use_cache=True, attention_mask=None, **kwargs):
        modality = self.modality_of(input_ids)
        if modality_ids is not None:  # of the prompt
            modality[:, : modality_ids.shape[1]] = modality_ids
        seen = cache_params.seen if cache_params is not None else 0
        inputs = {"input_ids": input_ids[:, seen:], "modality_ids": modality[:, seen:], "cache_params": cache_params, "use_cache": use_cache,
                  "attention_mask": attention_mask}
        if seen == 0:
            inputs |= {name: kwargs.get(name) for name in ("patches", "timesteps")}
        if "logits_to_keep" in kwargs:
            inputs["logits_to_keep"] = kwargs["logits_to_keep"]
        return inputs
