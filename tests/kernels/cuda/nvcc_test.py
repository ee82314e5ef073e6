"""The CUDA kernels compile for GPUs within the budget of docs/gpu.md: no spills, registers, shared memory.

Skipped (exit code 77) where there is no nvcc. Compiles for sm_90; with MOM_ALL_ARCHITECTURES=1 for all that are supported.
`nvcc_test.py --table` prints the table of what was measured.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "gpu.md"
FAST, ALL = ["90"], ["80", "90", "100", "120"]
ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", re.M)
KERNEL = re.compile(r"^MOM_KERNEL\([^\n]*\)\s+(\w+)\(", re.M)


def find_nvcc():
    places = [os.environ.get("CUDA_HOME", ""), os.environ.get("CUDA_PATH", ""), "/usr/local/cuda"]
    found = [str(pathlib.Path(place) / "bin" / "nvcc") for place in places if place]
    return shutil.which("nvcc") or next((path for path in found if os.access(path, os.X_OK)), None)


def compile_source(nvcc, source, architecture, folder):
    """What ptxas says of each kernel of a source, as a dict: registers, shared, spills."""
    command = [nvcc, "-std=c++20", "-cubin", f"-arch=sm_{architecture}", f"-I{ROOT}", "-Xptxas", "-v", "-Werror", "all-warnings",
               "-o", f"{folder}/{source.stem}.{architecture}.cubin", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{source.name}, sm_{architecture}: nvcc failed\n{done.stdout}{done.stderr}")
    names = sorted(KERNEL.findall(source.read_text()), key=len, reverse=True)
    found = []
    for entry in re.split(r"Compiling entry function '", done.stdout + done.stderr)[1:]:
        symbol = entry.split("'")[0]
        name = next((name for name in names if f"{len(name)}{name}" in symbol), None)
        if name is None:
            sys.exit(f"{source.name}: no kernel of the source is {symbol}")
        spills = [int(count) for count in re.findall(r"(\d+) bytes spill", entry)]
        shared = re.search(r"(\d+) bytes smem", entry)
        found.append({"name": name, "architecture": architecture, "spills": sum(spills),
                      "registers": int(re.search(r"Used (\d+) registers", entry)[1]), "shared": int(shared[1]) if shared else 0})
    if {kernel["name"] for kernel in found} != set(names):
        sys.exit(f"{source.name}: kernels {sorted(names)}, but ptxas speaks of {sorted({kernel['name'] for kernel in found})}")
    return found


def compile_all(nvcc, architectures):
    sources = sorted((ROOT / "mom" / "kernels" / "cuda").glob("*.cu"))
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(compile_source, nvcc, source, architecture, folder)
                for architecture in architectures for source in sources]
        return [kernel for job in jobs for kernel in job.result()]


def problems(kernels, budget):
    for kernel in kernels:
        where = f"{kernel['name']}, sm_{kernel['architecture']}"
        if kernel["name"] not in budget:
            yield f"{where}: {DOCUMENT.name} has no budget for it"
            continue
        registers, shared = budget[kernel["name"]]
        if kernel["spills"]:
            yield f"{where}: {kernel['spills']} bytes are spilled"
        if kernel["registers"] > registers:
            yield f"{where}: {kernel['registers']} registers, {registers} are allowed"
        if kernel["shared"] > shared:
            yield f"{where}: {kernel['shared']} bytes of shared memory, {shared} are allowed"
    for name in sorted(set(budget) - {kernel["name"] for kernel in kernels}):
        yield f"{DOCUMENT.name} has a budget for {name}, which is no kernel"


def main():
    nvcc = find_nvcc()
    if nvcc is None:
        print("skipped: no nvcc here, so registers and spills of the CUDA kernels were not checked")
        sys.exit(77)
    everything = os.environ.get("MOM_ALL_ARCHITECTURES") == "1" or "--table" in sys.argv
    kernels = compile_all(nvcc, ALL if everything else FAST)
    if "--table" in sys.argv:
        for name in dict.fromkeys(kernel["name"] for kernel in kernels):
            of_name = [kernel for kernel in kernels if kernel["name"] == name]
            most = [max(kernel[key] for kernel in of_name) for key in ("registers", "shared", "spills")]
            print(f"| `{name}` | {most[0]} | {most[1]} | spills {most[2]}")
        return
    budget = {name: (int(registers), int(shared)) for name, registers, shared in ROW.findall(DOCUMENT.read_text())}
    found = list(problems(kernels, budget))
    print("\n".join(found) or f"{len(kernels)} kernels within their budget")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
