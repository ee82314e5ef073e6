"""Runs the program under test: MOM_BINARY names it (ctest sets it)."""

import os
import socket
import subprocess

BINARY = os.environ.get("MOM_BINARY", "build/release/bin/mom")


def try_mom(*arguments):
    """Runs `mom ARGUMENTS`; returns the finished process, its output as text."""
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=600)


def run_mom(*arguments):
    """Runs `mom ARGUMENTS`, returns its stdout; AssertionError with its stderr when it fails."""
    done = try_mom(*arguments)
    if done.returncode != 0:
        raise AssertionError(f"mom {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def free_port():
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def place_of_rank(rank, count, port):
    """The environment that makes a process rank `rank` of `count` on this machine; of one: nothing."""
    if count == 1:
        return {}
    return {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def newest_step(run):
    """Of a run folder's checkpoints; 0 where there is none."""
    steps = [int(path.name.removeprefix("step-")) for path in (run / "checkpoints").glob("step-*")]
    return max(steps, default=0)
