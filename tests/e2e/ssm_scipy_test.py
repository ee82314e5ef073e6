"""`mom ssm simulate` beside scipy.signal: discretised matrices, impulse, step and input responses, states, DC gain.

Oracle: PyPI scipy. Letters: N states, U inputs, Y outputs, L steps.
"""

import csv
import json
import pathlib
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import numpy as np
from scipy import signal

from program import BINARY, run_mom

# The promise is 1e-6 of the largest value of a matrix or column; two f64 implementations differ by far less.
MAX_DIFFERENCE = 1e-6
CONFIGS = pathlib.Path(__file__).parents[2] / "configs" / "ssm"


def random_stable(seed, N, U, Y):
    random = np.random.default_rng(seed)
    a = random.standard_normal((N, N))
    a -= (np.linalg.eigvals(a).real.max() + 0.3) * np.eye(N)
    return a, random.standard_normal((N, U)), random.standard_normal((Y, N)), random.standard_normal((Y, U))


def matrices(*values):
    return tuple(np.array(value, dtype=float) for value in values)


SYSTEMS = {
    "low_pass": matrices([[-2]], [[2]], [[1]], [[0]]),
    "oscillator": matrices([[0, 3], [-3, 0]], [[0], [1]], [[1, 0]], [[0]]),
    "singular": matrices([[0, 1, 0], [0, 0, 1], [0, 0, 0]], [[0], [0], [1]], [[1, 0, 0], [0, 1, 0]], [[0], [0.5]]),
    "stiff": matrices([[-1, 10], [0, -2000]], [[0], [1]], [[1, 1]], [[0]]),
    "unstable": matrices([[0.3, 1], [0, -1]], [[0, 1], [1, 0]], [[1, 1]], [[0, 0]]),
    "random": random_stable(1, 6, 3, 2),
    "random_large": random_stable(2, 40, 2, 4),
}


def toml_of(system, **keys):
    names = dict(zip("ABCD", (matrix.tolist() for matrix in system)))
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in {**names, **keys}.items())


def read_csv(path):
    with open(path, newline="") as file:
        head, *rows = csv.reader(file)
    return head, np.array(rows, dtype=float)


