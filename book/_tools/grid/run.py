"""Execute chapters over a grid of parameters and collect the results in one page.

    python -m _tools.grid.run prediction -p gamma 0.4 0.8 -p d 20 24 --jobs 2 --out grid

Every combination is one executed notebook in the folder, named by a hash of all that its outputs depend on; it is
written to a temporary name and then renamed, so a killed grid leaves whole files only, and a second call executes
what is missing. Notebooks travel as text, so that workers on other machines need no folder in common with this one.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import inspect
import json
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jupytext
import nbformat
import papermill
from tqdm import tqdm

from _tools.build import build_book, contents, lifetime
from _tools.build.notebook import CELL_TIMEOUT, THREAD_VARIABLES, claims, run_notebook
from _tools.grid import page as grid_page
from _tools.grid.points import Point, digest, points

ROOT = Path(__file__).resolve().parents[3]
RUN = re.compile(r"(?P<chapter>\w+)-(?P<key>[0-9a-f]{12})(\.failed)?\.ipynb")
CLAIMS_NOT_MET = "ClaimsNotMet"  # hierlib.chapters.claims raises it at the end of a chapter


def others(root: Path, wanted: list[Point], folder: Path) -> list[tuple[Point, str]]:
    """List the runs of other grids that the folder holds, each with a remark if it is out of date."""
    files = [match for path in sorted(folder.iterdir()) if (match := RUN.fullmatch(path.name))]
    names = {match["chapter"] for match in files} & set(contents.chapters(root))
    sources = {name: build_book.chapter_digest(root, name) for name in names}
    known, found = {point.key for point in wanted}, []
    for match in files:
        notebook, name, key = grid_page.read(folder / match[0]), match["chapter"], match["key"]
        if notebook is not None and key not in known:
            parameters = dict(notebook.metadata.papermill.parameters)
            current = key == digest(sources.get(name, ""), parameters)
            found.append((Point(name, parameters, key), "" if current else "of an earlier state of the repository"))
            known.add(key)
    return sorted(found, key=lambda run: json.dumps(run[0].parameters, sort_keys=True))


# What a worker runs: it has this repository's environment, but not the folder of this file in its path.
def execute(source: str, parameters: dict, timeout: int) -> tuple[str | None, str | None]:
    """Execute a notebook's text; return the text as far as it ran, and where and why it failed if it did.

    Claims that are not met under these parameters are a result: the notebook says so, and has run to its end.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    # Third parties' deprecations would hide what matters.
    warnings.simplefilter("ignore", DeprecationWarning)
    message = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.ipynb"
        try:
            notebook = nbformat.reads(source, as_version=4)
            run_notebook(notebook, path, parameters=parameters, timeout=timeout)
        except papermill.PapermillExecutionError as error:
            # A claim that is missed under the chapter's own parameters stops it: no list of claims then.
            if error.ename != CLAIMS_NOT_MET or claims(nbformat.read(path, as_version=4)) is None:
                message = f"code cell [{error.exec_count}]: {error.ename}: {error.evalue}"
        except Exception as error:  # whatever stopped this point, the others go on
            message = f"{type(error).__name__}: {error}"
        return path.read_text() if path.is_file() else None, message


def run(
    root: Path, wanted: list[Point], folder: Path, pool: concurrent.futures.Executor, *, timeout: int
) -> dict[str, str]:
    """Execute the points that have no notebook yet; return the messages of those that failed, by key."""
    missing = [point for point in wanted if grid_page.read(folder / point.notebook) is None]
    sources = {
        name: nbformat.writes(jupytext.read(contents.chapter_file(root, name))) for name in {p.chapter for p in missing}
    }
    runs = {pool.submit(execute, sources[point.chapter], point.parameters, timeout): point for point in missing}
    failures = {}
    with tqdm(total=len(wanted), initial=len(wanted) - len(missing), unit="run") as progress:
        for done in concurrent.futures.as_completed(runs):
            point = runs[done]
            try:
                executed, message = done.result()
            except Exception as error:  # such as the loss of a cluster's worker
                executed, message = None, f"{type(error).__name__}: {error}"
            (folder / point.failed).unlink(missing_ok=True)
            if executed is not None:
                replace(folder / (point.failed if message else point.notebook), executed)
            if message:
                failures[point.key] = message
                tqdm.write(f"{point.chapter} {point.parameters}: FAILED in {message}")
            progress.update()
    return failures


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
    parser.add_argument("chapter", nargs="+", help="such as prediction")
    parser.add_argument(
        "-p",
        dest="grid",
        action="append",
        nargs="+",
        default=[],
        metavar=("NAME", "VALUE"),
        help="values of one parameter",
    )
    parser.add_argument("--jobs", type=build_book.positive, default=1, help="runs at a time (default: 1)")
    parser.add_argument(
        "--timeout",
        type=build_book.positive,
        default=CELL_TIMEOUT,
        metavar="SECONDS",
        help="a cell that runs longer counts as failed (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the notebooks and the page")
    parser.add_argument("--dask", metavar="ADDRESS", help="send the runs to the Dask scheduler there")
    options = parser.parse_args(arguments)
    names = contents.chapters(root)
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
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=options.out).close()
    except OSError as error:
        parser.error(f"--out must be a folder that can be written: {error}")
    failures = {}
    page = options.out / "index.html"
    try:
        with executor(options.dask, options.jobs) as pool:
            failures = run(root, wanted, options.out, pool, timeout=options.timeout)
    finally:
        rows = grid_page.rows(wanted, others(root, wanted, options.out), failures, options.out)
        replace(page, grid_page.render(rows, options.out))
    print(f"{grid_page.summary(grid_page.rows(wanted, [], failures, options.out))}: {page.resolve().as_uri()}")
    return 1 if failures else 0


@contextmanager
def executor(address: str | None, jobs: int) -> Iterator[concurrent.futures.Executor]:
    """Threads of this process, each of which waits for its kernel, or the workers of a Dask cluster."""
    if address is None:
        pool = concurrent.futures.ThreadPoolExecutor(jobs)
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return
    import cloudpickle
    from distributed import Client  # slow to import, and rarely asked for

    # Their folder is not in the path of the workers.
    for module in map(inspect.getmodule, (execute, run_notebook, claims)):
        cloudpickle.register_pickle_by_value(module)
    with Client(address) as client:
        yield client.get_executor()


if __name__ == "__main__":
    sys.exit(lifetime.supervise(main, kept="Finished runs are kept: the same command goes on from there."))
