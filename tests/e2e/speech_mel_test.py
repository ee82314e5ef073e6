"""Log-mel of `mom codec roundtrip --mel` beside an independent numpy version of librosa's definition, over the whole road:
sound files in several forms -> import -> codec training (a few steps) -> round trip.
"""

import json
import pathlib
import tempfile
import unittest
import wave

import numpy as np
from safetensors.numpy import load_file

from program import run_mom

RATE, WINDOW, HOP, BANDS, FLOOR = 16000, 640, 160, 80, 1e-3


def slaney_mel(hz):
    """librosa.hz_to_mel(htk=False): 3 mel per 200 Hz up to 1 kHz, then 27 mel per factor 6.4."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))


def slaney_hz(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def filters():
    """librosa.filters.mel(sr=16000, n_fft=640, n_mels=80, norm="slaney"): [bins, bands]."""
    centre = slaney_hz(np.linspace(0, slaney_mel(RATE / 2), BANDS + 2))
    hz = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    left, middle, right = centre[:-2], centre[1:-1], centre[2:]
    rising = (hz[:, None] - left) / (middle - left)
    falling = (right - hz[:, None]) / (right - middle)
    return np.clip(np.minimum(rising, falling), 0, None) * 2 / (right - left)


def log_mel(samples, frames):
    """ln of |STFT| (center=True, pad_mode="constant", periodic Hann) times the filters, in float64: [frames, bands]."""
    padded = np.zeros(HOP * frames + WINDOW)
    padded[WINDOW // 2:WINDOW // 2 + len(samples)] = samples[:len(padded) - WINDOW // 2]
    n = np.arange(WINDOW)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / WINDOW)
    # The definition, not an FFT: a matrix of complex exponentials.
    basis = np.exp(-2j * np.pi * np.outer(n, np.arange(WINDOW // 2 + 1)) / WINDOW)
    spectra = np.stack([padded[HOP * i:HOP * i + WINDOW] * hann for i in range(frames)]) @ basis
    return np.log(np.maximum(np.abs(spectra) @ filters(), FLOOR))


def voice(seconds, seed):
    random = np.random.default_rng(seed)
    t = np.arange(int(RATE * seconds)) / RATE
    pitch = 120 + 60 * np.sin(2 * np.pi * random.uniform(0.5, 2) * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 30)) * (1 + np.sin(2 * np.pi * 4 * t)) / 2
    return 0.2 * sound + 0.005 * random.standard_normal(len(t))


def write_wav(path, samples):
    """Returns the samples as the file holds them."""
    rounded = np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(rounded.tobytes())
    return rounded / 32768


class SpeechMel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        source = cls.folder / "voices"
        source.mkdir()
        for i in range(6):
            (source / f"v{i}.txt").write_text(f"voice {i}\n")
            write_wav(source / f"v{i}.wav", voice(1.0, i))
        (cls.folder / "codec.toml").write_text(
            'kind = "speech"\n[speech]\nwidth = 16\ncodebook_size = 16\nsteps = 5\nbatch_sounds = 2\n')
        run_mom("data", "import", source, "--out", cls.folder / "documents")
        run_mom("codec", "train", cls.folder / "codec.toml", "--data", cls.folder / "documents", "--out", cls.codec())

    @classmethod
    def codec(cls):
        return cls.folder / "codec"

    def roundtrip(self, samples, name):
        held = write_wav(self.folder / f"{name}.wav", samples)
        figures = json.loads(run_mom("codec", "roundtrip", self.codec(), self.folder / f"{name}.wav", "--out",
                                     self.folder / f"{name}-back.wav", "--mel", self.folder / f"{name}.safetensors", "--json"))
        return held, figures, load_file(self.folder / f"{name}.safetensors")

    def test_mel_is_librosas(self):
        for name, samples in [("voice", voice(1.3, 99)), ("short", voice(0.01, 98)), ("loud", 3 * voice(0.5, 97)),
                              ("noise", 0.1 * np.random.default_rng(96).standard_normal(5000))]:
            held, figures, mel = self.roundtrip(samples, name)
            frames = 4 * -(-len(held) // 640)
            gain = min(30, 0.1 / np.sqrt(np.mean(held**2)))
            expected = log_mel(held * gain, frames)
            self.assertEqual(mel["original"].shape, (frames, BANDS))
            self.assertEqual(figures["codes"], frames // 4)
            worst = np.abs(mel["original"] - expected).max()
            self.assertLess(worst, 2e-3, name)
            l1 = np.abs(mel["original"] - mel["decoded"]).mean()
            self.assertAlmostEqual(figures["mel_l1"], l1, places=4)

    def test_sound_of_the_length_of_its_codes_comes_back(self):
        held, figures, _ = self.roundtrip(voice(0.7, 95), "length")
        with wave.open(str(self.folder / "length-back.wav")) as file:
            self.assertEqual((file.getframerate(), file.getnchannels()), (RATE, 1))
            self.assertEqual(file.getnframes(), 640 * figures["codes"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
