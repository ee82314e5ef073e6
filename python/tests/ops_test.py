"""The packed ops beside plain tensor ops in float64: values, gradients, sizes that hurt, orders, views, threads."""

import unittest

import mixture_of_mamba as mom
import torch
from mixture_of_mamba import reference
from support import MOST_ERROR_BF16, Comparing


def scan_arguments(tokens, channels, states, sequences=1, dt=1.0, **absent):
    """`absent`: names of arguments to leave out."""
    r = torch.randn
    tensors = {"u": r(tokens, channels), "delta": dt * r(tokens, channels), "A": -torch.rand(channels, states) - 0.1, "B": r(tokens, states),
               "C": r(tokens, states), "D": r(channels), "z": r(tokens, channels), "delta_bias": r(channels),
               "initial_states": r(sequences, channels, states)}
    return {name: tensor for name, tensor in tensors.items() if name not in absent}


def conv_arguments(tokens, channels, taps, sequences=1, **absent):
    r = torch.randn
    tensors = {"x": r(tokens, channels), "weight": r(channels, taps), "bias": r(channels), "initial_states": r(sequences, channels, taps - 1)}
    return {name: tensor for name, tensor in tensors.items() if name not in absent}


def scan(softplus=True, offsets=None, order=None):
    return lambda **tensors: mom.selective_scan(delta_softplus=softplus, offsets=offsets, order=order, return_last_state=True, **tensors)


def conv(activation="silu", offsets=None, order=None):
    return lambda **tensors: mom.causal_conv1d(activation=activation, offsets=offsets, order=order, return_final_states=True, **tensors)


class Scan(Comparing):
    def test_sizes_that_hurt(self):
        for tokens, channels, states in ((1, 1, 1), (31, 20, 8), (32, 16, 4), (33, 65, 5), (70, 3, 16), (5, 130, 17)):
            self.check_function(scan(), scan_arguments(tokens, channels, states), f"[{tokens}, {channels}, {states}]")

    def test_what_is_optional(self):
        for absent in ("D", "z", "delta_bias", "initial_states"):
            self.check_function(scan(), scan_arguments(40, 20, 8, **{absent: None}), f"without {absent}")
        self.check_function(scan(softplus=False), scan_arguments(40, 20, 8, dt=0.01, delta_bias=None), "without softplus")

    def test_steps_small_and_large(self):
        for dt in (1e-4, 30.0):
            self.check_function(scan(), scan_arguments(40, 20, 8, dt=dt), f"dt {dt}")

    def test_sequences_are_apart(self):
        offsets = torch.tensor([0, 5, 5, 38, 39, 80])
        tensors = scan_arguments(80, 20, 8, sequences=5)
        self.check_function(scan(offsets=offsets), tensors, "five sequences")
        together, state = scan(offsets=offsets)(**tensors)
        rows = {"u", "delta", "B", "C", "z"}
        for s, (begin, end) in enumerate(zip(offsets.tolist(), offsets.tolist()[1:])):
            one = {name: t[begin:end] if name in rows else t[s : s + 1] if name == "initial_states" else t for name, t in tensors.items()}
            alone, last = scan()(**one)
            self.assertTrue(torch.equal(together[begin:end], alone), f"sequence {s}")
            self.assertTrue(torch.equal(state[s], last[0]), f"state of {s}")

    def test_no_tokens(self):
        tensors = scan_arguments(0, 20, 8, sequences=2)
        out, state = scan(offsets=torch.tensor([0, 0, 0]))(**tensors)
        self.assertEqual(out.shape, (0, 20))
        self.assertTrue(torch.equal(state, tensors["initial_states"]))
        out, state = scan(offsets=torch.tensor([0]))(**scan_arguments(0, 20, 8, sequences=0))
        self.assertEqual((out.shape, state.shape), ((0, 20), (0, 20, 8)))

    def test_rows_in_another_order(self):
        order, offsets = torch.randperm(50), torch.tensor([0, 20, 50])
        tensors = scan_arguments(50, 20, 8, sequences=2)
        self.check_function(scan(offsets=offsets, order=order), tensors, "order")
        in_order = {name: t[order] if name in {"u", "delta", "B", "C", "z"} else t for name, t in tensors.items()}
        self.assertTrue(torch.equal(scan(offsets=offsets, order=order)(**tensors)[0][order], scan(offsets=offsets)(**in_order)[0]))

    def test_views_of_wider_rows(self):
        tensors, wide = scan_arguments(40, 20, 8), torch.randn(40, 100)
        views = {"u": wide[:, :20], "z": wide[:, 20:40], "B": wide[:, 40:48], "C": wide[:, 48:56], "delta": wide.t()[60:80].t()}
        self.check_function(scan(), {**tensors, **views}, "views")
        self.check_function(scan(), {**tensors, "delta": torch.randn(20, 40).t()}, "columns")

    def test_bfloat16(self):
        tensors = {name: t.bfloat16() if name in {"u", "delta", "B", "C", "z"} else t for name, t in scan_arguments(60, 40, 16).items()}
        self.check_function(scan(), tensors, "bf16", MOST_ERROR_BF16)
        self.assertEqual([t.dtype for t in scan()(**tensors)], [torch.bfloat16, torch.float32])

    def test_carried_on(self):
        """In two parts, with the state between them, the same as in one; also of gradients."""
        tensors = scan_arguments(64, 20, 8)

        def in_parts(u, delta, B, C, z, initial_states, **others):
            first, state = scan()(u=u[:27], delta=delta[:27], B=B[:27], C=C[:27], z=z[:27], initial_states=initial_states, **others)
            second, state = scan()(u=u[27:], delta=delta[27:], B=B[27:], C=C[27:], z=z[27:], initial_states=state, **others)
            return torch.cat([first, second]), state

        self.check_function(in_parts, tensors, "two parts", reference=scan())

    def test_only_the_state(self):
        tensors = {name: t.requires_grad_() for name, t in scan_arguments(40, 20, 8).items()}
        wide = {name: t.detach().double().requires_grad_() for name, t in tensors.items()}
        for group in (tensors, wide):
            scan()(**group)[1].sum().backward()
        for name in ("u", "delta", "A", "B", "delta_bias", "initial_states"):
            self.check_close(tensors[name].grad, wide[name].grad, name)
        self.assertEqual(tensors["C"].grad.abs().sum().item(), 0)


