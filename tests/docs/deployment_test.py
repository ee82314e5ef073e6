"""What docs/serve.md and docs/install.md tell people to deploy is accepted by the programs that read it: the block for nginx,
the system service, the Dockerfile; and the program they show is the one that tests/install compiles.

MOM_SOURCE: the source tree. HADOLINT: the linter of Dockerfiles (hadolint_requirements.txt).
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["MOM_SOURCE"])


def block_of(document, language):
    return re.search(rf"```{language}\n(.*?)```", (SOURCE / document).read_text(), re.S)[1]


def output_of(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Deployment(unittest.TestCase):
    @unittest.skipUnless(shutil.which("nginx", path="/usr/sbin:/usr/bin"), "no nginx: scripts/setup --with deployment")
    def test_nginx(self):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "nginx.conf"
            paths = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            config.write_text(f"pid {folder}/pid; error_log stderr; events {{}}\n"
                              f"http {{ access_log off; {paths} server {{ listen 127.0.0.1:18080;\n{block_of('docs/serve.md', 'nginx')} }} }}\n")
            code, said = output_of("/usr/sbin/nginx", "-t", "-c", config)
        self.assertEqual(code, 0, said)
        self.assertIn("test is successful", said)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze: scripts/setup --with deployment")
    def test_service(self):
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / "mom.service"
            # The program is not installed where this runs.
            unit.write_text((SOURCE / "packaging/mom.service").read_text().replace("/usr/bin/mom", "/bin/true"))
            self.assertEqual(output_of("systemd-analyze", "--man=no", "verify", unit), (0, ""))
            code, said = output_of("systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager", unit)
        self.assertEqual(code, 0, said)
        told = re.search(r"exposure ([\d.]+)", (SOURCE / "docs/install.md").read_text())[1]
        self.assertIn(f"exposure level for mom.service: {told} OK", said)

    def test_dockerfile(self):
        self.assertEqual(output_of(os.environ["HADOLINT"], SOURCE / "packaging/Dockerfile"), (0, ""))

    def test_the_consumer_that_is_shown(self):
        self.assertEqual(block_of("docs/install.md", "cpp"), (SOURCE / "tests/install/consumer/engine.cpp").read_text())


if __name__ == "__main__":
    unittest.main()
