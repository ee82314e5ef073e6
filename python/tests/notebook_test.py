"""The notebooks run from their first cell to their last, on tiny data and for seconds in place of minutes, and draw."""

import os
import pathlib
import sys
import unittest

import nbclient
import nbformat

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from tiny import TinyData  # noqa: E402


class Notebooks(TinyData):
    def test_train_and_draw(self):
        notebook = nbformat.read(ROOT / "python/notebooks/train_and_draw.ipynb", as_version=4)
        self.assertFalse([cell for cell in notebook.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)])
        os.environ |= {"MOM_DATA": str(self.root / "tiny/encoded"), "MOM_OUT": str(self.root / "model"), "MOM_MINUTES": "0.1"}
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        said = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
        self.assertRegex(said, r"1,\d{3},\d{3} parameters")
        self.assertRegex(said, r"shapes +text \d+\.\d+ nats per token, image \d+\.\d+")
        self.assertEqual(sum("image/png" in output.get("data", {}) for output in outputs), 4)
        self.assertTrue((self.root / "model/config.json").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