class Convolution(Comparing):
    def test_sizes_that_hurt(self):
        for tokens, channels, taps in ((1, 1, 1), (1, 20, 4), (3, 20, 4), (129, 33, 4), (40, 65, 2), (40, 20, 8)):
            self.check_function(conv(), conv_arguments(tokens, channels, taps), f"[{tokens}, {channels}, {taps}]")

    def test_what_is_optional(self):
        for absent in ("bias", "initial_states"):
            self.check_function(conv(), conv_arguments(40, 20, 4, **{absent: None}), f"without {absent}")
        self.check_function(conv(activation=None), conv_arguments(40, 20, 4), "without activation")

    def test_sequences_orders_and_views(self):
        offsets, order = torch.tensor([0, 2, 2, 30, 31, 50]), torch.randperm(50)
        tensors = conv_arguments(50, 20, 4, sequences=5)
        self.check_function(conv(offsets=offsets), tensors, "five sequences")
        self.check_function(conv(offsets=offsets, order=order), tensors, "order")
        self.check_function(conv(), {**conv_arguments(50, 20, 4), "x": torch.randn(50, 60)[:, 7:27]}, "view")
        out, states = conv(offsets=torch.tensor([0, 0]))(**conv_arguments(0, 20, 4))
        self.assertEqual((out.shape, states.shape), ((0, 20), (1, 20, 3)))

    def test_bfloat16(self):
        tensors = conv_arguments(60, 40, 4)
        tensors["x"] = tensors["x"].bfloat16()
        self.check_function(conv(), tensors, "bf16", MOST_ERROR_BF16)


class Numerics(Comparing):
    def test_gradients_of_the_reference(self):
        offsets, order = torch.tensor([0, 2, 2, 5]), torch.tensor([3, 0, 4, 1, 2])
        tensors = {name: t.double().requires_grad_() for name, t in scan_arguments(5, 3, 2, sequences=3).items()}
        function = lambda *values: scan(offsets=offsets, order=order)(**dict(zip(tensors, values)))
        self.assertTrue(torch.autograd.gradcheck(function, tuple(tensors.values())))
        self.assertTrue(torch.autograd.gradgradcheck(function, tuple(tensors.values())))
        tensors = {name: t.double().requires_grad_() for name, t in conv_arguments(5, 3, 4, sequences=3).items()}
        function = lambda *values: conv(offsets=offsets, order=order)(**dict(zip(tensors, values)))
        self.assertTrue(torch.autograd.gradcheck(function, tuple(tensors.values())))

    def test_same_bits_for_any_number_of_threads(self):
        tensors, threads = {name: t.requires_grad_() for name, t in scan_arguments(700, 130, 16).items()}, torch.get_num_threads()
        self.addCleanup(torch.set_num_threads, threads)
        results = []
        for number in (1, 3):
            torch.set_num_threads(number)
            out, state = scan()(**tensors)
            results.append([out, state, *torch.autograd.grad((out.sum() + state.sum()), list(tensors.values()))])
        for one, other in zip(*results):
            self.assertTrue(torch.equal(one, other))

    def test_references_in_float32(self):
        tensors = scan_arguments(20, 6, 4, initial_states=None)
        self.check_close(mom.selective_scan(**tensors), reference.selective_scan(**tensors)[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
