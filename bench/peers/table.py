"""The tables of bench/peers/run, and whether the promises are kept."""

import datetime
import os
import pathlib


def heading(options):
    models = [line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return (
        f"# Beside the peers, {datetime.date.today()}\n\n"
        f"{models[0].split(':')[1].strip() if models else 'unknown processor'}, {os.cpu_count()} cores, {options.threads} threads, "
        f"load average {os.getloadavg()[0]:.2f} at the start.\n"
        "Ratios and tokens/s are of the fastest step on both sides, ours of both its runs. Steps: warm-up + timed.\n"
    )


def ours_of(rows):
    """The faster of our two runs in each part, and the higher peak."""
    ours = [row for row in rows if row["who"].startswith("mom, ")]
    peaks = [row["peak_rss_bytes"] for row in ours if row["peak_rss_bytes"]]
    return {
        "ms": sum(min(parts) for parts in zip(*(row["min_ms"] for row in ours))),
        "peak_rss_bytes": max(peaks, default=None),
    }


def judge(case, rows):
    """Of each promise: the ratio that was found (None: the peer gave no result) and whether it is kept."""
    ours, verdicts = ours_of(rows), []
    for promise in case.promises:
        measured = [row for row in rows if (row["who"], row["heap"]) == (promise.peer.name, promise.heap) and "failure" not in row]
        found = None
        if measured and promise.measure == "speed":
            found = sum(measured[0]["min_ms"]) / ours["ms"]
        elif measured:
            found = ours["peak_rss_bytes"] / measured[0]["peak_rss_bytes"]
        kept = found is not None and (found >= promise.bound if promise.measure == "speed" else found <= promise.bound)
        verdicts.append({
            "peer": promise.peer.name, "heap": promise.heap, "measure": promise.measure, "bound": promise.bound, "found": found,
            "kept": kept,
        })
    return verdicts


def milliseconds(parts):
    text = f"{sum(parts):,.1f}"
    return text if len(parts) == 1 else f"{text} ({' + '.join(f'{part:,.1f}' for part in parts)})"


def line(cells):
    return f"| {' | '.join(cells)} |"


def row_cells(case, row, ours, small):
    cells = [row["who"], row["heap"], row["steps"]]
    if "failure" in row:
        return cells + [row["failure"].replace("|", "/")] + [""] * 6
    peer, peak = not row["who"].startswith("mom, "), row["peak_rss_bytes"]
    return cells + [
        milliseconds(row["min_ms"]),
        milliseconds(row["median_ms"]),
        "" if small else f"{case.tokens / sum(row['min_ms']) * 1e3:,.0f}",
        f"{sum(row['min_ms']) / ours['ms']:.2f} x" if peer and ours else "",
        f"{row['parameters'] / 1e6:.2f} M" if "parameters" in row else "",
        f"{peak / 2**20:,.0f}" if peak else "",
        f"{ours['peak_rss_bytes'] / peak:.3f} x" if peer and ours and ours["peak_rss_bytes"] else "",
    ]


def of_case(case, rows, verdicts, small):
    columns = ["", "heap", "steps", "min ms", "median ms", "tokens/s", "speed of mom", "parameters", "peak MiB", "memory of mom"]
    ours = None if small else ours_of(rows)
    lines = [f"## {case.name}: {'small sizes' if small else case.help}", "", line(columns), line(["---"] * len(columns))]
    lines += [line(row_cells(case, row, ours, small)) for row in rows]
    if verdicts:
        lines += ["", line(["promise", "target", "found", "kept"]), line(["---"] * 4)]
    for verdict in verdicts:
        speed = verdict["measure"] == "speed"
        found = "not measured" if verdict["found"] is None else f"{verdict['found']:.2f} x" if speed else f"{verdict['found']:.3f} x"
        lines.append(line([
            f"{'tokens/s' if speed else 'peak memory'} against {verdict['peer']}, heap {verdict['heap']}",
            f"{'>=' if speed else '<='} {verdict['bound']:g} x",
            found,
            "yes" if verdict["kept"] else "**no**",
        ]))
    return "\n".join(lines) + "\n"