class SsmSimulate(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out"

    def simulate(self, text):
        (self.folder / "system.toml").write_text(text)
        return json.loads(run_mom("ssm", "simulate", self.folder / "system.toml", "--out", self.out, "--json"))

    def refusal(self, text):
        """Exit code and message of a run that must fail."""
        (self.folder / "system.toml").write_text(text)
        done = subprocess.run([BINARY, "ssm", "simulate", self.folder / "system.toml", "--out", self.out],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout, "")
        return done.returncode, done.stderr

    def assert_close(self, ours, oracle, what):
        ours, oracle = np.asarray(ours), np.asarray(oracle)
        self.assertEqual(ours.shape, oracle.shape, what)
        worst = np.abs(ours - oracle).max() / max(np.abs(oracle).max(), 1e-300)
        self.worst = max(getattr(self, "worst", 0), worst)
        self.assertLessEqual(worst, MAX_DIFFERENCE, what)

    def check(self, system, how, dt=0.05, steps=300, initial=True):
        a, b, c, d = system
        N, U, Y = a.shape[0], b.shape[1], c.shape[0]
        random = np.random.default_rng(5)
        x_LU, h_N = random.standard_normal((steps, U)), random.standard_normal(N) * initial
        figures = self.simulate(toml_of(system, dt=dt, steps=steps, discretisation=how, initial_state=h_N.tolist())
                                + f"[input]\nkind = \"values\"\nvalues = {json.dumps(x_LU.tolist())}\n")
        discrete = signal.cont2discrete(system, dt, method=how)
        for name, oracle in zip("abcd", discrete):
            self.assert_close(figures["discrete"][name], oracle, name)
        t_L = dt * np.arange(steps)
        _, y_LY, h_LN = signal.dlsim(discrete, x_LU, x0=h_N)
        head, response = read_csv(self.out / "response.csv")
        self.assertEqual(head, ["t"] + [f"{letter}_{i + 1}" for letter, count in (("x", U), ("h", N), ("y", Y))
                                        for i in range(count)])
        self.assert_close(response[:, 0], t_L, "t")
        self.assertTrue((response[:, 1:1 + U] == x_LU).all(), "x is printed to the last bit")
        self.assert_close(response[:, 1 + U:1 + U + N], h_LN, "h")
        self.assert_close(response[:, 1 + U + N:], y_LY, "y")
        if how == "zoh":  # exact in continuous time for an input that holds over each step
            _, y_LY, h_LN = signal.lsim(system, x_LU, t_L, X0=h_N, interp=False)
            self.assert_close(response[:, 1 + U:1 + U + N], h_LN.reshape(steps, N), "h of lsim")
            self.assert_close(response[:, 1 + U + N:], y_LY.reshape(steps, Y), "y of lsim")
        for name, oracle in (("impulse", signal.dimpulse), ("step", signal.dstep)):
            _, columns_U = oracle(discrete, n=steps)
            head, ours = read_csv(self.out / f"{name}.csv")
            self.assertEqual(head, ["t"] + [f"y_{y + 1}_x_{u + 1}" for y in range(Y) for u in range(U)])
            self.assert_close(ours[:, 1:].reshape(steps, Y, U), np.stack(columns_U, axis=2), name)
        self.assertEqual(figures["stable"], bool(np.linalg.eigvals(a).real.max() < -1e-9))
        self.assertAlmostEqual(figures["spectral_radius"], np.abs(np.linalg.eigvals(discrete[0])).max(), places=9)
        self.assertLessEqual(figures["fft_difference"], 1e-5)
        if np.linalg.matrix_rank(a) < N:
            self.assertIsNone(figures["dc_gain"])
        else:
            self.assert_close(figures["dc_gain"], d - c @ np.linalg.solve(a, b), "DC gain")
        self.assert_close(figures["final"]["y"], response[-1, 1 + U + N:], "final y")
        print(f"{self.id()}: largest difference {self.worst:.1e}, FFT {figures['fft_difference']:.1e}")

    def test_a_wrong_number_shows(self):
        """The comparison can fail: a system with one number changed is further away than allowed."""
        a, b, c, d = SYSTEMS["random"]
        figures = self.simulate(toml_of((a, b, c, d), dt=0.05, steps=10))
        changed = a.copy()
        changed[0, 1] += 1e-4
        with self.assertRaises(AssertionError):
            self.assert_close(figures["discrete"]["a"], signal.cont2discrete((changed, b, c, d), 0.05)[0], "a")

    def test_signals(self):
        t = 0.01 * np.arange(500)
        for text, expected in {
            'kind = "impulse"\namplitude = 2': 2.0 * (t == 0),
            'kind = "step"\namplitude = -1.5': np.full(500, -1.5),
            'kind = "sine"\nfrequency = 3': np.sin(2 * np.pi * 3 * t),
            'kind = "square"\nfrequency = 0.75\namplitude = 2': 2 * signal.square(2 * np.pi * 0.75 * t),
            'kind = "chirp"\nfrequency = 1\nend_frequency = 8': signal.chirp(t, 1, 5, 8, phi=-90),
            'kind = "values"\nvalues = [3, 4]': np.r_[3, 4, np.zeros(498)],
        }.items():
            self.simulate(toml_of(SYSTEMS["low_pass"], dt=0.01, steps=500) + "[input]\n" + text)
            self.assert_close(read_csv(self.out / "response.csv")[1][:, 1], expected, text)

    def test_noise_is_normal_and_follows_its_seed(self):
        def noise(seed):
            self.simulate(toml_of(SYSTEMS["unstable"], dt=0.001, steps=20000)
                          + f'[input]\nkind = "noise"\namplitude = 2\nseed = {seed}\n')
            return read_csv(self.out / "response.csv")[1][:, 1:3]
        one = noise(1)
        self.assertTrue((one == noise(1)).all())
        self.assertFalse((one == noise(2)).any())
        self.assertLess(np.abs(np.cov(one.T) - 4 * np.eye(2)).max(), 0.15)

    def test_csv_input_and_channel(self):
        system = SYSTEMS["unstable"]  # two inputs
        self.simulate(toml_of(system, dt=0.1, steps=20) + '[input]\nkind = "sine"\nchannel = 2\n')
        _, first = read_csv(self.out / "response.csv")
        self.assertTrue((first[:, 1] == 0).all() and (first[1:4, 2] != 0).all())
        self.simulate(toml_of(system, dt=0.1, steps=20)
                      + '[input]\nkind = "csv"\nfile = "out/response.csv"\ncolumns = ["x_2", "x_1"]\n')
        self.assertTrue((read_csv(self.out / "response.csv")[1][:, [2, 1]] == first[:, [1, 2]]).all())
        (self.folder / "plain.csv").write_text("1,2\r\n\r\n3,4e-1\r\n")
        self.simulate(toml_of(system, dt=0.1, steps=2) + '[input]\nkind = "csv"\nfile = "plain.csv"\n')
        self.assertEqual(read_csv(self.out / "response.csv")[1][:, 1:3].tolist(), [[1, 2], [3, 0.4]])

    def test_flat_lists(self):
        shapes = self.simulate("A = [[0, 1], [-1, -1]]\nB = [0, 1]\nC = [1, 0]\nD = 2\ndt = 0.1\nsteps = 5\n")["discrete"]
        self.assertEqual([np.shape(shapes[name]) for name in "abcd"], [(2, 2), (2, 1), (1, 2), (1, 1)])
        shapes = self.simulate("A = -1\nB = [1, 2, 3]\nC = [1, 2]\ndt = 0.1\nsteps = 5\n")["discrete"]
        self.assertEqual([np.shape(shapes[name]) for name in "abcd"], [(1, 1), (1, 3), (2, 1), (2, 3)])

    def test_examples_and_their_picture(self):
        for path in sorted(CONFIGS.glob("*.toml")):
            text = run_mom("ssm", "simulate", path, "--out", self.out)
            self.assertIn("stable    yes", text)
            root = xml.etree.ElementTree.parse(self.out / "responses.svg").getroot()
            tags = {child.tag.split("}")[1] for child in root}
            self.assertLessEqual({"title", "desc", "style"}, tags)
            self.assertIn(path.stem, root.findtext("{http://www.w3.org/2000/svg}title"))

    def test_refusals(self):
        good = "A = [[0, 1], [-4, -0.4]]\nB = [0, 1]\nC = [1, 0]\ndt = 0.1\nsteps = 50\n"
        for text, code, words in [
            (good.replace("steps", "stepps"), 2, 'system.toml:5: unknown key "stepps"; did you mean "steps"?'),
            (good + "[inputs]\n", 2, "system.toml:6: unknown table [inputs]; did you mean [input]?"),
            (good + '[input]\nkind = "sin"\n', 2, 'found "sin"; did you mean "sine"?'),
            (good.replace("dt = 0.1\n", ""), 2, "expected A, B, C, dt and steps, found no dt"),
            (good.replace("dt = 0.1", "dt = 0"), 2, "system.toml:4: dt: expected a number above 0, found 0"),
            (good.replace("steps = 50", "steps = 2_000_000"), 2, "system.toml:5: steps: expected 1 to 1000000"),
            (good.replace("[0, 1]]", "[0]]").replace("[-4, -0.4]", "[-4]"), 2, "row 2 of length 1 below rows of length 2"),
            (good.replace("-0.4", "inf"), 2, "system.toml:1: A: expected a finite number, found inf"),
            (good.replace("[[0, 1], [-4, -0.4]]", "[[0, 1]]"), 2, "A: expected 1 row of 1, a square matrix, found 1 row of 2"),
            (good.replace("B = [0, 1]", "B = [0, 1, 2]"), 2, "system.toml:2: B: expected 2 rows of 1, one row a state of A, found 3"),
            (good.replace("C = [1, 0]", "C = [1]"), 2, "system.toml:3: C: expected 1 row of 2"),
            (good.replace("B = [0, 1]", 'B = "x"'), 2, 'B: expected a matrix: rows of numbers, e.g. [[1, 2], [3, 4]], found "x"'),
            (good.replace("dt = 0.1", "dt = 0.1\nA = 2"), 2, "system.toml:5"),
            ("initial_state = [1]\n" + good, 2, "system.toml:1: initial_state: expected 1 row of 2"),
            (good + '[input]\nkind = "values"\n', 2, "expected values = [...], found none"),
            (good + '[input]\nkind = "csv"\nfile = "none.csv"\n', 3, "none.csv"),
            (good + "[input]\nchannel = 2\n", 2, "system.toml:7: channel: expected 0 (all) to 1"),
            ("A = 50\nB = 1\nC = 1\ndt = 1\nsteps = 50\n", 5, "system.toml:4: states: expected finite numbers, found an overflow at step 15"),
            ("A = 2\nB = 1\nC = 1\ndt = 1\nsteps = 5\ndiscretisation = \"bilinear\"\n", 2, "I - A dt/2 has an inverse"),
        ]:
            found_code, message = self.refusal(text)
            self.assertEqual((found_code, message.count("\n")), (code, 1), message)
            self.assertIn(words, message)
        self.assertFalse(self.out.exists(), "nothing is written when it fails")

    def test_bad_csv(self):
        text = ("A = -1\nB = 1\nC = 1\ndt = 0.1\nsteps = 3\n[input]\nkind = \"csv\"\nfile = \"x.csv\"\n")
        for content, words in {"a\n1\nx\n": 'x.csv:3: expected a finite number in column 1, found "x"',
                               "1,2\n": "x.csv:1: expected 1 columns, one an input, found 2",
                               "a\n1\n1,2\n": "x.csv:3: expected 1 columns, found 2",
                               "nothing\n": "x.csv: expected rows of numbers, found none"}.items():
            (self.folder / "x.csv").write_text(content)
            code, message = self.refusal(text)
            self.assertEqual(code, 3, message)
            self.assertIn(words, message)


def add_case(name, system, how):
    setattr(SsmSimulate, f"test_{name}_{how}", lambda self: self.check(system, how))


for case_name, case_system in SYSTEMS.items():
    for case_how in ("zoh", "bilinear"):
        add_case(case_name, case_system, case_how)

if __name__ == "__main__":
    unittest.main(verbosity=2)
