"""What the tests of the Python package share."""

import unittest

import torch

MOST_ERROR = 1e-10  # NMSE of float32 beside float64
MOST_ERROR_BF16 = 1e-4


def nmse(got, expected):
    expected = expected.double()
    return ((got.double() - expected).square().sum() / expected.square().sum().clamp_min(1e-300)).item()


class Comparing(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(7)

    def check_close(self, got, expected, name="", most=MOST_ERROR):
        self.assertEqual(got.shape, expected.shape, name)
        self.assertTrue(bool(torch.isfinite(got).all()), f"{name}: not finite")
        self.assertLessEqual(nmse(got, expected), most, name)

    def check_function(self, function, tensors, name="", most=MOST_ERROR, reference=None, wide=torch.float64):
        """Values and all gradients of function(**tensors) in the tensors' dtype beside those in float64. Tensors may be None."""
        def run(f, tensors):
            leaves = {key: t.detach().requires_grad_() for key, t in tensors.items() if t is not None and t.is_floating_point()}
            outputs = f(**{**tensors, **leaves})
            return leaves, [outputs] if torch.is_tensor(outputs) else list(outputs)

        ours, outputs = run(function, tensors)
        theirs, expected = run(reference or function,
                               {key: t.to(wide) if t is not None and t.is_floating_point() else t for key, t in tensors.items()})
        self.assertEqual(len(outputs), len(expected), name)
        weights = [torch.randn(o.shape, dtype=wide) for o in expected]
        for values, leaves in ((outputs, ours), (expected, theirs)):
            sum((o * w.to(o.dtype)).sum() for o, w in zip(values, weights)).backward()
        for i, (got, want) in enumerate(zip(outputs, expected)):
            self.check_close(got, want, f"{name}: output {i}", most)
        for key in ours:
            self.assertIsNotNone(ours[key].grad, f"{name}: gradient of {key}")
            self.assertEqual(ours[key].grad.dtype, ours[key].dtype)
            self.check_close(ours[key].grad, theirs[key].grad, f"{name}: gradient of {key}", most)
