"""`mom serve` as programs use it: the official OpenAI client and raw sockets, against tiny models in all three settings.

Runs in the environment of serve_requirements.txt. MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny
encoded data sets.
"""

import base64
import concurrent.futures
import json
import os
import pathlib
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.request

import openai

from program import run_mom, try_mom
from serving import BINARY, Server, TinyServers, pixel_rows, png, png_size, raw_post, uri

SIDE = 16  # pixels of the tiny codecs' images


class Serve(TinyServers):
    def generated(self, setting, *arguments):
        return json.loads(run_mom("generate", self.root / setting, "--json", *arguments))

    # What the clients do

    def test_chat_is_generate(self):
        expected = self.generated("three_modality", "--prompt", "red disc", "--max-tokens", 30, "--seed", 5, "--count", 3)["answers"]
        options = dict(model="three_modality", messages=[{"role": "user", "content": "red disc"}], max_completion_tokens=30, seed=5, n=3, logprobs=True)
        answer = self.codes.client.chat.completions.create(**options)
        for choice, one in zip(answer.choices, expected, strict=True):
            self.assertEqual(choice.message.content or "", one["text"])
            self.assertEqual([token.logprob for token in choice.logprobs.content], one["log_probabilities"])
            self.assertEqual(choice.finish_reason, {"end": "stop", "length": "length"}[one["stop"]])
        self.assertEqual(answer.usage.completion_tokens, sum(len(one["tokens"]) for one in expected))
        texts, finish, usage = {0: "", 1: "", 2: ""}, {}, None
        for chunk in self.codes.client.chat.completions.create(**options, stream=True, stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
                finish[choice.index] = choice.finish_reason or finish.get(choice.index)
        self.assertEqual(list(texts.values()), [one["text"] for one in expected])
        self.assertEqual([finish[i] for i in range(3)], [choice.finish_reason for choice in answer.choices])
        self.assertEqual(usage, answer.usage)

    def test_chat_with_image_and_sound_in_and_out(self):
        parts = [{"type": "image_url", "image_url": {"url": uri(png())}}, {"type": "input_audio", "input_audio": {"data": base64.b64encode(self.sound).decode(), "format": "wav"}},
                 {"type": "text", "text": "Entry"}]
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "in.png").write_bytes(png())
            (pathlib.Path(folder) / "in.wav").write_bytes(self.sound)
            expected = self.generated("three_modality", "--image", f"{folder}/in.png", "--speech", f"{folder}/in.wav", "--prompt", "Entry", "--max-tokens", 20, "--seed", 3)
        chat = self.codes.client.chat.completions
        answer = chat.create(model="three_modality", messages=[{"role": "user", "content": parts}], max_tokens=20, seed=3, logprobs=True)
        self.assertEqual(answer.choices[0].message.content or "", expected["text"])
        self.assertEqual([token.logprob for token in answer.choices[0].logprobs.content], expected["log_probabilities"])
        kinds = set()
        for seed in range(8):
            document = chat.create(model="three_modality", messages=[{"role": "user", "content": "red disc"}], max_tokens=400, seed=seed,
                                   modalities=["text", "audio"], extra_body={"modalities": ["text", "image", "audio"]})
            message = document.choices[0].message
            for part in message.parts:
                kinds.add(part["type"])
                if part["type"] == "image_url":
                    self.assertEqual(png_size(base64.b64decode(part["image_url"]["url"].split(",")[1])), (SIDE, SIDE))
            self.assertEqual("".join(part["text"] for part in message.parts if part["type"] == "text"), message.content or "")
            # The next turn takes it as it came.
            chat.create(model="three_modality", messages=[{"role": "user", "content": "red disc"}, message.model_dump(), {"role": "user", "content": "more"}], max_tokens=3)
        self.assertEqual(kinds, {"text", "image_url", "input_audio"})
        spoken = chat.create(model="three_modality", messages=[{"role": "user", "content": "red disc"}], max_tokens=20, seed=1, modalities=["audio"])
        self.assertEqual(base64.b64decode(spoken.choices[0].message.audio.data)[:4], b"RIFF")

    def test_images(self):
        for server, setting, extra in ((self.latents, "transfusion", {"num_inference_steps": 6}), (self.codes, "three_modality", {})):
            with tempfile.TemporaryDirectory() as folder:
                steps = ("--steps", 6) if extra else ()
                self.generated(setting, "--prompt", "red disc", "--modality", "image", "--guidance", 2, "--seed", 9, "--count", 2, "--out", f"{folder}/x", *steps)
                expected = [pathlib.Path(folder, "x", str(i), "image-1.png").read_bytes() for i in (1, 2)]
            images = server.client.images.generate(model=setting, prompt="red disc", n=2, size="1024x1024", extra_body={"seed": 9, "guidance_scale": 2, **extra})
            self.assertEqual([base64.b64decode(image.b64_json) for image in images.data], expected)
            self.assertEqual(images.size, f"{SIDE}x{SIDE}")
        events = list(self.latents.client.images.generate(model="transfusion", prompt="red disc", stream=True, partial_images=2,
                                                          extra_body={"seed": 9, "guidance_scale": 2, "num_inference_steps": 6}))
        self.assertEqual([event.type for event in events], ["image_generation.partial_image"] * 2 + ["image_generation.completed"])
        # Of codes: what there is of them, and white below.
        ask = dict(model="three_modality", prompt="red disc", extra_body={"seed": 9, "guidance_scale": 2})
        drafts = list(self.codes.client.images.generate(**ask, stream=True, partial_images=3))
        whole = pixel_rows(base64.b64decode(drafts[-1].b64_json))
        self.assertEqual([event.type for event in drafts], ["image_generation.partial_image"] * 3 + ["image_generation.completed"])
        for share, draft in zip((1, 2, 3), drafts):
            rows = pixel_rows(base64.b64decode(draft.b64_json))
            drawn = SIDE * share // 4
            self.assertEqual(len(rows), SIDE)
            self.assertTrue(all(set(row) == {255} for row in rows[drawn:]), share)
            self.assertFalse(any(set(row) == {255} for row in rows[:drawn - 1]), share)
        self.assertFalse(any(set(row) == {255} for row in whole))
        for server, setting, extra in ((self.latents, "transfusion", {"num_inference_steps": 6}), (self.codes, "three_modality", {})):
            chunks = list(server.client.chat.completions.create(model=setting, messages=[{"role": "user", "content": "red disc"}], stream=True,
                                                                extra_body={"modalities": ["image"], "partial_images": 2, "seed": 9, **extra}))
            deltas = [choice.delta.model_extra for chunk in chunks for choice in chunk.choices]
            partial = [delta["partial_image"]["image_url"]["url"] for delta in deltas if "partial_image" in delta]
            self.assertEqual([png_size(base64.b64decode(url.split(",")[1])) for url in partial], [(SIDE, SIDE)] * 2)
            self.assertEqual(["images" in delta for delta in deltas if "images" in delta or "partial_image" in delta], [False, False, True])
        latents_alone = self.latents.client.images.generate(model="transfusion", prompt="red disc", extra_body={"seed": 9, "guidance_scale": 2, "num_inference_steps": 6})
        self.assertEqual(events[-1].b64_json, latents_alone.data[0].b64_json)

    def test_speech_and_transcription(self):
        with tempfile.TemporaryDirectory() as folder:
            wav = pathlib.Path(folder) / "x.wav"
            self.generated("three_modality", "--prompt", "red disc", "--modality", "speech", "--max-tokens", 26, "--seed", 4, "--out", wav)
            speech = self.codes.client.audio.speech.create(model="three_modality", voice="any", input="red disc", response_format="wav", extra_body={"seed": 4, "max_tokens": 26})
            self.assertEqual(speech.content, wav.read_bytes())
            (pathlib.Path(folder) / "in.wav").write_bytes(self.sound)
            expected = self.generated("three_modality", "--speech", f"{folder}/in.wav", "--max-tokens", 9, "--seed", 2)["text"]
        options = dict(model="three_modality", file=("in.wav", self.sound), extra_body={"seed": 2, "max_tokens": 9})
        self.assertEqual(self.codes.client.audio.transcriptions.create(**options).text, expected)
        events = list(self.codes.client.audio.transcriptions.create(**options, stream=True))
        self.assertEqual(events[-1].text, expected)
        self.assertEqual("".join(event.delta for event in events[:-1]), expected)

    def test_completions_and_tokens(self):
        expected = self.generated("three_modality", "--tokens", "2,30,31", "--max-tokens", 12, "--seed", 8)
        answer = self.codes.client.completions.create(model="three_modality", prompt=[2, 30, 31], max_tokens=12, seed=8)
        self.assertEqual(answer.choices[0].tokens, expected["tokens"])
        self.assertEqual(answer.choices[0].text, expected["text"])
        self.assertEqual("".join(chunk.choices[0].text for chunk in self.codes.client.completions.create(model="three_modality", prompt=[2, 30, 31], max_tokens=12, seed=8, stream=True)),
                         expected["text"])
        ids = json.loads(self.codes.post("/tokenize", {"content": "red disc", "add_special": True})[1])["tokens"]
        self.assertEqual(ids[0], 2)
        self.assertEqual(json.loads(self.codes.post("/detokenize", {"tokens": ids})[1])["content"], "red disc")
        whole = self.codes.client.completions.create(model="three_modality", prompt="The red", max_tokens=60, seed=1).choices[0]
        stop = whole.text[4:6]
        stopped = self.codes.client.completions.create(model="three_modality", prompt="The red", max_tokens=60, seed=1, stop=stop).choices[0]
        self.assertEqual(stopped.text, whole.text[:whole.text.index(stop)])
        self.assertEqual(stopped.finish_reason, "stop")

    def test_the_same_beside_fifteen_others(self):
        def ask(seed):
            images = self.latents.client.images.generate(model="transfusion", prompt=f"disc {seed}", extra_body={"seed": seed, "num_inference_steps": 5})
            text = self.latents.client.chat.completions.create(model="transfusion", messages=[{"role": "user", "content": "red " * (seed + 1)}], seed=seed, max_tokens=25, logprobs=True)
            return images.data[0].b64_json, text.choices[0].message.content, [token.logprob for token in text.choices[0].logprobs.content]
        alone = [ask(seed) for seed in range(16)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertEqual(list(pool.map(ask, range(16))), alone)

    def test_about(self):
        model = self.codes.client.models.list().data[0]
        self.assertEqual((model.id, model.output_modalities), ("three_modality", ["text", "image", "audio"]))
        self.assertEqual(self.codes.client.models.retrieve("three_modality").id, "three_modality")
        self.assertEqual(self.codes.get("/health"), (200, '{"status":"ok"}'))
        self.assertEqual(json.loads(self.codes.get("/props")[1])["total_slots"], 16)
        self.assertEqual(json.loads(self.codes.get("/slots")[1]), [])
        self.assertEqual(json.loads(self.codes.get("/openapi.json")[1])["openapi"], "3.1.0")
        self.assertIn("# TYPE mom_requests_waiting gauge", self.codes.get("/metrics")[1])

    def test_several_models(self):
        runs = [self.root / name for name in ("transfusion", "three_modality")]
        both = Server(*runs)
        try:
            self.assertEqual([model.id for model in both.client.models.list().data], ["transfusion", "three_modality"])
            self.assertEqual(both.client.models.retrieve("three_modality").output_modalities, ["text", "image", "audio"])
            ask = dict(messages=[{"role": "user", "content": "red disc"}], max_tokens=12, seed=3)
            for alone, model in ((self.latents, "transfusion"), (self.codes, "three_modality")):
                expected = alone.client.chat.completions.create(model=model, **ask).choices[0].message.content
                self.assertEqual(both.client.chat.completions.create(model=model, **ask).choices[0].message.content, expected)
                self.assertEqual(json.loads(both.get("/props?model=" + model)[1])["model"]["id"], model)
            unnamed = json.loads(both.post("/v1/chat/completions", ask)[1])
            self.assertEqual(unnamed["model"], "transfusion")
            heard = both.client.audio.transcriptions.create(model="three_modality", file=("in.wav", self.sound), extra_body={"seed": 2, "max_tokens": 9})
            self.assertEqual(heard.text, self.codes.client.audio.transcriptions.create(model="three_modality", file=("in.wav", self.sound), extra_body={"seed": 2, "max_tokens": 9}).text)
            self.assertEqual(both.post("/tokenize", {"content": "red disc", "model": "three_modality"}), self.codes.post("/tokenize", {"content": "red disc"}))
            for path, body in (("/v1/chat/completions", {**ask, "model": "none"}), ("/tokenize", {"content": "a", "model": "none"}), ("/v1/completions", {"prompt": "a", "model": "none"})):
                status, answer = both.post(path, body)
                self.assertEqual((status, json.loads(answer)["error"]["param"]), (404, "model"), path)
            self.assertEqual(both.get("/props?model=none")[0], 404)
            self.assertIn('mom_requests_finished_total{model="three_modality"} 3', both.get("/metrics")[1])
            # Ten thousand messages are refused as fast as they are read.
            many = {"messages": [{"role": "user", "content": f"message {i}"} for i in range(9000)], "max_tokens": 1}
            begin = time.monotonic()
            for _ in range(3):
                self.assertIn(both.post("/v1/chat/completions", many)[0], (200, 400))
            self.assertLess(time.monotonic() - begin, 20)
        finally:
            both.stop()
        for arguments, words in (((runs[0], runs[0]), "two called transfusion"), ((*runs, "--model-id", "one"), "one for each of 2"), ((runs[0], self.root), "holds runs itself"),
                                 ((self.root, "--model-id", "a"), "holds runs"), ((*runs, "--model-id", "a", "--model-id", "b\n"), "without control characters")):
            done = subprocess.run([BINARY, "serve", *map(str, arguments), "--port", "0"], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words, done.stderr)

    # What must not hurt

    def test_what_comes_together_is_sent_together(self):
        """Many tokens in few events and pieces, all of them there, in order."""
        ask = {"model": "three_modality", "prompt": "red", "max_tokens": 2000, "temperature": 0, "repetition_penalty": 0.01, "stream": True}
        with self.codes.connect() as connection:
            connection.sendall(raw_post("/v1/completions", ask))
            stream = connection.makefile("rb")
            while stream.readline().strip():
                pass
            pieces = []
            while size := int(stream.readline(), 16):
                pieces.append(stream.read(size))
                stream.readline()
        events = [json.loads(event[6:]) for event in b"".join(pieces).split(b"\n\n")[:-2]]
        self.assertTrue(pieces[-1].endswith(b"data: [DONE]\n\n"))
        tokens = [token for event in events for choice in event["choices"] for token in choice["tokens"]]
        self.assertGreater(len(tokens), 1000)
        self.assertLess(len(events), len(tokens) / 2)
        self.assertLess(len(pieces), len(tokens) / 2)
        told = self.codes.client.completions.create(model="three_modality", prompt="red", max_tokens=2000, temperature=0,
                                                    extra_body={"repetition_penalty": 0.01})
        self.assertEqual("".join(event["choices"][0]["text"] for event in events if event["choices"]), told.choices[0].text)
        self.assertEqual(tokens, told.choices[0].tokens)

    def test_a_full_queue_says_so(self):
        server = Server(self.root / "three_modality", "--parallel", "1", "--queue", "1", "--max-tokens", "100000")
        endless = {"messages": [{"role": "user", "content": "red"}], "max_tokens": 100000, "modalities": ["audio"], "temperature": 0}
        content = json.dumps(endless).encode()
        connections = []
        for waiting in (0, 1):
            connections.append(server.connect())
            connections[-1].sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))
            server.wait_for("mom_requests_running", 1)
            server.wait_for("mom_requests_waiting", waiting)
        with self.assertRaises(openai.RateLimitError) as raised:
            server.client.completions.create(model="three_modality", prompt="x")
        self.assertEqual(raised.exception.response.headers["retry-after"], "1")
        for connection in connections:
            connection.close()
        server.wait_for("mom_requests_running", 0)
        self.assertEqual(server.stop(), 0)

    def test_odd_bytes(self):
        good = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        post = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
        table = [
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(25000)) + b"\r\n", 431),
            (b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
            (post + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ", 400),
            (post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (post + b"Content-Length: -1\r\n\r\n", 400),
            (post + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
            (post + b"Content-Length: 1000000000\r\n\r\n", 413),
            (post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
            (b"\0\1\2\3 / HTTP/1.1\r\n\r\n", 400),
            (b"GET /health HTTP/3.0\r\nHost: localhost\r\n\r\n", 505),
            (b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 403),  # no Host
            (b"GET /health HTTP/1.1\r\nConnection: close\r\nHost: rebound.example.org\r\n\r\n", 403),
            (b"GET /health HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\nOrigin: http://example.org\r\n\r\n", 403),
            (b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
            (b"GET /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
            (b"DELETE /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
            (post + b"Connection: close\r\nContent-Length: 1000000\r\n\r\n" + b"[" * 1000000, 400),
            (post + b"Connection: close\r\nContent-Length: 26\r\n\r\n" + b'{"prompt":"a","prompt":"b"}'[:26], 400),
        ]
        for request, status in table:
            answer = self.codes.raw(request)
            self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), (request[:80], status, answer[:300]))
            self.assertIn("error", json.loads(answer.split(b"\r\n\r\n", 1)[1]))
            self.assertEqual(self.codes.get("/health")[0], 200)
        # Endless chunks end at the limit of a body.
        with self.codes.connect() as connection:
            connection.sendall(post + b"Transfer-Encoding: chunked\r\n\r\n")
            with self.assertRaises(OSError):
                for _ in range(200000):
                    connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        # Two requests at once are answered in turn; a body that was announced is asked for.
        answers = self.codes.raw(good + good.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        self.assertEqual(answers.count(b"HTTP/1.1 200 OK"), 2)
        with self.codes.connect() as connection:
            connection.sendall(post + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            self.assertEqual(connection.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"{}")
            self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 400 "))
        # A byte at a time is slow, not wrong.
        with self.codes.connect() as connection:
            for byte in good:
                connection.sendall(bytes([byte]))
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 OK"))
        head = self.codes.raw(good.replace(b"GET", b"HEAD").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        self.assertTrue(head.endswith(b"\r\n\r\n") and b"Content-Length: 15" in head, head)
        old = self.codes.raw(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        self.assertTrue(old.endswith(b'{"status":"ok"}'), old)

    def test_odd_media(self):
        def image(content):
            return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri(content)}}]}], "max_tokens": 1}
        huge = png()[:16] + struct.pack(">II", 16000, 16000) + png()[24:]
        for content in (b"nothing", png()[:50], huge, b"GIF89a"):
            status, body = self.codes.post("/v1/chat/completions", image(content))
            self.assertEqual(status, 400, body)
            self.assertEqual(json.loads(body)["error"]["param"], "messages[0].content[0].image_url.url", body)
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n%s\r\n--x--\r\n'
        for content in (b"nothing", self.sound[:30], self.sound[:1000]):
            status, body = self.codes.post("/v1/audio/transcriptions", form % content, "multipart/form-data; boundary=x")
            self.assertEqual(status, 400, body)
            self.assertEqual(json.loads(body)["error"]["param"], "file", body)
        status, body = self.codes.post("/v1/completions", {"prompt": [2, 319, 100000]})
        self.assertEqual((status, json.loads(body)["error"]["param"]), (400, "prompt"))
        status, body = self.latents.post("/v1/audio/speech", {"input": "x", "voice": "y"})
        self.assertEqual((status, json.loads(body)["error"]["code"]), (400, "unsupported_modality"))

    def test_key_socket_and_address(self):
        done = try_mom("serve", self.root / "transfusion", "--host", "0.0.0.0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--api-key", done.stderr)
        server = Server(self.root / "transfusion", "--host", "0.0.0.0", "--api-key", "secret")
        local = f"http://127.0.0.1:{server.port}"
        server.url = local
        self.assertEqual(server.get("/health")[0], 200)
        for path in ("/v1/models", "/metrics", "/props", "/slots", "/nothing"):
            self.assertEqual(server.get(path)[0], 401, path)
            self.assertNotEqual(server.get(path, Authorization="Bearer secret")[0], 401, path)
        self.assertEqual(openai.OpenAI(base_url=local + "/v1", api_key="secret").models.list().data[0].id, "transfusion")
        self.assertEqual(server.stop(), 0)
        path = str(self.root / "socket")
        server = Server(self.root / "transfusion", "--unix-socket", path)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 OK"))
        self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.exists(path))
        self.assertEqual(try_mom("serve", self.root / "nothing", "--port", "0").returncode, 3)
        self.assertEqual(try_mom("serve", self.root / "transfusion", "--port", self.codes.port).returncode, 2)

    def test_the_playground_is_a_page(self):
        status, page = self.latents.get("/")
        self.assertEqual(status, 200)
        self.assertIn("Content-Security-Policy", page)
        with urllib.request.urlopen(self.latents.url + "/", timeout=30) as answer:
            self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")
            self.assertEqual(answer.headers["Content-Security-Policy"], "frame-ancestors 'none'")
            tag = answer.headers["ETag"]
        self.assertEqual(self.latents.get("/", **{"If-None-Match": tag})[0], 304)
        self.assertEqual(self.latents.post("/", {})[0], 405)

    def test_a_folder_of_runs_is_a_dashboard(self):
        server = Server(self.root)
        self.assertIn("Content-Security-Policy", server.get("/")[1])
        self.assertEqual(server.get("/health")[0], 200)
        runs = json.loads(server.get("/api/runs")[1])
        self.assertEqual({run["id"] for run in runs["runs"]}, {"transfusion", "three_modality"})
        page = json.loads(server.get("/api/page?run=transfusion&run=three_%6dodality")[1])
        self.assertEqual(len(page["runs"]), 2)
        for query in ("?run=%zz", "?run=../tiny", "?run=/etc", ""):
            status, body = server.get("/api/page" + query)
            self.assertEqual(status, 400, query)
            self.assertIn("error", json.loads(body))
        self.assertEqual(server.get("/v1/models")[0], 404)
        self.assertEqual(server.get("/api/runs", Host="elsewhere.example")[0], 403)
        self.assertEqual(server.stop(), 0)
        server = Server(self.root, "--api-key", "secret")
        self.assertEqual(server.get("/")[0], 200)  # it has no data, and asks for the key
        self.assertEqual(server.get("/api/runs")[0], 401)
        self.assertEqual(server.stop(), 0)

    def test_a_signal_drains(self):
        server = Server(self.root / "transfusion")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.client.images.generate, model="transfusion", prompt="red disc", extra_body={"num_inference_steps": 300, "seed": 1})
            server.wait_for("mom_requests_running", 1)
            self.assertEqual(server.stop(), 0)
            self.assertTrue(asked.result().data[0].b64_json)


if __name__ == "__main__":
    unittest.main()
