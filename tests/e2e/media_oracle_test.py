"""Images and sounds that other programs write are decoded as Pillow and numpy say.

MOM_DECODE_MEDIA names the test program decode_media.
"""

import io
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest
import zlib

import numpy as np
import soundfile
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

ORIENTATION = 0x0112


def decode(files):
    """The decoded pixels or samples of {name: bytes}, or the error as a string."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / name for name in files]
        for path, data in zip(paths, files.values()):
            path.write_bytes(data)
        subprocess.run([os.environ["MOM_DECODE_MEDIA"], *paths], check=True, timeout=120, stderr=subprocess.DEVNULL)
        found = {}
        for path in paths:
            head, data = pathlib.Path(f"{path}.decoded").read_bytes().split(b"\n", 1)
            head = json.loads(head)
            if "error" in head:
                found[path.name] = head["error"]
            elif "width" in head:
                found[path.name] = np.frombuffer(data, np.uint8).reshape(head["height"], head["width"], head["channels"])
            else:
                found[path.name] = (head["rate_hz"], np.frombuffer(data, np.float32).reshape(-1, head["channels"]))
        return found


def save(image, **options):
    target = io.BytesIO()
    image.save(target, **options)
    return target.getvalue()


def photo(width=45, height=32, mode="RGB"):
    """Smooth shapes, so that JPEG keeps them, in strong colours."""
    y, x = np.mgrid[0:height, 0:width] / (height - 1)
    pixels = np.stack([x / x.max(), y, np.abs(np.sin(3 * x + 2 * y))] + [1 - x / x.max()] * (mode in ("RGBA", "CMYK")), -1)
    pixels = (pixels * 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def shown(data, mode="RGB"):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert(mode))


class Images(unittest.TestCase):
    def check(self, files, tolerance=0, expected=shown):
        for name, found in decode(files).items():
            with self.subTest(name):
                self.assertIsInstance(found, np.ndarray, found)
                right = expected(files[name], "RGBA" if found.shape[2] == 4 else "RGB")
                self.assertEqual(found.shape, right.shape)
                self.assertLessEqual(np.abs(found.astype(int) - right).max(), tolerance)

    def test_orientation_in_every_format(self):
        files = {}
        for orientation in range(1, 9):
            for endian in "<>":
                exif = Image.Exif()
                exif.endian = endian
                exif[ORIENTATION] = orientation
                exif[0x010F] = "a maker with a name of more than four bytes"
                exif[0x8769] = {0x9003: "2026:11:28 12:00:00"}
                name = f"{orientation}{'il'[endian == '<']}"
                files[f"{name}.png"] = save(photo(), format="PNG", exif=exif)
                files[f"{name}.webp"] = save(photo(), format="WEBP", lossless=True, exif=exif)
                files[f"{name}.alpha.webp"] = save(photo(mode="RGBA"), format="WEBP", lossless=True, exact=True, exif=exif)
            xmp = f'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/"><tiff:Orientation>{orientation}</tiff:Orientation></x>'
            info = PngImagePlugin.PngInfo()
            info.add_itxt("XML:com.adobe.xmp", xmp, zip=orientation % 2 == 1)
            files[f"{orientation}.xmp.png"] = save(photo(), format="PNG", pnginfo=info)
            raw = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
            info = PngImagePlugin.PngInfo()
            info.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n{raw.hex()}\n", zip=True)
            files[f"{orientation}.raw.png"] = save(photo(), format="PNG", pnginfo=info)
            files[f"{orientation}.xmp.webp"] = save(photo(), format="WEBP", lossless=True, xmp=xmp.encode())
        self.check(files)

    def test_jpeg(self):
        # Pillow brings a libjpeg of its own: chroma is smoothed and rounded a little differently.
        files = {}
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[ORIENTATION] = orientation
            files[f"{orientation}.jpg"] = save(photo(), format="JPEG", quality=95, subsampling=0, exif=exif)
        files["progressive.jpg"] = save(photo(), format="JPEG", quality=95, subsampling=0, progressive=True)
        files["grey.jpg"] = save(photo(mode="L"), format="JPEG", quality=95)
        files["cmyk.jpg"] = save(photo(mode="CMYK"), format="JPEG", quality=95)
        self.check(files, tolerance=3)

    def test_png_modes(self):
        palette = photo().quantize(17)
        transparent = photo().quantize(17)
        transparent.info["transparency"] = bytes(range(0, 255, 15))
        files = {
            "rgb.png": save(photo(), format="PNG"),
            "rgba.png": save(photo(mode="RGBA"), format="PNG"),
            "grey.png": save(photo(mode="L"), format="PNG"),
            "grey_alpha.png": save(photo(mode="RGBA").convert("LA"), format="PNG"),
            "one_bit.png": save(photo(mode="L").convert("1"), format="PNG"),
            "palette.png": save(palette, format="PNG"),
            "palette_16.png": save(photo().quantize(13), format="PNG", bits=4),
            "palette_alpha.png": save(transparent, format="PNG", transparency=transparent.info["transparency"]),
            "key.png": save(photo(), format="PNG", transparency=photo().getpixel((3, 3))),
            "grey_key.png": save(photo(mode="L"), format="PNG", transparency=photo(mode="L").getpixel((3, 3))),
        }
        self.check(files)

    def test_sixteen_bits_are_rounded(self):
        values = (np.arange(64 * 64, dtype=np.uint32) * 16 + 5).astype(np.uint16).reshape(64, 64)
        found = decode({"deep.png": save(Image.fromarray(values), format="PNG")})["deep.png"]
        right = np.floor(values / 257 + 0.5).astype(int)
        np.testing.assert_array_equal(found, np.repeat(right[..., None], 3, -1))

    def test_gif_and_animations(self):
        first, second = photo(), ImageOps.invert(photo())
        animation = dict(save_all=True, append_images=[second], duration=100)
        transparent = photo(mode="RGBA")
        transparent.putalpha(transparent.getchannel("R").point(lambda value: 255 * (value > 99)))
        files = {
            "rgb.gif": save(first, format="GIF"),
            "grey.gif": save(photo(mode="L"), format="GIF"),
            "plain.gif": save(first, format="GIF", interlace=0),
            "transparent.gif": save(transparent, format="GIF"),
            "moving.gif": save(first, format="GIF", **animation),
            "moving.png": save(first, format="PNG", **animation),
            "default.png": save(first, format="PNG", default_image=True, **animation),
            "moving.webp": save(first, format="WEBP", lossless=True, **animation),
        }
        self.check(files)

    def test_profiles(self):
        def converted(data, mode):
            image = Image.open(io.BytesIO(data))
            profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
            alpha = image.getchannel("A") if mode == "RGBA" else None
            kept = image if image.mode in ("L", "CMYK") else image.convert("RGB")
            result = ImageCms.profileToProfile(kept, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if alpha:
                result.putalpha(alpha)
            return np.asarray(result)

        files = {}
        for name, profile in {"p3": rgb_profile(P3, 2.2), "linear": rgb_profile(SRGB, 1.0)}.items():
            files[f"{name}.png"] = save(photo(), format="PNG", icc_profile=profile)
            files[f"{name}.alpha.png"] = save(photo(mode="RGBA"), format="PNG", icc_profile=profile)
            files[f"{name}.webp"] = save(photo(), format="WEBP", lossless=True, icc_profile=profile)
        files["grey.png"] = save(photo(mode="L"), format="PNG", icc_profile=grey_profile(1.3))
        self.check(files, tolerance=1, expected=converted)
        # The steepest part of a curve makes JPEG's differences larger.
        files = {"p3.jpg": save(photo(), format="JPEG", quality=95, subsampling=0, icc_profile=rgb_profile(P3, 2.2)),
                 "cmyk.jpg": save(photo(mode="CMYK"), format="JPEG", quality=95, icc_profile=cmyk_profile())}
        self.check(files, tolerance=4, expected=converted)

    def test_quirks_of_writers(self):
        """What programs leave around and between the pixels, as public reports show it."""
        png, jpeg = save(photo(), format="PNG"), save(photo(), format="JPEG", quality=95, subsampling=0)
        webp, gif = save(photo(), format="WEBP", lossless=True), save(photo(), format="GIF")
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        at, end, scan = png.index(b"IDAT") - 4, png.rindex(b"IEND") - 4, jpeg.index(b"\xff\xda")
        before = lambda *parts: png[:at] + b"".join(parts) + png[at:]
        files = {
            "behind.png": png + b"x" * 100,
            "empty_idat.png": png[:end] + chunk(b"IDAT", b"") + png[end:],
            "exif_at_end.png": png[:end] + chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + png[end:],
            "text.png": before(chunk(b"iTXt", b"a\0\0\0\0\0" + b"x" * 9_000_000)),
            "unknown.png": before(chunk(b"abCd", b"x")),
            "no_profile.png": before(chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"junk" * 10))),
            "no_gamma.png": before(chunk(b"gAMA", b"\0" * 4)),
            "behind.webp": webp + b"x" * 9,
            "behind.gif": gif + b"\0\0x",
            "no_trailer.gif": gif[:-1],
        }
        self.check(files)
        files = {
            "behind.jpg": jpeg + b"garbage" * 50,
            "several.jpg": jpeg + jpeg,  # as cameras write a preview behind it
            "fill.jpg": jpeg[:2] + b"\xff\xff\xff" + jpeg[2:],
            "stray.jpg": jpeg[:2] + jpeg[2:scan] + b"\0\1" + jpeg[scan:-2] + b"\0\0\0\0" + jpeg[-2:],
            "comment.jpg": jpeg[:2] + b"\xff\xfe" + struct.pack(">H", 60000) + b"c" * 59998 + jpeg[2:],
        }
        self.check(files, tolerance=3)

    def test_transparency_of_few_and_many_bits(self):
        """The transparent colour is compared before samples are scaled; Pillow compares it afterwards."""
        files, right = {}, {}
        for bits in (1, 2, 4, 16):
            values = np.arange(64).reshape(8, 8) * (1021 if bits == 16 else 1) % 2**bits
            packed = values.astype(">u2").view(np.uint8) if bits == 16 else np.packbits(
                (values[..., None] >> np.arange(bits)[::-1] & 1).reshape(8, -1).astype(np.uint8), axis=1)
            rows = b"".join(b"\0" + row.tobytes() for row in packed)
            name, key = f"{bits}.png", int(values[0, 1])
            files[name] = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, bits, 0, 0, 0, 0)) +
                           chunk(b"tRNS", struct.pack(">H", key)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
            right[name] = np.where(values == key, 0, 255)
        for name, found in decode(files).items():
            with self.subTest(name):
                self.assertIsInstance(found, np.ndarray, found)
                np.testing.assert_array_equal(found[..., 3], right[name])

    def test_unreadable_images_are_named(self):
        files = {
            "a.tif": (save(photo(), format="TIFF"), "a TIFF or a camera's raw image"),
            "a.bmp": (save(photo(), format="BMP"), "a BMP image"),
            "a.avif": (save(photo(), format="AVIF"), "an AVIF image"),
            "a.jp2": (save(photo(), format="JPEG2000"), "a JPEG 2000 image"),
            "a.ico": (save(photo(), format="ICO"), "an icon (ICO)"),
            "a.ppm": (save(photo(), format="PPM"), "a PPM image"),
        }
        for name, message in decode({name: data for name, (data, _) in files.items()}).items():
            self.assertEqual(message, f"{name}: expected a PNG, JPEG, WebP or GIF image, found {files[name][1]}; "
                                      "convert it to PNG or JPEG, or remove it")


def wav(tag, bits, samples, rate=16000, valid=None, container=None):
    """A WAV from integers (PCM) or floats, one column per channel; `valid` makes it WAVE_FORMAT_EXTENSIBLE."""
    channels = samples.shape[1]
    size = container or (bits + 7) // 8
    if tag == 3:
        data = samples.astype({32: "<f4", 64: "<f8"}[bits]).tobytes()
    elif bits <= 8:
        data = (samples + 128).astype(np.uint8).tobytes()
    else:
        data = b"".join(int(value).to_bytes(size, "little", signed=True) for value in samples.reshape(-1))
    fmt = struct.pack("<HHIIHH", 0xFFFE if valid else tag, channels, rate, rate * channels * size, channels * size, bits)
    if valid:
        fmt += struct.pack("<HHIH", 22, valid, 0, tag) + bytes.fromhex("000000001000800000aa00389b71")
    data += b"\0" * (len(data) % 2)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data) - len(data) % 2) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tone(channels=1, frames=501):
    angle = np.arange(frames)[:, None] * (0.11 + 0.013 * np.arange(channels))
    return 0.7 * np.sin(angle)


class Sounds(unittest.TestCase):
    def test_wav_of_every_depth(self):
        files, right = {}, {}
        for channels in (1, 2, 3, 6, 8):
            for bits, valid in ((8, None), (16, None), (24, None), (32, None), (16, 16), (24, 24), (24, 20), (32, 24), (32, 32)):
                depth = valid or bits
                values = np.round(tone(channels, 500) * 2 ** (depth - 1)).astype(np.int64) << (bits - depth)
                name = f"pcm{bits}_{valid}_{channels}.wav"
                files[name], right[name] = wav(1, bits, values, valid=valid), values / 2 ** (bits - 1)
            for bits, valid in ((32, None), (64, None), (32, 32)):
                name = f"float{bits}_{valid}_{channels}.wav"
                files[name], right[name] = wav(3, bits, tone(channels), valid=valid), tone(channels)
        for name, found in decode(files).items():
            with self.subTest(name):
                self.assertIsInstance(found, tuple, found)
                self.assertEqual(found[0], 16000)
                np.testing.assert_array_equal(found[1], right[name].astype(np.float32))

    def test_rates(self):
        rates = (1000, 8000, 11025, 22050, 44100, 44056, 192000, 384000)
        files = {f"{rate}.wav": wav(1, 16, np.round(tone() * 32768).astype(int), rate) for rate in rates}
        self.assertEqual({name: found[0] for name, found in decode(files).items()}, {f"{rate}.wav": rate for rate in rates})

    def test_compressed(self):
        # The same library with other settings: levels and length, by the names that files have.
        def coded(rate, **options):
            target = io.BytesIO()
            soundfile.write(target, tone(2, rate), rate, **options)
            return target.getvalue()

        opus, vorbis = coded(48000, format="OGG", subtype="OPUS"), coded(16000, format="OGG", subtype="VORBIS")
        files = {"a.opus": opus, "a.ogg": opus, "b.oga": vorbis, "b.ogg": vorbis,
                 "c.flac": coded(16000, format="FLAC", subtype="PCM_24"), "d.mp3": coded(16000, format="MP3"),
                 "e.wav": coded(16000, format="RF64", subtype="PCM_16"), "f.wave": coded(16000, format="WAV", subtype="ULAW")}
        unknown = bytearray(files["c.flac"])  # as streaming encoders leave it: the length is 0, and so is the checksum
        unknown[8 + 13] &= 0xF0
        unknown[8 + 14:8 + 34] = bytes(20)
        files["unknown.flac"] = bytes(unknown)
        files["tagged.flac"] = files["c.flac"] + b"TAG" + bytes(125)
        files["tagged.mp3"] = b"ID3\3\0\0\0\x08\0\0" + bytes(8 << 14) + files["d.mp3"] + b"APETAGEX" + bytes(24)
        for name, (rate, found) in decode(files).items():
            with self.subTest(name):
                self.assertEqual(rate, 48000 if "OpusHead".encode() in files[name] else 16000)
                self.assertEqual(found.shape, (rate, 2))
                end = rate - 1000  # the encoder of Opus drops the sound before its end
                self.assertLess(np.abs(found - tone(2, rate))[:end].max(), 0.1)


# Small ICC profiles, version 2, written by hand: what cameras, monitors and presses would bring.
SRGB = [(0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]
P3 = [(0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)]
D50 = (0.9642, 1.0, 0.8249)


def fixed(value):
    return struct.pack(">i", round(value * 65536))


def profile(device_class, space, pcs, tags):
    body, table, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, device_class, space, pcs)
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + b"".join(map(fixed, D50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def xyz(value):
    return b"XYZ \0\0\0\0" + b"".join(map(fixed, value))


def curve(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def rgb_profile(primaries, gamma):
    tags = {b"wtpt": xyz(D50), b"rXYZ": xyz(primaries[0]), b"gXYZ": xyz(primaries[1]), b"bXYZ": xyz(primaries[2]),
            b"rTRC": curve(gamma), b"gTRC": curve(gamma), b"bTRC": curve(gamma), b"desc": DESCRIPTION, b"cprt": TEXT}
    return profile(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_profile(gamma):
    return profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": xyz(D50), b"kTRC": curve(gamma), b"desc": DESCRIPTION, b"cprt": TEXT})


def cmyk_profile():
    """Ink by ink darker and redder: a table of 2 x 2 x 2 x 2 Lab colours."""
    table = bytes(value for i in range(16) for value in (255 - 60 * (i & 1) - 50 * (i >> 1 & 1) - 40 * (i >> 2 & 1) - 90 * (i >> 3),
                                                         128 + 20 * (i >> 1 & 1), 128 + 15 * (i & 1)))
    identity = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + b"".join(fixed(float(i % 4 == 0)) for i in range(9))
    return profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut + identity * 4 + table + identity * 3, b"wtpt": xyz(D50),
                                               b"desc": DESCRIPTION, b"cprt": TEXT})


TEXT = b"text\0\0\0\0none\0"
DESCRIPTION = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"p\0" + b"\0" * 78


if __name__ == "__main__":
    unittest.main(verbosity=2)
