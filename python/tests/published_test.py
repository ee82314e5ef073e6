"""selective_scan_fn and causal_conv1d_fn beside what mamba_ssm's and causal_conv1d's reference functions compute, in float64."""

import unittest

import mixture_of_mamba as mom
import torch
import torch.nn.functional as F
from support import MOST_ERROR_BF16, Comparing


def scan_as_published(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False):
    """The equations of mamba_ssm's selective_scan_ref -> out, last state."""
    length = u.shape[2]
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = F.softplus(delta)

    def spread(coefficient):  # [B, D, N, L]
        if coefficient.dim() == 2:
            return coefficient[None, :, :, None].expand(u.shape[0], -1, -1, length)
        if coefficient.dim() == 3:
            return coefficient[:, None].expand(-1, u.shape[1], -1, -1)
        return coefficient.repeat_interleave(u.shape[1] // coefficient.shape[1], 1)

    decay = torch.exp(torch.einsum("bdl,dn->bdnl", delta, A))
    drive = torch.einsum("bdl,bdnl,bdl->bdnl", delta, spread(B), u)
    state, ys = torch.zeros_like(drive[..., 0]) if length else u.new_zeros(*u.shape[:2], A.shape[1]), []
    for t in range(length):
        state = decay[..., t] * state + drive[..., t]
        ys.append((state * spread(C)[..., t]).sum(-1))
    out = torch.stack(ys, -1)
    if D is not None:
        out = out + u * D[:, None]
    return out if z is None else out * F.silu(z), state


def conv_as_published(x, weight, bias=None, initial_states=None, activation=None):
    """The equations of causal_conv1d's causal_conv1d_ref -> out, final states."""
    taps = weight.shape[1] - 1
    padded = F.pad(x, (taps, 0)) if initial_states is None else torch.cat([initial_states, x], -1)
    out = F.conv1d(padded, weight[:, None], bias, groups=x.shape[1])
    return out if activation is None else F.silu(out), padded[..., padded.shape[-1] - taps :]


BATCH, DIM, LENGTH, STATES = 3, 12, 35, 5
SHAPES = {"constant": (DIM, STATES), "per position": (BATCH, STATES, LENGTH), "grouped": (BATCH, 4, STATES, LENGTH), "one group": (BATCH, 1, STATES, LENGTH),
          "six groups": (BATCH, 6, STATES, LENGTH)}


def scan_arguments(b="per position", c="per position"):
    r = torch.randn
    return {"u": r(BATCH, DIM, LENGTH), "delta": r(BATCH, DIM, LENGTH), "A": -torch.rand(DIM, STATES) - 0.1, "B": r(SHAPES[b]), "C": r(SHAPES[c]), "D": r(DIM),
            "z": r(BATCH, DIM, LENGTH), "delta_bias": r(DIM)}


def scan(**tensors):
    return mom.selective_scan_fn(delta_softplus=True, return_last_state=True, **tensors)


def scan_reference(**tensors):
    return scan_as_published(delta_softplus=True, **tensors)


class Scan(Comparing):
    def test_shapes_of_b_and_c(self):
        for b in SHAPES:
            for c in SHAPES:
                self.check_function(scan, scan_arguments(b, c), f"B {b}, C {c}", reference=scan_reference)

    def test_what_is_optional(self):
        for absent in ("D", "z", "delta_bias"):
            for b in ("per position", "constant"):
                self.check_function(scan, {**scan_arguments(b), absent: None}, f"without {absent}, B {b}", reference=scan_reference)
        tensors = scan_arguments()
        tensors |= {"delta": 0.1 * torch.rand(BATCH, DIM, LENGTH), "delta_bias": None}
        self.check_function(mom.selective_scan_fn, tensors, "without softplus", reference=lambda **t: scan_as_published(**t)[0])

    def test_channels_side_by_side(self):
        """[B, L, D] transposed, as slices of a wider projection."""
        wide = torch.randn(BATCH, LENGTH, 3 * DIM)
        tensors = scan_arguments() | dict(zip(("u", "delta", "z"), (part.transpose(1, 2) for part in wide.split(DIM, -1))))
        self.check_function(scan, tensors, "transposed", reference=scan_reference)

    def test_bfloat16(self):
        for b in ("per position", "constant", "grouped"):
            tensors = {name: t.bfloat16() if t.dim() > 2 else t for name, t in scan_arguments(b).items()}
            self.check_function(scan, tensors, f"bf16, B {b}", MOST_ERROR_BF16, reference=scan_reference)
            self.assertEqual([t.dtype for t in scan(**tensors)], [torch.bfloat16, torch.float32])

    def test_gradcheck(self):
        for b, c in (("grouped", "per position"), ("constant", "grouped")):
            tensors = {name: t[..., :3].double() if t.shape[-1] == LENGTH else t.double() for name, t in scan_arguments(b, c).items()}
            for t in tensors.values():
                t.requires_grad_()
            self.assertTrue(torch.autograd.gradcheck(lambda *values: scan(**dict(zip(tensors, values))), tuple(tensors.values()), fast_mode=True))

    def test_compile(self):
        compiled = torch.compile(scan, fullgraph=True, backend="aot_eager")
        for b in ("per position", "constant", "grouped"):
            self.check_function(compiled, scan_arguments(b), f"compiled, B {b}", reference=scan_reference)

    def test_refusals(self):
        for changed, error, words in (({"A": torch.zeros(DIM, STATES, dtype=torch.complex64)}, TypeError, "A: complex numbers are not supported, got [12, 5] complex64"),
                                      ({"B": torch.zeros(BATCH, 5, STATES, LENGTH)}, ValueError, "B: expected a number of groups that divides 12 channels"),
                                      ({"B": torch.zeros(BATCH, STATES, 2 * LENGTH)}, ValueError, "B: expected [3, 5, 35], got [3, 5, 70]"),
                                      ({"C": torch.zeros(STATES, DIM)}, ValueError, "C: expected [12, 5], got [5, 12]"),
                                      ({"C": torch.zeros(7)}, ValueError, "C: expected [3, any, 5, 35], got [7]"),
                                      ({"u": torch.zeros(BATCH * LENGTH, DIM)}, ValueError, "u: expected [any, any, any], got [105, 12]"),
                                      ({"z": torch.zeros(BATCH, LENGTH, DIM)}, ValueError, "z: expected [3, 12, 35], got [3, 35, 12]"),
                                      ({"B": None}, TypeError, "B: expected a tensor, got NoneType")):
            with self.assertRaises(error) as caught:
                scan(**(scan_arguments() | changed))
            self.assertIn("[selective_scan_fn] " + words, str(caught.exception))


def conv_arguments(taps=4):
    return {"x": torch.randn(BATCH, DIM, LENGTH), "weight": torch.randn(DIM, taps), "bias": torch.randn(DIM), "initial_states": torch.randn(BATCH, DIM, taps - 1)}


class Convolution(Comparing):
    def test_values_and_gradients(self):
        for activation in (None, "silu", "swish"):
            def conv(**tensors):
                return mom.causal_conv1d_fn(return_final_states=True, activation=activation, **tensors)
            reference = lambda **tensors: conv_as_published(activation=activation, **tensors)
            for taps in (2, 3, 4):
                self.check_function(conv, conv_arguments(taps), f"{activation}, {taps} taps", reference=reference)
            for absent in ("bias", "initial_states"):
                self.check_function(conv, {**conv_arguments(), absent: None}, f"{activation}, without {absent}", reference=reference)
            self.check_function(conv, {**conv_arguments(), "x": torch.randn(BATCH, LENGTH, DIM).transpose(1, 2)}, "transposed", reference=reference)
            self.check_function(torch.compile(conv, fullgraph=True, backend="aot_eager"), conv_arguments(), "compiled", reference=reference)

    def test_final_states_out(self):
        tensors, given = conv_arguments(), torch.zeros(BATCH, DIM, 3)
        out, states = mom.causal_conv1d_fn(return_final_states=True, final_states_out=given, **tensors)
        self.assertIs(states, given)
        self.assertTrue(torch.equal(given, tensors["x"][..., -3:]))

    def test_seq_idx(self):
        ids = torch.tensor([[0] * 10 + [1] * 2 + [2] * 23, [0] * 35, [4] * 34 + [3]], dtype=torch.int32)
        tensors = conv_arguments()
        del tensors["initial_states"]

        def apart(x, weight, bias):
            return torch.stack([torch.cat([conv_as_published(x[i : i + 1, :, row == n], weight, bias, activation="silu")[0][0] for n in row.unique_consecutive()], -1)
                                for i, row in enumerate(ids)])

        self.check_function(lambda **t: mom.causal_conv1d_fn(seq_idx=ids, activation="silu", **t), tensors, "seq_idx", reference=apart)
        ids[2, 30:] = -1
        out = mom.causal_conv1d_fn(seq_idx=ids.long(), activation="silu", **tensors)
        self.assertEqual(out[2, :, 30:].abs().sum().item(), 0)
        self.check_close(out[:2], apart(**{name: t.double() for name, t in tensors.items()})[:2], "beside padding")

    def test_refusals(self):
        ids = torch.zeros(BATCH, LENGTH, dtype=torch.int32)
        for changed, words in (({"activation": "relu"}, "activation: expected None, 'silu' or 'swish', got 'relu'"),
                               ({"weight": torch.zeros(DIM, 1, 4)}, "weight: expected [12, any], got [12, 1, 4]"),
                               ({"initial_states": torch.zeros(BATCH, 3, DIM)}, "initial_states: expected [3, 12, 3], got [3, 3, 12]"),
                               ({"final_states_out": torch.zeros(BATCH, DIM, 3)}, "final_states_out: needs return_final_states=True"),
                               ({"seq_idx": ids}, "seq_idx: not together with initial_states"),
                               ({"seq_idx": ids, "initial_states": None, "return_final_states": True}, "seq_idx: not together with initial_states"),
                               ({"seq_idx": ids[:2], "initial_states": None}, "seq_idx: expected [3, 35] int32 or int64, got [2, 35] int32"),
                               ({"seq_idx": ids.float(), "initial_states": None}, "seq_idx: expected [3, 35] int32 or int64, got [3, 35] float32")):
            with self.assertRaises(ValueError) as caught:
                mom.causal_conv1d_fn(**(conv_arguments() | changed))
            self.assertIn("[causal_conv1d_fn] " + words, str(caught.exception))


if __name__ == "__main__":
    unittest.main(verbosity=2)
