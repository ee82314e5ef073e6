"""Clients of `mom serve` that leave at every stage: 1,000 of them, or MOM_CANCELLATIONS. Slots are free at once, and neither
file descriptors nor memory are lost. That a job ends before the next step is shown by tests/serve/worker_test.cpp.

MOM_BINARY: the program; MOM_TINY_DATA: the test program that writes tiny encoded data sets.
"""

import os
import pathlib
import time
import unittest

from serving import TinyServers, raw_post

TOGETHER = 42  # more than run at once: some wait
DELAYS = (0, 0.001, 0.02, 0.1)  # s until they leave
TOTAL = int(os.environ.get("MOM_CANCELLATIONS", "1000"))
GROWTH_MIB = 8  # of resident memory after the first 1,000, which fill the allocator's and the prompts' caches


class Cancel(TinyServers):
    def kinds(self):
        # The likeliest code of speech again and again: it never ends.
        endless = {"messages": [{"role": "user", "content": "red"}], "max_tokens": 100000, "modalities": ["audio"], "temperature": 0}
        drawn = {"prompt": "red disc", "num_inference_steps": 1000}
        whole = raw_post("/v1/chat/completions", endless)
        return {
            "decode, streamed": (self.codes, raw_post("/v1/chat/completions", {**endless, "stream": True})),
            "decode, whole": (self.codes, whole),
            "in the request": (self.codes, whole[:-20]),
            "prompt": (self.latents, raw_post("/v1/chat/completions", {"messages": [{"role": "user", "content": "red disc " * 4000}], "max_tokens": 4000})),
            "denoising, whole": (self.latents, raw_post("/v1/images/generations", drawn)),
            "denoising, streamed": (self.latents, raw_post("/v1/images/generations", {**drawn, "stream": True, "partial_images": 3})),
        }

    def leave(self, server, request, delay):
        connections = [server.connect() for _ in range(TOGETHER)]
        for connection in connections:
            connection.sendall(request)
        time.sleep(delay)
        for connection in connections:
            connection.close()
        left = time.monotonic()
        for name in ("mom_requests_running", "mom_requests_waiting", "mom_sequences_running"):
            server.wait_for(name, 0)
        return time.monotonic() - left

    def held(self):
        """File descriptors and resident MiB of both servers."""
        files, memory = [], []
        for server in (self.latents, self.codes):
            process = pathlib.Path("/proc") / str(server.process.pid)
            files.append(len(os.listdir(process / "fd")))
            memory.append(int(next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS")).split()[1]) / 1024)
        return files, memory

    def test_whoever_leaves_is_noticed(self):
        before, _ = self.held()
        done, slowest, memory = 0, {}, None
        while done < TOTAL:
            for name, (server, request) in self.kinds().items():
                for delay in DELAYS:
                    slowest[name] = max(slowest.get(name, 0), self.leave(server, request, delay))
                    done += TOGETHER
            if memory is None:
                memory = self.held()[1]
        time.sleep(1)
        files, memory_after = self.held()
        print(f"{done} left; longest until all slots were free: " + ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in slowest.items())
              + f"; resident: {memory} MiB after the first, {memory_after} MiB after the last")
        self.assertEqual(files, before)
        for first, last in zip(memory, memory_after):
            self.assertLess(last - first, GROWTH_MIB)
        for server in (self.latents, self.codes):
            self.assertEqual(server.post("/v1/completions", {"prompt": [2, 30], "max_tokens": 1})[0], 200)
        # What is told apart from failing: nobody was refused for a reason of the server's.
        self.assertEqual([server.metric("mom_requests_failed_total") for server in (self.latents, self.codes)], [0, 0])


if __name__ == "__main__":
    unittest.main()
