"""Execute chapters over a grid of parameters and collect the results in one page.

    python book/_tools/run_grid.py 03_prediction -p gamma 0.4 0.8 -p d 20 24 --jobs 2 --out grid

Every combination is one executed notebook in the folder, named by a hash of all that its outputs depend on; it is
written to a temporary name and then renamed, so a killed grid leaves whole files only, and a second call executes
what is missing. Notebooks travel as text, so that workers on other machines need no folder in common with this one.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import itertools
import json
import os
import sys
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import build_book
import chapter_parameters
import grid_page
import jupytext
import nbformat
import papermill
from build_book import THREAD_VARIABLES
from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

from hierlib.parameters import check_parameters

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Point:
    """One chapter with the parameters that the grid sets."""

    chapter: str
    parameters: dict
    key: str

    @property
    def notebook(self) -> str:
        """File name of the executed notebook."""
        return f"{self.chapter}-{self.key}.ipynb"

    @property
    def failed(self) -> str:
        """File name of the notebook up to the cell that failed."""
        return f"{self.chapter}-{self.key}.failed.ipynb"


def points(root: Path, names: list[str], grid: dict[str, list]) -> list[Point]:
    """Every combination for every chapter; a ValueError if a chapter does not have or not allow what is asked."""
    found = []
    for name in names:
        chapter = chapter_parameters.read_chapter(root, name)
        defaults = {parameter.name: parameter.default for parameter in chapter.parameters}
        specs = {parameter.name: parameter.spec for parameter in chapter.parameters}
        source = build_book.chapter_digest(root, name)
        for values in itertools.product(*grid.values()):
            parameters = dict(zip(grid, values, strict=True))
            try:
                check_parameters({**defaults, **parameters}, **specs)
            except ValueError as error:
                msg = f"{name}: {error}"
                raise ValueError(msg) from None
            key = hashlib.sha256(json.dumps([source, parameters], sort_keys=True).encode()).hexdigest()[:12]
            found.append(Point(name, parameters, key))
    return list({point.key: point for point in found}.values())


# What a worker runs: it has this repository's environment, but not the folder of this file in its path.
def execute(source: str, parameters: dict) -> tuple[str, str | None]:
    """Execute a notebook's text; return the executed text, and where and why it failed if it did."""
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    # Third parties' deprecations would hide what matters.
    warnings.simplefilter("ignore", DeprecationWarning)
    message = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.ipynb"
        try:
            # In no folder: papermill would change that of the process, which threads of one Dask worker share.
            build_book.run_notebook(nbformat.reads(source, as_version=4), path, parameters=parameters)
        except papermill.PapermillExecutionError as error:
            message = f"code cell [{error.exec_count}]: {error.ename}: {error.evalue}"
        return path.read_text(), message


def run(root: Path, wanted: list[Point], folder: Path, *, jobs: int) -> dict[str, str]:
    """Execute the points that have no notebook yet; return the messages of those that failed, by key."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [point for point in wanted if not (folder / point.notebook).is_file()]
    sources = {name: nbformat.writes(jupytext.read(root / f"book/{name}.md")) for name in {p.chapter for p in missing}}
    runs = (delayed(attempt)(number, sources[point.chapter], point.parameters) for number, point in enumerate(missing))
    failures = {}
    with tqdm(total=len(wanted), initial=len(wanted) - len(missing), unit="run") as progress:
        for number, executed, message in Parallel(jobs, batch_size=1, return_as="generator_unordered")(runs):
            point = missing[number]
            (folder / point.failed).unlink(missing_ok=True)
            if executed is not None:
                replace(folder / (point.failed if message else point.notebook), executed)
            if message:
                failures[point.key] = message
                tqdm.write(f"{point.chapter} {point.parameters}: FAILED in {message}")
            progress.update()
    return failures


def attempt(number: int, source: str, parameters: dict) -> tuple[int, str | None, str | None]:
    """Execute one point; whatever stops it is a message, and the others go on."""
    try:
        return number, *execute(source, parameters)
    except Exception as error:
        return number, None, repr(error)


def replace(path: Path, text: str) -> None:
    """Write a file so that it is there as a whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def literal(text: str) -> object:
    """Value of a number or list on the command line; anything else is a string."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapter", nargs="+", help="such as 03_prediction")
    parser.add_argument(
        "-p",
        dest="grid",
        action="append",
        nargs="+",
        default=[],
        metavar=("NAME", "VALUE"),
        help="values of one parameter",
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the notebooks and the page")
    parser.add_argument("--dask", metavar="ADDRESS", help="send the runs to the Dask scheduler there")
    options = parser.parse_args(arguments)
    names = build_book.chapters(root)
    if unknown := [name for name in options.chapter if name not in names]:
        parser.error(f"no such chapter: {', '.join(unknown)}")
    grid: dict[str, list] = {}
    for name, *values in options.grid:
        grid.setdefault(name, []).extend(literal(value) for value in values)
    if empty := [name for name, values in grid.items() if not values]:
        parser.error(f"no value given for: {', '.join(empty)}")
    try:
        wanted = points(root, options.chapter, grid)
    except ValueError as error:
        parser.error(str(error))
    failures = {}
    try:
        with backend(options.dask):
            failures = run(root, wanted, options.out, jobs=options.jobs)
    finally:
        replace(options.out / "index.html", grid_page.render(wanted, failures, options.out))
    print(
        f"{len(wanted) - len(failures)} of {len(wanted)} runs done: {(options.out / 'index.html').resolve().as_uri()}"
    )
    return 1 if failures else 0


@contextmanager
def backend(address: str | None):
    """Context in which joblib sends its calls to processes of this machine, or to a Dask cluster."""
    if address is None:
        with parallel_config(backend="loky"):
            yield
        return
    from distributed import Client  # slow to import, and rarely asked for

    with Client(address) as client, parallel_config(backend="dask", client=client):
        yield


if __name__ == "__main__":
    sys.exit(main())
