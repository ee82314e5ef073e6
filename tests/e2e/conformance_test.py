"""What strangers' tools say of `mom serve`: schemathesis over its OpenAPI file finds no 5xx and no answer that the file does
not describe, and promtool has nothing to say about its metrics. MOM_EXAMPLES: how many requests of each kind,
and then of two models (6, of one).

Runs in the environment of conformance_requirements.txt.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from serving import Server, train_tiny

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES = os.environ.get("MOM_EXAMPLES", "6")
RUNS = ("three_modality", "transfusion") if "MOM_EXAMPLES" in os.environ else ("three_modality",)


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.temporary.name)
        train_tiny(root)
        # Answers are short, so that many are asked for.
        cls.servers = [Server(root / name, "--max-tokens", 40) for name in RUNS]

    @classmethod
    def tearDownClass(cls):
        assert all(server.stop() == 0 for server in cls.servers)
        cls.temporary.cleanup()

    def test_schemathesis(self):
        for server in self.servers:
            command = [pathlib.Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/openapi.json", "--checks", CHECKS, "--mode", "all",
                       "--max-examples", EXAMPLES, "--request-timeout", "30", "--seed", "1", "--no-color"]
            with tempfile.TemporaryDirectory() as folder:  # where it writes what it remembers
                done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=1700, cwd=folder)
            self.assertEqual(done.returncode, 0, done.stdout[-8000:] + done.stderr[-2000:])
            made, passed = map(int, re.search(r"(\d+) generated, (\d+) passed", done.stdout).groups())
            self.assertGreater(made, 1000)
            self.assertEqual(passed, made)
            self.assertEqual(server.get("/health")[0], 200)

    @unittest.skipUnless(shutil.which("promtool"), "no promtool: scripts/setup --with deployment")
    def test_promtool(self):
        for server in self.servers:
            server.post("/v1/completions", {"prompt": [2, 30], "max_tokens": 2})
            done = subprocess.run(["promtool", "check", "metrics"], input=server.get("/metrics")[1], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
