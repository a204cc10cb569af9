"""Compare every chapter with its stored numbers under each BLAS kernel and SIMD level that this machine has.

A processor chooses its kernels, and these decide how sums are rounded; a number that a reader's machine prints
otherwise is no number of the book. One line a chapter, one column a kernel: `ok`, or the number of cells that differ.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

from _tools.build import chapter_parameters, contents, lifetime
from _tools.build.notebook import THREAD_VARIABLES

ROOT = Path(__file__).resolve().parents[3]
# The variables that choose a kernel, and the processor's flag without which it would not run.
KERNELS = {
    "Nehalem": ({"OPENBLAS_CORETYPE": "Nehalem"}, "sse4_2"),
    "Haswell": ({"OPENBLAS_CORETYPE": "Haswell"}, "avx2"),
    "SkylakeX": ({"OPENBLAS_CORETYPE": "SkylakeX"}, "avx512f"),
    "no AVX-512": ({"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}, "avx512f"),
}
COMMAND = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval"]


def available() -> list[str]:
    """List the kernels that this processor can run."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.is_file() else set()
    return [name for name, (_, flag) in KERNELS.items() if flag in flags]


def compare(root: Path, notebook: Path, kernel: str) -> tuple[str, str]:
    """Execute a stored notebook under a kernel; return a word for the table and what pytest printed."""
    environment = os.environ | KERNELS[kernel][0]
    command = [*COMMAND, str(notebook)]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return "ok", done.stdout
    # Errors are cells that never ran.
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (failed|error)", done.stdout)}
    return f"{counts['failed']} differ" if set(counts) == {"failed"} else "error", done.stdout + done.stderr


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = contents.chapters(root)
    parser.add_argument("chapter", nargs="*", help="such as prediction (default: all)")
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="only this one (may be repeated)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="chapters at a time")
    options = parser.parse_args(arguments)
    if unknown := set(options.chapter) - set(names):
        parser.error(f"no such chapter: {', '.join(sorted(unknown))}")
    chapters, kernels = options.chapter or names, options.kernel or available()
    if not kernels:
        print("No kernel can be chosen on this processor.")
        return 0
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    times = chapter_parameters.run_times(root)
    # Longest first, so that no core waits long at the end.
    tasks = sorted(((c, k) for c in chapters for k in kernels), key=lambda task: -float(times.get(task[0], 0)))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = {(c, k): pool.submit(compare, root, contents.chapter_file(root, c, ".ipynb"), k) for c, k in tasks}
        print("  ".join([" " * 20, *(f"{kernel:>10s}" for kernel in kernels)]))
        for chapter in chapters:
            words = [runs[chapter, kernel].result()[0] for kernel in kernels]
            print("  ".join([f"{chapter:20s}", *(f"{word:>10s}" for word in words)]), flush=True)
    bad = {task: run.result()[1] for task, run in runs.items() if run.result()[0] != "ok"}
    for (chapter, kernel), output in bad.items():
        print(f"\n{chapter} under {kernel}:\n{output}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(lifetime.supervise(main, kept="Nothing is stored."))
