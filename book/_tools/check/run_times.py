"""Measure how long the chapters take at their defaults, for the page of parameters: ``book/run_times.csv``.

What is stored is processor time, of the kernel and all that it starts, on one thread: unlike elapsed time it hardly
depends on what else the machine does. Chapters that are not named keep their stored time.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import warnings
from pathlib import Path

import jupytext

from _tools.build import chapter_parameters, contents, lifetime
from _tools.build.notebook import THREAD_VARIABLES, run_notebook
from _tools.stored import table as stored_table

ROOT = Path(__file__).resolve().parents[3]


def measure(root: Path, name: str) -> float:
    """Execute a chapter and return the seconds of processor time it took."""
    # Third parties' deprecations, on standard error, would hide what matters.
    warnings.simplefilter("ignore", DeprecationWarning)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    source = jupytext.read(contents.chapter_file(root, name))
    run_notebook(source, None)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapter", nargs="*", help="such as prediction (default: all)")
    names = contents.chapters(root)
    asked = parser.parse_args(arguments).chapter or names
    if unknown := set(asked) - set(names):
        parser.error(f"no such chapter: {', '.join(sorted(unknown))}")
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    times = chapter_parameters.run_times(root)
    for name in asked:
        times[name] = f"{measure(root, name):.0f}"
        print(f"  {name}: {times[name]} s", flush=True)
        rows = [[chapter, times[chapter]] for chapter in names if chapter in times]
        stored_table.write(
            "run_times",
            ["chapter", "seconds"],
            rows,
            command="make run-times",
            notes=["seconds: processor time of the kernel and its children at the default parameters, one thread"],
            folder=root / "book",  # what is in book/data counts as a change of every chapter
        )
    return 0


if __name__ == "__main__":
    sys.exit(lifetime.supervise(main, kept="Times that were measured are stored."))
