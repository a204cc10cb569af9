"""Run every chapter at the ends of its documented ranges, and store what came of it: ``book/data/ranges.csv``.

Settings of a chapter: each parameter at either end of its range, the others at their defaults; all at their low ends
at once, which is quick; and two random draws inside the ranges, of the seed too, which has no ends. A list is taken
at its shortest near the low end, and as the default with the high end at its top. A point is a chapter executed once
in a process of its own, on one thread. The table is written after each, so that an interrupted run goes on with what
is missing. ``--again`` repeats what is there.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import csv
import json
import os
import resource
import sys
import warnings
import zlib
from pathlib import Path

import jupytext
import numpy as np
import papermill

from _tools.build import chapter_parameters, contents, lifetime
from _tools.build.notebook import THREAD_VARIABLES, claims, run_notebook
from _tools.stored import table as stored_table

ROOT = Path(__file__).resolve().parents[3]
FIELDS = ["chapter", "setting", "seconds", "mebibytes", "outcome", "missed", "untested"]
N_RANDOM = 2
SCRATCH = ROOT / "_build/ranges"


def settings(chapter: chapter_parameters.Chapter) -> list[dict]:
    """List the settings of a chapter, each a dict of the parameters that differ from the defaults."""
    found = [
        {parameter.name: value}
        for parameter in chapter.parameters
        if parameter.name != "seed"
        for value in ends(parameter)
        if value != parameter.default
    ]
    found.append({parameter.name: ends(parameter)[0] for parameter in chapter.parameters if parameter.name != "seed"})
    # Drawn from the ranges alone: a chapter keeps its settings when its file is renamed.
    ranges = json.dumps({parameter.name: parameter.spec for parameter in chapter.parameters})
    rng = np.random.default_rng(zlib.crc32(ranges.encode()))
    for _ in range(N_RANDOM):
        found.append({parameter.name: inside(parameter, rng) for parameter in chapter.parameters})
    return found


def ends(parameter: chapter_parameters.Parameter) -> list:
    """List the values of a parameter at the ends of its range."""
    spec = parameter.spec
    if not isinstance(spec, list):
        return list(spec)
    low, high = spec[0]
    whole = isinstance(low, int) and isinstance(high, int)
    shortest = [low + k if whole else round(low + 0.05 * k * min(low, high - low), 6) for k in range(len(spec))]
    longest = [value for value in parameter.default[:-1] if value < high] + [high]
    return [shortest, longest]


def inside(parameter: chapter_parameters.Parameter, rng: np.random.Generator) -> object:
    """Draw a value from a parameter's range, evenly on a logarithmic scale where the range spans a decade or more."""
    spec = parameter.spec
    if isinstance(spec[0], str):
        return str(rng.choice(spec))
    if not isinstance(spec, list):
        return _draw(*spec, rng)
    values = {_draw(*spec[0], rng) for _ in range(int(rng.integers(len(spec), len(parameter.default) + 1)))}
    while len(values) < len(spec):
        values.add(_draw(*spec[0], rng))
    return sorted(values)


def _draw(low: float, high: float | None, rng: np.random.Generator) -> int | float:
    if high is None:
        return int(rng.integers(1000))
    value = low * (high / low) ** rng.random() if low > 0 and high >= 10 * low else rng.uniform(low, high)
    # Three digits: a setting is to be read and typed.
    rounded = float(f"{min(max(value, low), high):.3g}")
    return int(min(max(rounded, low), high)) if isinstance(low, int) and isinstance(high, int) else rounded


def run(root: Path, name: str, setting: dict) -> list:
    """Execute one point in this process and return its row of the table."""
    warnings.simplefilter("ignore", DeprecationWarning)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    target = SCRATCH / f"{name}-{os.getpid()}.ipynb"
    SCRATCH.mkdir(parents=True, exist_ok=True)
    source = jupytext.read(contents.chapter_file(root, name))
    outcome, lists = "finished", {"missed": [], "untested": []}
    try:
        executed = run_notebook(source, target, SCRATCH, setting)
    except papermill.PapermillExecutionError as error:
        executed = papermill.iorw.load_notebook_node(str(target))
        if error.ename == "ValueError" and error.source.lstrip().startswith("check_parameters("):
            outcome = f"refused: {error.evalue}"
        elif error.ename != "ClaimsNotMet":
            outcome = f"crashed: {error.ename}: {error.evalue}"[:500]
    except RuntimeError as error:  # the kernel died, most likely for memory
        executed, outcome = None, f"crashed: {error}"
    if executed:
        lists = claims(executed) or lists
    target.unlink(missing_ok=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    verdicts = [" ".join(lists["missed"]), " ".join(lists["untested"])]
    return [name, json.dumps(setting), f"{seconds:.0f}", after.ru_maxrss // 1024, outcome, *verdicts]


def stored(root: Path) -> dict[tuple[str, str], list]:
    """Read the rows of the table by chapter and setting."""
    path = root / "book/data/ranges.csv"
    if not path.is_file():
        return {}
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {(row["chapter"], row["setting"]): list(row.values()) for row in csv.DictReader(lines)}


def write(root: Path, rows: dict[tuple[str, str], list], points: list[tuple[str, str]]) -> None:
    """Write the rows that belong to a setting of today, in the order of the chapters."""
    stored_table.write(
        "ranges",
        FIELDS,
        [rows[point] for point in points if point in rows],
        command="make ranges",
        notes=[
            "seconds: processor time of the kernel and its children, one thread; mebibytes: peak memory of the kernel",
            "outcome: finished, refused in the first cell with a reason, or crashed",
            "missed, untested: claims that do not hold, or cannot be tested, at this setting",
        ],
        folder=root / "book/data",
    )


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = contents.chapters(root)
    parser.add_argument("chapter", nargs="*", help="such as prediction (default: all)")
    parser.add_argument("--again", action="store_true", help="run what is in the table, too")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="points at a time")
    options = parser.parse_args(arguments)
    if unknown := set(options.chapter) - set(names):
        parser.error(f"no such chapter: {', '.join(sorted(unknown))}")
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    everything = [
        (name, json.dumps(setting))
        for name in names
        for setting in settings(chapter_parameters.read_chapter(root, name))
    ]
    rows = stored(root)
    wanted = [
        point
        for point in everything
        if (not options.chapter or point[0] in options.chapter) and (options.again or point not in rows)
    ]
    # A process a point: the peak memory of a process only grows.
    with concurrent.futures.ProcessPoolExecutor(options.jobs, max_tasks_per_child=1) as pool:
        runs = {pool.submit(run, root, name, json.loads(setting)): (name, setting) for name, setting in wanted}
        for done, future in enumerate(concurrent.futures.as_completed(runs), start=1):
            row = future.result()
            rows[runs[future]] = row
            print(
                f"  [{done}/{len(wanted)}] {row[0]} {row[1]}: {row[2]} s, {row[3]} MiB, {row[4]} {row[5]}", flush=True
            )
            write(root, rows, everything)
    crashed = [point for point in everything if point in rows and rows[point][4].startswith("crashed")]
    print(f"{len(everything)} settings, {len(rows)} stored, {len(crashed)} crashed")
    return int(bool(crashed))


if __name__ == "__main__":
    sys.exit(lifetime.supervise(main, kept="Finished points are kept: the same command goes on from there."))
