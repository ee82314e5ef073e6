"""Times the peers and `mom-bench` on the same sizes, one process after the other, and prints tables in Markdown.

Every peer runs as installed and with its heap kept, where freed pages are not given back between steps: the fastest it can do. Ours
runs as a user runs it, before and after the peers, so that the machine's drift shows. All times that are compared are minima.
Imports no torch: a child's peak memory starts at its parent's.
"""

import argparse
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys

import cases
import table

PEERS = pathlib.Path(__file__).resolve().parent
ROOT = PEERS.parent.parent
KEPT_HEAP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(32 << 30), "MALLOC_TOP_PAD_": str(256 << 20)}
HEAPS = {"as installed": {}, "kept": KEPT_HEAP}


class Failure(Exception):
    """A process without a result. The text appears in the table."""


def environment(threads, **more):
    """That of the user, without what changes the heap or the threads."""
    changing = ("MALLOC_", "OMP_", "MKL_", "KMP_", "GOMP_", "GLIBC_TUNABLES", "LD_PRELOAD")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(changing)}
    return {**kept, "OMP_NUM_THREADS": str(threads), **more}


def output_of(command, environment, limit_s):
    """stdout of a command that must end well within its time limit; else it ends with all its compilers."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    except BaseException as stop:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(stop, subprocess.TimeoutExpired):
            raise Failure(f"not done in {limit_s} s") from None
        raise
    if process.returncode != 0:
        print(stderr[-4000:], file=sys.stderr)
        last = (stderr.strip().splitlines() or ["no message"])[-1][:200]
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"exit code {process.returncode}"
        raise Failure(f"{how}: {last}")
    return stdout


def python_of(peer):
    """The interpreter that has what the peer imports; made when missing."""
    if not peer.environment:
        return sys.executable
    made = subprocess.run([str(ROOT / "scripts/python-env"), *peer.environment], capture_output=True, text=True)
    if made.returncode != 0:
        raise Failure(made.stderr.strip().splitlines()[-1])
    return str(ROOT / made.stdout.strip())


def measure_peer(case, peer, heap, options):
    steps = min(options.steps, peer.most_steps)
    command = [
        str(PEERS / peer.script), *peer.arguments, *(case.small_size if options.small else case.size),
        "--warmup", str(peer.warmup), "--steps", str(steps),
    ]
    more = {"HF_HUB_OFFLINE": "1", "TORCHINDUCTOR_CACHE_DIR": str(ROOT / ".deps/torch_compile"), **HEAPS[heap]}
    row = {"who": peer.name, "heap": heap, "steps": f"{peer.warmup} + {steps}"}
    try:
        return row | json.loads(output_of([python_of(peer), *command], environment(options.threads, **more), peer.limit_s).splitlines()[-1])
    except Failure as failure:
        return row | {"failure": str(failure)}


def measure_ours(case, when, options):
    """The benches of the case, as one row."""
    text = output_of([options.bench, *case.benches, "--json"], environment(options.threads), 900)
    whole = json.loads(text)
    found = [bench["name"] for bench in whole["benches"]]
    if found[: len(case.benches)] != list(case.benches):  # the peak memory is of all that ran so far
        raise Failure(f"mom-bench {' '.join(case.benches)}: expected these benches first, found {', '.join(found)}")
    benches = whole["benches"][: len(case.benches)]
    for bench in benches:
        tokens = round(bench.get("tokens_per_s", 0) * bench["median_ms"] / 1e3)
        if tokens not in (0, case.tokens):
            raise Failure(f"mom-bench {bench['name']}: expected {case.tokens} tokens per step, found {tokens}")
    return {
        "who": f"mom, {when}", "heap": "as installed", "steps": str(benches[0]["repeats"]),
        "min_ms": [bench["min_ms"] for bench in benches],
        "median_ms": [bench["median_ms"] for bench in benches],
        "peak_rss_bytes": benches[-1].get("peak_rss_bytes"),
        "threads": benches[0]["threads"], "cpu_capability": whole["cpu_capability"],
    }


def measure(case, options):
    """All rows of a case: ours, the peers, ours again."""

    def say(what):
        print(f"{datetime.datetime.now():%H:%M:%S} {case.name}: {what} ...", file=sys.stderr, flush=True)

    def ours(when):
        if options.small:
            return []
        say(f"mom, {when}")
        return [measure_ours(case, when, options)]

    rows = ours("before")
    for peer in [p.peer for p in case.promises if p.measure == "speed" and p.heap == cases.KEPT] if options.promised else case.peers:
        for heap in HEAPS:
            say(f"{peer.name}, heap {heap}")
            rows.append(measure_peer(case, peer, heap, options))
            if "failure" in rows[-1]:
                break
    rows += ours("after")
    for row in rows:
        if row.get("threads", options.threads) != options.threads:
            raise Failure(f"{row['who']}: expected {options.threads} threads, found {row['threads']}")
    return rows


def check_benches(chosen, program):
    """All benches must be there before an hour is spent."""
    listed = json.loads(output_of([program, "--list", "--json"], dict(os.environ), 60))
    names = [bench["name"] for bench in listed["benches"]]
    missing = [name for case in chosen for name in case.benches if name not in names]
    if missing:
        raise Failure(f"{program}: expected the benches {', '.join(missing)}, found only {', '.join(names)}; build one that has them")


def parse():
    parser = argparse.ArgumentParser(prog="bench/peers/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CASE", help="cases, default all; one with a slash is the mom-bench to time")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument("--threads", type=int, default=2, help="of every process, default 2")
    parser.add_argument("--steps", type=int, default=8, help="timed steps of a peer, default 8; the slow ones take fewer")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every number")
    parser.add_argument("--promised", action="store_true", help="only the peers that a promise is about")
    parser.add_argument("--small", action="store_true", help="smoke test: small sizes, peers only, no promise is judged")
    options = parser.parse_args()
    options.bench = next((name for name in options.names if "/" in name), str(ROOT / "build/release/bin/mom-bench"))
    names = [name for name in options.names if "/" not in name]
    unknown = [name for name in names if name not in cases.CASES]
    if unknown:
        parser.error(f"expected cases out of {', '.join(cases.CASES)}, found {', '.join(unknown)}")
    if options.steps < 1 or options.threads < 1:
        parser.error(f"expected at least one step and one thread, found {options.steps} and {options.threads}")
    options.cases = [cases.CASES[name] for name in names or cases.CASES]
    return options


def compare(options):
    """True when all went well: every promise kept, or with --small every peer ran."""
    if not options.small:
        if not os.access(options.bench, os.X_OK):
            raise Failure(f"expected the program {options.bench}, found none; build it, or name another")
        check_benches(options.cases, options.bench)
    print(table.heading(options))
    results, well = {}, True
    for case in options.cases:
        rows = measure(case, options)
        verdicts = [] if options.small else table.judge(case, rows)
        print(table.of_case(case, rows, verdicts, options.small), flush=True)
        well &= all(verdict["kept"] for verdict in verdicts)
        well &= not (options.small and any("failure" in row for row in rows))
        results[case.name] = {"rows": rows, "promises": verdicts}
        if options.json:
            options.json.write_text(json.dumps(results, indent=2) + "\n")
    return well


def main():
    options = parse()
    if options.list:
        print("\n".join(f"{case.name:5} {case.help}" for case in cases.CASES.values()))
        return 0
    try:
        return 0 if compare(options) else 1
    except Failure as failure:
        print(f"bench/peers/run: error: {failure}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
