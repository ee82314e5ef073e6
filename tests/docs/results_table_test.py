"""The results in README.md are those of docs/results: scripts/results-table printed them, and a wrong number is found."""

import json
import unittest

from support import ROOT, MadeStudies, script

BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"


class ReadmeTable(unittest.TestCase):
    def test_readme_agrees_with_docs_results(self):
        code, _, err = script("results-table", "--check", ROOT / "README.md")
        self.assertEqual(code, 0, err)


class ResultsTable(MadeStudies):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.readme = cls.root / "README.md"

    def run_script(self, *arguments):
        return script("results-table", "--results", self.root, *arguments)

    def written(self, begin=BEGIN):
        self.readme.write_text(f"before\n{begin}{END}after\n")
        self.assertEqual(self.run_script("--write", self.readme)[0], 0)
        return self.readme.read_text()

    def test_rows_have_the_numbers_of_results_json(self):
        text = self.written()
        self.assertTrue(text.startswith("before\n" + BEGIN) and text.endswith(END + "after\n"))
        row = json.loads((self.root / "settings" / "results.json").read_text())["groups"]["chameleon"]["arms"]["mixture_of_mamba"]["sets"]["noto"]["image"]
        wanted = (f"| [settings](docs/results/settings) | chameleon | Mixture-of-Mamba | image | 1 | {row['dense_loss']['mean']:.4f} | "
                  f"{row['mix_loss']['mean']:.4f} | {row['gain']['mean'] * 100:.1f}% | not reached |\n")
        self.assertIn(wanted, text)
        self.assertIn("[4.9%, 5.4%] |", text)  # of three seeds
        self.assertEqual(self.run_script("--check", self.readme)[0], 0)

    def test_a_wrong_number_is_found(self):
        text = self.written()
        for right, wrong in (("0.1734", "0.1735"), ("-2.9%", "2.9%"), ("| 3 |", "| 4 |"), (" [4.9%, 5.4%]", "")):
            self.assertIn(right, text)
            self.readme.write_text(text.replace(right, wrong, 1))
            code, _, err = self.run_script("--check", self.readme)
            self.assertEqual(code, 1, right)
            self.assertIn("should be:", err)

    def test_a_missing_row_and_a_missing_end_are_found(self):
        text = self.written()
        lines = text.splitlines(keepends=True)
        self.readme.write_text("".join(line for line in lines if "chameleon" not in line))
        self.assertEqual(self.run_script("--check", self.readme)[0], 1)
        self.readme.write_text(text.replace(END, ""))
        self.assertEqual(self.run_script("--check", self.readme)[0], 1)

    def test_markers_may_name_studies(self):
        text = self.written("<!-- results: begin settings -->\n")
        self.assertIn("[settings]", text)
        self.assertNotIn("[subsets]", text)

    def test_without_markers_there_is_nothing_to_check(self):
        self.readme.write_text("no table\n")
        self.assertEqual(self.run_script("--check", self.readme)[0], 0)


if __name__ == "__main__":
    unittest.main()
