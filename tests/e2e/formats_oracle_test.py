"""Files we write open in the tools they are meant for: PyPI safetensors and PyPI tensorboard.

MOM_FORMAT_FILES names the test program make_format_files, which writes them with known content (the same formulas as here).
"""

import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy
import torch
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def counting(count, dtype):
    return (torch.arange(count) - 3).to(dtype)


EXPECTED = {
    "f32": counting(6, torch.float32).reshape(2, 3),
    "f64": counting(5, torch.float64),
    "i64": counting(4, torch.int64),
    "i32": counting(3, torch.int32).reshape(3, 1),
    "i8": counting(7, torch.int8),
    "u8": torch.tensor([0, 1, 254, 255], dtype=torch.uint8),
    "bf16": torch.tensor([1, -2, 0], dtype=torch.bfloat16),
    "f16": torch.tensor([1, -2, 0], dtype=torch.float16),
    "empty": torch.zeros(0, 4),
    'names are "free" é': torch.tensor([[0, 1], [254, 255]], dtype=torch.uint8),
}


class Oracle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.arrays = cls.write_arrays(cls.folder / "npy")
        subprocess.run([os.environ["MOM_FORMAT_FILES"], cls.folder], check=True, timeout=60)

    @staticmethod
    def write_arrays(folder):
        """Every dtype that is read, in both byte orders, both orders of elements and all versions of the format."""
        folder.mkdir()
        random, arrays = numpy.random.default_rng(1), {}
        for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"):
            for order in "<>":
                for shape in ((7,), (2, 3, 5), (0, 4), ()):
                    if kind[0] == "f":
                        values = random.standard_normal(shape) * 10.0 ** random.integers(-4, 4, shape)
                    else:
                        limits = numpy.iinfo(kind)
                        values = random.integers(limits.min, min(limits.max, 2**63 - 1), shape, endpoint=True)
                    for fortran in (False, True):
                        array = numpy.asarray(values, order + kind, order="F" if fortran else "C")
                        version = [(1, 0), (2, 0), (3, 0)][len(arrays) % 3]
                        arrays[f"{len(arrays):03}"] = array
                        with open(folder / f"{len(arrays) - 1:03}.npy", "wb") as file:
                            numpy.lib.format.write_array(file, array, version=version)
        return arrays

    def test_npy(self):
        self.assertGreater(len(self.arrays), 150)
        for name, array in self.arrays.items():
            file = self.folder / "npy" / f"{name}.again.npy"
            again = numpy.load(file)
            expected = array.astype("<f4" if array.dtype.kind == "f" else "<i8")
            self.assertEqual((again.dtype, again.shape), (expected.dtype, expected.shape), (name, array.dtype))
            self.assertEqual(again.tobytes(), numpy.ascontiguousarray(expected).tobytes(), (name, array.dtype))
            numpy.save(self.folder / "theirs.npy", numpy.ascontiguousarray(expected).reshape(expected.shape))
            self.assertEqual((self.folder / "theirs.npy").read_bytes(), file.read_bytes(), name)

    def test_safetensors(self):
        with safe_open(self.folder / "tensors.safetensors", "pt") as file:
            self.assertEqual(set(file.keys()), set(EXPECTED))
            self.assertEqual(file.metadata(), {"made_by": "make_format_files", "quote": '"\\\né'})
            for name, expected in EXPECTED.items():
                found = file.get_tensor(name)
                self.assertEqual((found.dtype, found.shape), (expected.dtype, expected.shape), name)
                self.assertTrue(torch.equal(found, expected), name)

    def test_tensorboard(self):
        events = EventAccumulator(str(self.folder / "events"))
        events.Reload()  # skips records whose checksum does not fit
        found = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
        self.assertEqual(found, {"loss/text": [(10 * i, 0.5 * i) for i in range(5)], "loss/image": [(10**12, -2.25)]})


if __name__ == "__main__":
    unittest.main(verbosity=2)
