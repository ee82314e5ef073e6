"""The official npm client against `mom serve`: openai_node.mjs, with tiny models. Exit code 77: skipped, without node or npm."""

import os
import pathlib
import subprocess
import sys
import tempfile

from serving import Server, train_tiny

SOURCE = pathlib.Path(os.environ["MOM_SOURCE"])


def main():
    modules = subprocess.run([SOURCE / "scripts/node-env", ".deps/openai-node", "tests/e2e/openai_package.json"], stdout=subprocess.PIPE, text=True)
    if modules.returncode != 0:
        return modules.returncode
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        sound = root / "sound.wav"
        sound.write_bytes(train_tiny(root))
        servers = {name: Server(root / name) for name in ("transfusion", "three_modality")}
        environment = {**os.environ, "SOUND": str(sound), "NODE_PATH": modules.stdout.strip() + "/node_modules"}
        environment.update({f"URL_{name}": server.url for name, server in servers.items()})
        tested = subprocess.run(["node", "--test", "--test-reporter=spec", pathlib.Path(__file__).with_name("openai_node.mjs")], env=environment)
        assert all(server.stop() == 0 for server in servers.values())
    return tested.returncode


if __name__ == "__main__":
    sys.exit(main())
