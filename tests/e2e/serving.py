"""A running `mom serve` for tests, and the images they send. MOM_BINARY: the program."""

import atexit
import base64
import functools
import json
import pathlib
import re
import selectors
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
import zlib

from program import BINARY, run_mom


def train_tiny(root):
    """Tiny runs root/transfusion and root/three_modality; returns the bytes of a recording."""
    from tiny import make_data, write_recipe  # not above: it sets the number of threads, which benches leave to the program
    make_data(root)
    spoken = root / "tiny" / "spoken"
    for setting, data in (("transfusion", root / "tiny" / "encoded"), ("three_modality", spoken / "encoded")):
        train = {} if setting == "transfusion" else {"steps": 2, "warmup_steps": 0}
        run_mom("train", write_recipe(root / f"{setting}.toml", data, setting, train=train), "--run", root / setting)
    return next(spoken.glob("codec-speech/report/*-original.wav")).read_bytes()


def png(width=20, height=10):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    rows = b"".join(b"\0" + bytes([x * 9 % 256 for x in range(width)]) for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def pixel_rows(content):
    """Of an 8-bit RGB PNG without interlacing."""
    width, height = png_size(content)
    data, at = b"", 8
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at:at + 8])
        data += content[at + 8:at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    data, rows, stride = zlib.decompress(data), [], 3 * width
    above = bytes(stride)
    for y in range(height):
        way, line = data[y * (stride + 1)], bytearray(data[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left, up, corner = (line[x - 3] if x >= 3 else 0), above[x], (above[x - 3] if x >= 3 else 0)
            nearest = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
            line[x] = (line[x] + (0, left, up, (left + up) // 2, nearest)[way]) & 255
        rows.append(bytes(line))
        above = rows[-1]
    return rows


def png_size(content):
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", content[16:24])


def uri(content):
    return "data:image/png;base64," + base64.b64encode(content).decode()


def raw_post(path, body):
    """The bytes of a request, for clients that send them in ways of their own."""
    content = json.dumps(body).encode()
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(content), content)


def read_streams(connections, requests):
    """Completion tokens of all answers together, seconds, and cores that this client used meanwhile, where each connection sends its request
    (raw_post) for a streamed answer with usage. An answer is read when all of it has come: clients are elsewhere as a rule, and one that
    wakes for every piece takes the server's cores from it."""
    wait, total = selectors.DefaultSelector(), 0
    begun, used = time.monotonic(), time.process_time()
    for connection, request in zip(connections, requests):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 << 20)  # more than an answer has: its end wakes us
        connection.sendall(request)
        wait.register(connection, selectors.EVENT_READ, bytearray())
    while wait.get_map():
        for key, _ in wait.select():
            piece = key.fileobj.recv(1 << 20)
            key.data.extend(piece)
            if not piece:
                wait.unregister(key.fileobj)
                total += int(re.findall(rb'"completion_tokens":\s*(\d+)', key.data)[-1])
                key.fileobj.close()
    seconds = time.monotonic() - begun
    return total, seconds, (time.process_time() - used) / seconds


class Server:
    """A running `mom serve`, ready."""

    def __init__(self, run, *arguments):
        self.process = subprocess.Popen([BINARY, "serve", str(run), "--port", "0", *map(str, arguments)], stderr=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)  # where a test fails before it stops the server
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(line)
            if "listening at" in line:
                self.url = line.split("listening at ")[1].split(",")[0]
            if "ready:" in line:
                break
        else:
            raise AssertionError("".join(self.lines))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        if self.url.startswith("http"):
            self.port = int(self.url.rsplit(":", 1)[1])

    @functools.cached_property
    def client(self):
        import openai  # in the environment of serve_requirements.txt alone
        return openai.OpenAI(base_url=self.url + "/v1", api_key="none", max_retries=0, timeout=60)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def raw(self, request):
        """What comes back for these bytes until the server closes or is silent for a second."""
        with self.connect() as connection:
            answer = b""
            try:
                connection.sendall(request)
            except OSError:
                pass  # it may have refused before all was sent
            connection.settimeout(5)
            try:
                while part := connection.recv(65536):
                    answer += part
            except (TimeoutError, ConnectionError):
                pass
            return answer

    def post(self, path, body, content_type="application/json", **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, {"Content-Type": content_type, **headers})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def get(self, path, **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers), timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name):
        return next(float(line.split()[-1]) for line in self.get("/metrics")[1].splitlines() if line.startswith(name + "{"))

    def wait_for(self, name, value, seconds=20):
        end = time.monotonic() + seconds
        while self.metric(name) != value:
            if time.monotonic() > end:
                raise AssertionError(f"{name} is {self.metric(name)}, not {value}")
            time.sleep(0.01)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process.stderr.close()
        return code


class TinyServers(unittest.TestCase):
    """Tests against a model whose images are latents and one of codes and speech, whose runs are in `root`."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        cls.sound = train_tiny(cls.root)
        cls.latents = Server(cls.root / "transfusion")
        cls.codes = Server(cls.root / "three_modality", "--max-tokens", "100000")

    @classmethod
    def tearDownClass(cls):
        assert cls.latents.stop() == 0
        assert cls.codes.stop() == 0
        cls.temporary.cleanup()
