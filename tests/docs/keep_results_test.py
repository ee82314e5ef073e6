"""scripts/keep-results keeps a study's numbers, thin, without weights, paths and names of machines."""

import json
import os
import shutil
import subprocess
import unittest

from support import ROOT, MadeStudies, script


class KeepResults(MadeStudies):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kept = cls.root / "kept"

    def keep(self, study, name="made-up"):
        return script("keep-results", study, name, MOM_KEPT_RESULTS=str(self.kept))

    def test_what_is_kept(self):
        code, out, err = self.keep(self.root / "subsets")
        self.assertEqual(code, 0, err)
        self.assertIn("kept", out)
        folder = self.kept / "made-up"
        self.assertEqual(sorted(path.name for path in folder.iterdir()), ["README.md", "results.json", "timing.json"])
        results, before = (json.loads((path / "results.json").read_text()) for path in (folder, self.root / "subsets"))
        self.assertEqual(results["groups"], before["groups"])
        for name, run in results["runs"].items():
            if run["state"] == "finished":
                self.assertEqual(run["losses"], before["runs"][name]["losses"])
                self.assertLessEqual(len(run["curves"]["train"]["step"]), 100)
                self.assertEqual(run["curves"]["train"]["step"][-1], before["runs"][name]["curves"]["train"]["step"][-1])
        self.assertLess((folder / "results.json").stat().st_size, (self.root / "subsets" / "results.json").stat().st_size / 2)
        page = self.root / "page.html"
        subprocess.run([os.environ["MOM"], "report", str(folder), "--out", str(page)], check=True, stdout=subprocess.DEVNULL)
        self.assertIn("Every comparison", page.read_text())
        readme = (folder / "README.md").read_text()
        self.assertIn("mom study configs/studies/made_up.toml --out DIR", readme)
        self.assertIn("| transfusion | Mixture-of-Mamba | noto | image |", readme)
        self.assertIn("`mom report docs/results/made-up --out page.html`", readme)
        # Again: the same command renews it.
        self.assertEqual(self.keep(self.root / "subsets")[0], 0)

    def test_a_path_of_the_machine_is_refused(self):
        study = self.root / "elsewhere"
        shutil.copytree(self.root / "settings", study)
        results = json.loads((study / "results.json").read_text())
        results["command"][2] = "/home/somebody/study.toml"
        (study / "results.json").write_text(json.dumps(results))
        code, _, err = self.keep(study, "refused")
        self.assertNotEqual(code, 0)
        self.assertIn("/home/somebody/study.toml", err)
        self.assertFalse((self.kept / "refused").exists())
        # Inside the repository it becomes relative.
        results["command"][2] = f"{ROOT}/configs/studies/settings.toml"
        (study / "results.json").write_text(json.dumps(results))
        self.assertEqual(self.keep(study, "inside")[0], 0)
        self.assertEqual(json.loads((self.kept / "inside" / "results.json").read_text())["command"][2], "configs/studies/settings.toml")

    def test_the_name_of_a_machine_is_refused(self):
        study = self.root / "named"
        shutil.copytree(self.root / "settings", study)
        results = json.loads((study / "results.json").read_text())
        results["title"] = "Made on some-host in a night"
        (study / "results.json").write_text(json.dumps(results))
        code, _, err = self.keep(study, "named")
        self.assertNotEqual(code, 0)
        self.assertIn("some-host", err)

    def test_what_is_no_study(self):
        self.assertIn("no results.json", self.keep(self.root)[2])


if __name__ == "__main__":
    unittest.main()
