"""The wheel: one for every Python, nothing of torch's in it; installed beside torch alone it is there in less than a second."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import zipfile

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MOST_SECONDS = 1.0  # of the import, beyond torch's

IMPORT = """
import sys, time
import torch
start = time.perf_counter()
import mixture_of_mamba as mom
print(time.perf_counter() - start)
x = torch.randn(3, 8, 20, requires_grad=True)
a = -torch.rand(8, 4)
mom.selective_scan_fn(x, x, a, x[:, :4], x[:, 4:]).sum().backward()
assert x.grad.abs().sum() > 0
mom.causal_conv1d_fn(x, a, activation="silu")
assert "transformers" not in sys.modules
print(mom.__file__)
"""


# A package that is not installed is named; one that is, works.
IMPORT_ENGINE = """
import sys
from mixture_of_mamba import Engine, data
assert Engine.__module__ == "mixture_of_mamba_engine.engine" and data.Encoded.__module__ == "mixture_of_mamba_engine.data"
data.describe_codec(sys.argv[1] + "/music", "music", codebook_size=9)
with data.ShardWriter(sys.argv[1] + "/data", [sys.argv[1] + "/music"]) as writer:
    writer.add([("music", [1, 2, 3])], source="songs")
batch = next(iter(data.Encoded(sys.argv[1] + "/data")))
print(batch["input_ids"].tolist()[0][:5])
"""


def find_wheel(package="mixture_of_mamba"):
    wheel, = (ROOT / "build/wheel").glob(f"{package}-*.whl")
    return wheel


def carried(archive):
    """The libraries in a wheel that are not ours, by name, and the licences beside them."""
    names = archive.namelist()
    licences = {pathlib.Path(name).name for name in names if ".dist-info/licenses/" in name}
    table = next(name for name in names if name.endswith("licenses/CARRIED"))
    by_library = dict(line.split(": ") for line in archive.read(table).decode().splitlines())
    libraries = {pathlib.Path(name).name for name in names if ".libs/" in name and not pathlib.Path(name).name.startswith("libmom_")}
    return libraries, by_library, licences


def without(*names):
    return {key: value for key, value in os.environ.items() if key not in names}


class FreshEnvironment:
    """A virtual environment with pip alone, which sees no packages of the tests'."""

    def __init__(self, folder):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        self.python = pathlib.Path(folder) / "bin/python3"
        self.site = next(pathlib.Path(folder).glob("lib/python3*/site-packages"))

    def install(self, *what):
        subprocess.run([self.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", *what], check=True,
                       env=without("PYTHONPATH"))

    def run(self, *arguments, **environment):
        """Without anything that PATH leads to, say a compiler."""
        return subprocess.run([self.python, *arguments], env=without("PYTHONPATH", "PATH") | {"PATH": ""} | environment, capture_output=True, text=True)


class Wheel(unittest.TestCase):
    def test_what_is_in_it(self):
        wheel = find_wheel()
        self.assertRegex(wheel.name, r"^mixture_of_mamba-[\d.]+-py3-none-manylinux_2_\d+_x86_64\.whl$")
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            with tempfile.TemporaryDirectory() as folder:
                library = archive.extract("mixture_of_mamba/libmixture_of_mamba.so", folder)
                dynamic = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True).stdout
                symbols = subprocess.run(["readelf", "--dyn-syms", "--wide", library], check=True, capture_output=True, text=True).stdout
        libraries = [name for name in names if ".so" in name]
        self.assertEqual({re.sub(r"-[0-9a-f]+\.so.*|\.so.*", "", pathlib.Path(name).name) for name in libraries}, {"libmixture_of_mamba", "libhwy"})
        needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
        self.assertIn("libtorch_cpu.so", needed)
        self.assertFalse([name for name in needed if "python" in name or "gomp" in name or name in ("libtorch.so", "libc10.so")], needed)
        # All of torch that it asks for is C: what LibTorch keeps stable.
        self.assertFalse(re.findall(r"UND (\S*(?:3c10|2at|5torch)\S*)", symbols))
        self.assertTrue(re.findall(r"UND (aoti_torch_\S+)", symbols))
        self.assertIn("mixture_of_mamba/py.typed", names)
        self.assertFalse([name for name in names if "test" in name or name.endswith((".pyc", ".cpp"))], names)

    def test_licences(self):
        """Of every library of others that a wheel carries."""
        for package, some in (("mixture_of_mamba", "libhwy"), ("mixture_of_mamba_engine", "libsndfile")):
            with zipfile.ZipFile(find_wheel(package)) as archive:
                libraries, by_library, licences = carried(archive)
                self.assertTrue(any(name.startswith(some) for name in libraries))
                self.assertEqual(libraries, set(by_library))
                self.assertLessEqual(set(by_library.values()) | {"LICENSE"}, licences)
                for name in set(by_library.values()):
                    text = next(archive.read(path) for path in archive.namelist() if path.endswith(f"licenses/{name}"))
                    self.assertIn(b"opyright", text, name)

    def test_the_engine(self):
        """Its wheel says which torch it is for, has nothing of torch's in it, and works beside torch, numpy and Pillow."""
        wheel = find_wheel("mixture_of_mamba_engine")
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            about = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
        self.assertIn("Requires-Dist: torch==2.13.*", about)
        self.assertFalse([name for name in names if re.search(r"libtorch|libc10|libgomp|test", name)], names)
        with tempfile.TemporaryDirectory() as folder:
            environment = FreshEnvironment(folder)
            environment.install("--no-deps", find_wheel())
            (environment.site / "torch.pth").write_text(str(pathlib.Path(torch.__file__).parent.parent))
            done = environment.run("-c", IMPORT_ENGINE, folder)
            self.assertIn("pip install mixture_of_mamba_engine", done.stderr)
            environment.install("--no-deps", wheel)
            environment.install("numpy", "pillow")
            done = environment.run("-c", IMPORT_ENGINE, folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, "[2, 8, 11, 12, 13]\n")
            version = "import torch; torch.__version__ = '2.12.0'; import mixture_of_mamba_engine"
            self.assertIn("was built for torch 2.13, found 2.12.0", environment.run("-c", version).stderr)

    def test_beside_torch_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            environment = FreshEnvironment(folder)
            environment.install("--no-deps", find_wheel())
            # torch and what it needs, as scripts/python-env shares it.
            (environment.site / "torch.pth").write_text(str(pathlib.Path(torch.__file__).parent.parent))
            seconds = []
            while len(seconds) < 3 and min(seconds, default=MOST_SECONDS) >= MOST_SECONDS:  # on a busy machine again
                done = environment.run("-c", IMPORT)
                self.assertEqual(done.returncode, 0, done.stderr)
                time, file = done.stdout.split()
                seconds.append(float(time))
                self.assertTrue(pathlib.Path(file).is_relative_to(folder), file)
            self.assertLess(min(seconds), MOST_SECONDS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
