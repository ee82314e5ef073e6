"""Nothing leaks: 2,000 steps of training leave memory and open files where they were after the first tenth, and 8,000 requests to a
server where they were after 4,000 others. How much freed memory the server's allocator keeps grows until then, and varies by 10 MiB: the least counts.

Needs only the standard library. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes a tiny encoded data set.
"""

import base64
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

from program import BINARY
from serving import Server, png, train_tiny, uri
from tiny import make_data, write_recipe

STEPS, BEFORE, REQUESTS = 2000, 4000, 8000
WHILE = 1000  # requests over which the least is taken, of those before and of the last
STEPS_GROWTH_MIB, REQUESTS_GROWTH_MIB = 6, 12  # a leak of 4 kB at each step or request would be 8 and 31


def held(process):
    """Resident memory in MiB and open files."""
    folder = pathlib.Path("/proc") / str(process)
    status = (folder / "status").read_text().splitlines()
    resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
    return resident, len(os.listdir(folder / "fd"))


class FlatMemory(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)

    def expect_flat(self, what, early, late, growth_mib):
        print(f"{what}: {early[0]:.1f} MiB and {early[1]} files at first, {late[0]:.1f} MiB and {late[1]} files at the end", flush=True)
        self.assertLess(late[0] - early[0], growth_mib)
        self.assertLessEqual(late[1], early[1])

    def test_training(self):
        make_data(self.root)
        # Evaluations, checkpoints and an average of the weights are part of it.
        recipe = write_recipe(self.root / "recipe.toml", self.root / "tiny/encoded", train={"steps": STEPS, "ema_decay": 0.99},
                              eval={"every_steps": 50}, checkpoint={"every_steps": 50, "keep": 2})
        run = self.root / "run"
        with subprocess.Popen([BINARY, "train", recipe, "--run", run], stderr=subprocess.DEVNULL) as program:
            early = late = None
            while program.poll() is None:
                try:
                    step = len((run / "metrics.jsonl").read_text().splitlines())
                    now = held(program.pid)
                except (OSError, StopIteration):  # not yet, or no longer there
                    continue
                if step >= STEPS // 10:
                    early, late = early or now, now
                time.sleep(0.05)
        self.assertEqual(program.returncode, 0)
        self.expect_flat("training", early, late, STEPS_GROWTH_MIB)

    def test_serving(self):
        sound = base64.b64encode(train_tiny(self.root)).decode()
        server = Server(self.root / "three_modality", "--cache-mib", "1")
        text = {"type": "text", "text": "a red apple"}
        contents = [[text], [{"type": "image_url", "image_url": {"url": uri(png())}}, text],
                    [{"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}], [{**text, "text": 3}]]
        try:
            samples = []
            for i in range(BEFORE + REQUESTS):
                status, _ = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": contents[i % 4]}], "max_tokens": 4,
                                                                 "seed": i, "stream": i % 8 < 4})
                self.assertEqual(status, 400 if i % 4 == 3 else 200)
                if i % 20 == 19:
                    samples.append(held(server.process.pid))
            least = lambda part: tuple(map(min, zip(*part)))
            self.expect_flat("serving", least(samples[(BEFORE - WHILE) // 20:BEFORE // 20]), least(samples[-WHILE // 20:]), REQUESTS_GROWTH_MIB)
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
