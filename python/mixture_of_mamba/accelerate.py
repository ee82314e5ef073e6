"""transformers' Mamba on the kernels: its mixers compute the same with ops of this package.

B sequences, L positions, D inner width, N state slots, K taps.
"""

import contextlib

import torch
import torch.nn.functional as F

from .ops import causal_conv1d, selective_scan


def _forward(mixer, hidden_states, cache_params=None, attention_mask=None, **kwargs):
    """In place of MambaMixer.forward; its own where the kernels cannot run."""
    weight = mixer.in_proj.weight
    if hidden_states.device.type != "cpu" or weight.dtype not in (torch.float32, torch.bfloat16) or mixer.activation not in ("silu", "swish"):
        return type(mixer)._forward_of_transformers(mixer, hidden_states, cache_params=cache_params, attention_mask=attention_mask, **kwargs)
    batch, length, _ = hidden_states.shape
    # transformers ignores the mask for a single token and for a single sequence.
    mask_T1 = None if attention_mask is None or length == 1 or batch == 1 else attention_mask.reshape(-1, 1).to(hidden_states.dtype)
    masked = lambda rows: rows if mask_T1 is None else rows * mask_T1
    layer, taps = mixer.layer_idx, mixer.conv_kernel_size
    last_BDK = state_BDN = None
    if cache_params is not None and cache_params.has_previous_state(layer):
        last_BDK = cache_params.get_conv_state(layer)[..., cache_params.get_conv_state(layer).shape[-1] - (taps - 1) :]
        state_BDN = cache_params.get_recurrent_state(layer)
    offsets = torch.arange(batch + 1) * length

    u_TD, gate_TD = mixer.in_proj(masked(hidden_states.reshape(batch * length, -1))).chunk(2, -1)
    if cache_params is not None:
        cache_params.update_conv_state(u_TD.view(batch, length, -1).transpose(1, 2), layer, conv_kernel_size=taps)
    u_TD = masked(causal_conv1d(u_TD, mixer.conv1d.weight[:, 0], mixer.conv1d.bias, "silu", offsets=offsets, initial_states=last_BDK))
    dt_TR, b_TN, c_TN = mixer.x_proj(u_TD).split([mixer.time_step_rank, mixer.ssm_state_size, mixer.ssm_state_size], -1)
    y_TD, state_BDN = selective_scan(u_TD, F.linear(dt_TR, mixer.dt_proj.weight), -torch.exp(mixer.A_log.float()), b_TN, c_TN, mixer.D, gate_TD,
                                     mixer.dt_proj.bias, True, offsets=offsets, initial_states=state_BDN, return_last_state=True)
    if cache_params is not None:
        cache_params.update_recurrent_state(state_BDN, layer)
    return mixer.out_proj(y_TD).view(batch, length, -1)


class Acceleration(contextlib.AbstractContextManager):
    """What accelerate() gives: in force from the call on, undone by restore() or at the end of a with block."""

    def __init__(self, mixers):
        self._mixers = mixers
        for mixer in mixers:
            mixer.forward = _forward.__get__(mixer)

    def restore(self):
        for mixer in self._mixers:
            mixer.__dict__.pop("forward", None)

    def __exit__(self, *_):
        self.restore()


class _EverywhereAcceleration(contextlib.AbstractContextManager):
    def __init__(self, mixer_class):
        self._class, self._original = mixer_class, mixer_class.forward
        mixer_class.forward = _forward

    def restore(self):
        self._class.forward = self._original

    def __exit__(self, *_):
        self.restore()
