"""Mixture-of-Mamba in plain PyTorch, for `transformers` with trust_remote_code; written into a model folder by `mom convert to-hf`.

A Mamba whose four projections may have their own weights per modality, while convolution, state transition and recurrent state
are shared by the whole sequence (arXiv 2501.16295, on Mamba, arXiv 2312.00752). The scan is a loop over positions.

B batch, T positions, E model width, D inner width, N state slots, R dt rank, K taps, M modalities, Q patches, P patch width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

TIMESTEP_FEATURES = 128


class MixtureOfMambaConfig(PretrainedConfig):
    """config.json, with the keys of MambaConfig where there are such. `vocabulary`: the ids [begin, end) of each modality; `decoupled`:
    the projections with own weights per modality."""

    model_type = "mixture_of_mamba"

    def __init__(self, vocab_size=50280, hidden_size=768, num_hidden_layers=32, state_size=16, conv_kernel=4, expand=2, intermediate_size=None,
                 time_step_rank=None, use_bias=False, use_conv_bias=True, layer_norm_epsilon=1e-5, initializer_range=0.02, tie_word_embeddings=True,
                 modalities=("text",), decoupled=(), vocabulary=None, modality_table=None, diffusion_steps=1000, patch_positions=False, **kwargs):
        self.vocab_size, self.hidden_size, self.num_hidden_layers = vocab_size, hidden_size, num_hidden_layers
        self.state_size, self.conv_kernel, self.expand = state_size, conv_kernel, expand
        self.intermediate_size = intermediate_size or int(expand * hidden_size)
        self.time_step_rank = time_step_rank or (hidden_size + 15) // 16
        self.use_bias, self.use_conv_bias = use_bias, use_conv_bias
        self.layer_norm_epsilon, self.initializer_range = layer_norm_epsilon, initializer_range
        self.modalities, self.decoupled = list(modalities), list(decoupled)
        self.vocabulary, self.modality_table = vocabulary, modality_table
        self.diffusion_steps, self.patch_positions = diffusion_steps, patch_positions
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)

    @property
    def latents(self):
        """Name, shape [C, H, W] and patch size of the modality of latents, or None."""
        for name, about in (self.modality_table or {}).items():
            if about["representation"] == "latents":
                return name, about["latent_shape"], about["patch_size"]
        return None


class Cache:
    """What a sequence has left behind: the last taps and the state of each layer, and how many positions it had."""

    is_compileable = False

    def __init__(self):
        self.conv, self.state, self.seen = {}, {}, 0

    def get_seq_length(self, *_):
        return self.seen

    def reorder_cache(self, beams):
        for states in (self.conv, self.state):
            for layer in states:
                states[layer] = states[layer].index_select(0, beams)


class RmsNorm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x):
        wide = x.float()
        return (self.weight * wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)).to(self.weight.dtype)


class ModalityLinear(nn.Module):
    """A linear layer with one weight, or with one per modality; parameters `weight`, or `MODALITY.weight`."""

    def __init__(self, config, part, inputs, outputs, bias):
        super().__init__()
        self.decoupled = part in config.decoupled
        if self.decoupled:
            for name in config.modalities:
                self._modules[name] = nn.Linear(inputs, outputs, bias)
        else:
            self.weight = nn.Parameter(torch.empty(outputs, inputs))
            self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x, modality_BT):
        if not self.decoupled:
            return F.linear(x, self.weight, self.bias)
        y = None
        for m, linear in enumerate(self._modules.values()):
            chosen = modality_BT == m
            rows = linear(x[chosen])
            if y is None:
                y = rows.new_zeros(*x.shape[:-1], rows.shape[-1])
            y[chosen] = rows
        return y


class MambaMixer(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.layer, width, inner = layer, config.hidden_size, config.intermediate_size
        self.sizes = [config.time_step_rank, config.state_size, config.state_size]
        self.in_proj = ModalityLinear(config, "in_proj", width, 2 * inner, config.use_bias)
        self.conv1d = nn.Conv1d(inner, inner, config.conv_kernel, groups=inner, bias=config.use_conv_bias)
        self.x_proj = ModalityLinear(config, "x_proj", inner, sum(self.sizes), False)
        self.dt_proj = ModalityLinear(config, "dt_proj", config.time_step_rank, inner, True)
        self.A_log = nn.Parameter(torch.arange(1, config.state_size + 1).float().log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = ModalityLinear(config, "out_proj", inner, width, config.use_bias)

    def forward(self, x, modality_BT, mask_BT1, cache):
        u, gate = self.in_proj(x, modality_BT).chunk(2, -1)
        u = self.convolve(u * mask_BT1, cache) * mask_BT1
        dt, b, c = self.x_proj(u, modality_BT).split(self.sizes, -1)
        step = F.softplus(self.dt_proj(dt, modality_BT).float())
        y = self.scan(u.float(), step, b.float(), c.float(), cache) + self.D.float() * u
        return self.out_proj(y.to(x.dtype) * F.silu(gate), modality_BT)

    def convolve(self, u_BTD, cache):
        u_BDT, taps = u_BTD.transpose(1, 2), self.conv1d.kernel_size[0] - 1
        before = cache.conv.get(self.layer) if cache is not None else None
        u_BDT = F.pad(u_BDT, (taps, 0)) if before is None else torch.cat([before, u_BDT], -1)
        if cache is not None:
            cache.conv[self.layer] = u_BDT[..., u_BDT.shape[-1] - taps:].clone()
        return F.silu(self.conv1d(u_BDT)).transpose(1, 2)

    def scan(self, u_BTD, step_BTD, b_BTN, c_BTN, cache):
        """state = exp(step a) state + step b u;  y = c . state"""
        a_DN = -self.A_log.float().exp()
        state = cache.state.get(self.layer) if cache is not None else None
        if state is None:
            state = u_BTD.new_zeros(u_BTD.shape[0], *a_DN.shape)
        ys = []
        for t in range(u_BTD.shape[1]):
            step_BD1 = step_BTD[:, t, :, None]
            state = torch.exp(step_BD1 * a_DN) * state + step_BD1 * b_BTN[:, t, None] * u_BTD[:, t, :, None]
            ys.append((state * c_BTN[:, t, None]).sum(-1))
        if cache is not None:
            cache.state[self.layer] = state
        return torch.stack(ys, 1) if ys else torch.zeros_like(u_BTD)


class Block(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.norm = RmsNorm(config.hidden_size, config.layer_norm_epsilon)
        self.mixer = MambaMixer(config, layer)

    def forward(self, residual, modality_BT, mask_BT1, cache):
        return residual + self.mixer(self.norm(residual), modality_BT, mask_BT1, cache).float()


class Backbone(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([Block(config, layer) for layer in range(config.num_hidden_layers)])
        self.norm_f = RmsNorm(config.hidden_size, config.layer_norm_epsilon)


@dataclass
class MixtureOfMambaOutput(ModelOutput):
    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    noise: torch.Tensor | None = None  # [Q, P], with patches
    cache_params: Cache | None = None


class MixtureOfMambaForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = MixtureOfMambaConfig
    base_model_prefix = "backbone"
    _is_stateful = True
    _tied_weights_keys = {"lm_head.weight": "backbone.embeddings.weight"}

    def __init__(self, config):
        super().__init__(config)
        width = config.hidden_size
        self.backbone = Backbone(config)
        self.lm_head = nn.Linear(width, config.vocab_size, bias=False)
        if config.latents is not None:
            _, (channels, rows, columns), side = config.latents
            patch = channels * side * side
            self.patch_in, self.patch_out = nn.Linear(patch, width), nn.Linear(width, patch)
            self.timestep_in, self.timestep_out = nn.Linear(TIMESTEP_FEATURES, width), nn.Linear(width, width)
            if config.patch_positions:
                self.patch_rows, self.patch_columns = nn.Embedding(rows // side, width), nn.Embedding(columns // side, width)
        self.post_init()

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

    def embed_patches(self, patches_QP, timesteps):
        """Of whole items in a row, each with its timestep."""
        half = TIMESTEP_FEATURES // 2
        frequency = torch.exp(torch.arange(half, device=timesteps.device) * (-torch.log(torch.tensor(10000.0)) / half))
        angle = timesteps[:, None].float() * frequency
        time = self.timestep_out(F.silu(self.timestep_in(torch.cat([angle.cos(), angle.sin()], 1))))
        items = self.patch_in(patches_QP).view(timesteps.shape[0], -1, self.config.hidden_size) + time[:, None]
        if self.config.patch_positions:
            items = items + (self.patch_rows.weight[:, None] + self.patch_columns.weight).flatten(0, 1)
        return items.flatten(0, 1)

    def forward(self, input_ids, modality_ids=None, patches=None, timesteps=None, attention_mask=None, cache_params=None, use_cache=None, labels=None,
                logits_to_keep=0, return_dict=None, **kwargs):
        """input_ids, modality_ids [B, T]: modality_ids follow from the vocabulary when not given. patches [Q, P], timesteps [items]: of the
        positions of latents, in order. attention_mask: 0 for padding before a text. Returns logits [B, T, V]."""
        modality = self.modality_of(input_ids) if modality_ids is None else modality_ids
        if use_cache and cache_params is None:
            cache_params = Cache()
        residual = self.backbone.embeddings(input_ids).float()
        latents = None
        if self.config.latents is not None:
            latents = modality == self.config.modalities.index(self.config.latents[0])
            if patches is not None:
                residual[latents] = self.embed_patches(patches, timesteps).float()
            elif latents.any():
                raise ValueError("positions of latents need patches and timesteps")
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask[:, -input_ids.shape[1]:]
        mask = mask[..., None].to(self.backbone.embeddings.weight.dtype)
        for block in self.backbone.layers:
            residual = block(residual, modality, mask, cache_params)
        if cache_params is not None:
            cache_params.seen += input_ids.shape[1]
        hidden = self.backbone.norm_f(residual)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(hidden[:, kept]).float()
        noise = self.patch_out(hidden[latents]) if patches is not None else None
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        output = MixtureOfMambaOutput(loss=loss, logits=logits, noise=noise, cache_params=cache_params)
        return output.to_tuple() if return_dict is False else output

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
