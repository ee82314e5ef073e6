"""Files we write open in the tools they are meant for: PyPI safetensors and PyPI tensorboard.

MOM_FORMAT_FILES names the test program make_format_files, which writes them with known content (the same formulas as here).
"""

import os
import pathlib
import subprocess
import tempfile
import unittest

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
        subprocess.run([os.environ["MOM_FORMAT_FILES"], cls.folder], check=True, timeout=60)

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
