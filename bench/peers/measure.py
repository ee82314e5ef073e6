"""What the peers share: the clock, and the one line of JSON that bench/peers/compare.py reads."""

import json
import resource
import statistics
import sys
import time

import torch


def timed(runs, warmup, steps):
    """Calls each function of `runs` in turn, warmup + steps times. Milliseconds of the timed calls, one list per function."""
    milliseconds = [[] for _ in runs]
    for index in range(warmup + steps):
        line = []
        for run, times in zip(runs, milliseconds):
            start = time.perf_counter()
            run()
            line.append((time.perf_counter() - start) * 1e3)
            if index >= warmup:
                times.append(line[-1])
        print(f"{'warm-up' if index < warmup else 'step'} {index}: {' + '.join(f'{ms:.1f}' for ms in line)} ms", file=sys.stderr)
    return milliseconds


def report(milliseconds, **more):
    """The last line of stdout. min_ms and median_ms have a number for each part that was timed."""
    print(json.dumps({
        "min_ms": [min(times) for times in milliseconds],
        "median_ms": [statistics.median(times) for times in milliseconds],
        "all_ms": milliseconds,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        **more,
    }))
