"""transformers' Mamba on the kernels: its mixers compute the same with the ops of this package.

T rows of all sequences, S sequences, D inner width, N state slots, R dt rank, K taps.
"""

import contextlib
import functools
import types

import torch
import torch.nn.functional as F
from torch import nn

from .ops import causal_conv1d, equal_offsets, selective_scan


def _can_run(mixer, hidden_states, cache_params):
    if hidden_states.device.type != "cpu" or mixer.in_proj.weight.dtype not in (torch.float32, torch.bfloat16):
        return False
    return mixer.activation in ("silu", "swish") and (cache_params is None or not cache_params.is_recording_past(mixer.layer_idx))


def _states(mixer, cache_params):
    """The last K - 1 inputs of the convolution and the state of the recurrence, where the cache has them."""
    conv = None if cache_params is None else cache_params.get_conv_state(mixer.layer_idx)
    if conv is None:
        return None, None
    return conv[..., conv.shape[-1] - (mixer.conv_kernel_size - 1) :], cache_params.get_recurrent_state(mixer.layer_idx)


def _mix(mixer, hidden_states, cache_params, attention_mask):
    batch, length, _ = hidden_states.shape
    offsets = equal_offsets(batch, length)
    mask_T1 = None if attention_mask is None else attention_mask[:, -length:].reshape(-1, 1).to(hidden_states.dtype)
    masked = lambda rows: rows if mask_T1 is None else rows * mask_T1
    last_SDK, state_SDN = _states(mixer, cache_params)

    u_TD, gate_TD = mixer.in_proj(masked(hidden_states.reshape(batch * length, -1))).chunk(2, -1)
    conv_TD = causal_conv1d(u_TD, mixer.conv1d.weight[:, 0], mixer.conv1d.bias, "silu", offsets=offsets, initial_states=last_SDK)
    conv_TD = masked(conv_TD)
    dt_TR, b_TN, c_TN = mixer.x_proj(conv_TD).split([mixer.time_step_rank, mixer.ssm_state_size, mixer.ssm_state_size], -1)
    y_TD, state_SDN = selective_scan(conv_TD, F.linear(dt_TR, mixer.dt_proj.weight), -torch.exp(mixer.A_log.float()), b_TN, c_TN, mixer.D, gate_TD,
                                     mixer.dt_proj.bias, True, offsets=offsets, initial_states=state_SDN, return_last_state=True)
    if cache_params is not None:
        cache_params.update_conv_state(u_TD.view(batch, length, -1).transpose(1, 2), mixer.layer_idx, conv_kernel_size=mixer.conv_kernel_size)
        cache_params.update_recurrent_state(state_SDN, mixer.layer_idx)
    return mixer.out_proj(y_TD).view(batch, length, -1)


def _on_kernels(original):
    @functools.wraps(original)
    def forward(mixer, hidden_states, cache_params=None, attention_mask=None, **options):
        if not _can_run(mixer, hidden_states, cache_params):
            return original(mixer, hidden_states, cache_params=cache_params, attention_mask=attention_mask, **options)
        return _mix(mixer, hidden_states, cache_params, attention_mask)

    return forward


class Acceleration(contextlib.AbstractContextManager):
    """In force until restore(), or the end of its with block."""

    def __init__(self, undo):
        self._undo = undo

    def restore(self) -> None:
        undo, self._undo = self._undo, lambda: None
        undo()

    def __exit__(self, *_) -> None:
        self.restore()


def accelerate(model: nn.Module | None = None) -> Acceleration:
    """Makes transformers' Mamba run on the kernels: training, prefill with a cache, decoding.

    With a model, that model; without, all MambaForCausalLM and MambaModel of the process, also those made before. In force from
    the call on; `with accelerate(): ...` ends it after the block, `.restore()` at any time. float32 and bfloat16 on the CPU;
    elsewhere transformers' own code runs.
    """
    from transformers.models.mamba.modeling_mamba import MambaMixer

    original = MambaMixer.forward
    if model is None:
        MambaMixer.forward = _on_kernels(original)
        return Acceleration(lambda: setattr(MambaMixer, "forward", original))
    mixers = [module for module in model.modules() if isinstance(module, MambaMixer)]
    if not mixers:
        raise ValueError(f"[accelerate] model: expected transformers' Mamba, got {type(model).__name__}, which has no MambaMixer")
    for mixer in mixers:
        mixer.forward = types.MethodType(_on_kernels(original), mixer)
    return Acceleration(lambda: [mixer.__dict__.pop("forward", None) for mixer in mixers])
