r"""Execute the chapters that changed, then render the book.

A chapter ``book/<part>/<name>.md`` is executed into ``_build/chapters/<name>.ipynb`` and stamped with a hash of all
that its numbers depend on: its own source, the library, the stored data and the pinned requirements. It is
executed again only when that hash changes, so an interrupted or failed build goes on where it stopped.
``--refresh`` copies the executed notebooks over their committed twins ``book/<part>/<name>.ipynb``; nothing ever
flows back from a notebook to its source.
"""

from __future__ import annotations

import argparse
import base64
import concurrent.futures
import hashlib
import logging
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import jupytext
import nbformat
import papermill
from selenium.common.exceptions import WebDriverException

from _tools.build import chapter_parameters, edition, lifetime, print_book
from _tools.build.contents import chapter_file, chapters, table_of_contents
from _tools.build.notebook import THREAD_VARIABLES, run_notebook

ROOT = Path(__file__).resolve().parents[3]
FRONT_PICTURE = ("prediction", "fig-prediction-curves")
FRONT_PICTURE_FILE = "book/_static/result.png"
SHOWN_LINES = 6  # of the source of a failing cell
SHOWN_LOG = 15  # lines of the end of a log


class ChapterError(Exception):
    """A chapter did not run to its end; the message says in which cell and why."""


def digest(root: Path, paths: list[Path]) -> str:
    """Hash the names and the contents of `paths`, and the Python that runs them."""
    state = hashlib.sha256(sys.version.encode())
    for path in sorted(paths):
        state.update(f"\0{path.relative_to(root)}\0".encode())
        state.update(path.read_bytes())
    return state.hexdigest()


def library_files(root: Path) -> list[Path]:
    """Everything outside the pages that a printed number or an API page can depend on."""
    return [
        *(root / "hierlib").rglob("*.py"),
        # No page reads the table of the ranges, which grows by a row at a time.
        *(path for path in (root / "book/data").rglob("*") if path.is_file() and path.name != "ranges.csv"),
        root / "requirements.txt",
    ]


def chapter_digest(root: Path, name: str) -> str:
    """Hash of all that the outputs of one chapter depend on."""
    return digest(root, [chapter_file(root, name), *library_files(root)])


def execute(root: Path, name: str) -> float:
    """Run one chapter into ``_build/chapters`` and return the seconds it took."""
    logging.getLogger("papermill").setLevel(logging.ERROR)
    # Third parties' deprecations, on standard error of a build, would hide what matters.
    warnings.simplefilter("ignore", DeprecationWarning)
    started = time.monotonic()
    folder = root / "_build/chapters"
    target = folder / f"{name}.ipynb"
    stamp = target.with_suffix(".stamp")
    stamp.unlink(missing_ok=True)
    wanted = chapter_digest(root, name)
    source = jupytext.read(chapter_file(root, name))
    failed = folder / f"{name}.failed.ipynb"
    try:
        # In _build, so that a chapter that reads a file by a relative path fails here and not at a reader's.
        executed = run_notebook(source, failed, folder)
    except papermill.PapermillExecutionError as error:
        raise ChapterError(describe(error, failed.relative_to(root))) from None
    failed.unlink()
    nbformat.write(clean(source, executed), target)
    stamp.write_text(wanted)
    return time.monotonic() - started


def describe(error: papermill.PapermillExecutionError, notebook: Path) -> str:
    """Say which cell failed, how it starts, and the error."""
    lines = error.source.strip().splitlines()
    shown = [f"    | {line}" for line in lines[:SHOWN_LINES]] + ["    | ..."] * (len(lines) > SHOWN_LINES)
    return "\n".join(
        [
            f"code cell [{error.exec_count}] (cell {error.cell_index + 1} of the notebook):",
            *shown,
            f"    {error.ename}: {error.evalue}",
            f"    full traceback: {notebook}",
        ]
    )


def clean(source: nbformat.NotebookNode, executed: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Put the outputs of `executed` into the cells of `source`: no timings, no run metadata, stable ids."""
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": dict(source.metadata["kernelspec"]),
            "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        }
    )
    for number, (cell, ran) in enumerate(zip(source.cells, executed.cells, strict=True)):
        fresh = nbformat.from_dict(dict(cell, id=f"c{number:03d}"))
        if cell.cell_type == "code":
            fresh.execution_count = ran.execution_count
            fresh.outputs = join_streams(ran.outputs)
        notebook.cells.append(fresh)
    return notebook


def join_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Merge neighbouring pieces of one stream: where a stream is cut depends on the kernel's timing."""
    joined: list[nbformat.NotebookNode] = []
    for output in outputs:
        previous = joined[-1] if joined else None
        if previous and output.output_type == previous.output_type == "stream" and output.name == previous.name:
            previous.text += output.text
        else:
            joined.append(nbformat.from_dict(output))
    return joined


def execute_stale(root: Path, names: list[str], *, jobs: int) -> dict[str, str]:
    """Execute the chapters whose stamp is out of date, `jobs` at a time; return the failures by chapter."""
    folder = root / "_build/chapters"
    folder.mkdir(parents=True, exist_ok=True)
    stale = []
    for name in names:
        stamp = folder / f"{name}.stamp"
        if stamp.is_file() and stamp.read_text() == chapter_digest(root, name):
            print(f"  {name}: up to date", flush=True)
        else:
            stale.append(name)
    # Longest first, so that no core waits long at the end.
    times = chapter_parameters.run_times(root)
    stale.sort(key=lambda name: -float(times.get(name, 0)))
    failures = {}
    # Threads: each only waits for its kernel, which is a process of its own.
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=jobs)
    try:
        runs = {pool.submit(execute, root, name): name for name in stale}
        for done, run in enumerate(concurrent.futures.as_completed(runs), start=1):
            name, progress = runs[run], f"[{done}/{len(stale)}]"
            try:
                print(f"  {progress} {name}: executed in {run.result():.1f} s", flush=True)
            except Exception as error:  # whatever stopped this chapter, the others go on
                failures[name] = str(error) if isinstance(error, ChapterError) else f"{type(error).__name__}: {error}"
                print(f"  {progress} {name}: FAILED in {failures[name]}", flush=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return failures


def stage(root: Path) -> Path:
    """Lay out what Sphinx reads: the pages as they are, the chapters as just executed."""
    staged = root / "_build/source"
    shutil.rmtree(staged, ignore_errors=True)
    ignore = shutil.ignore_patterns("*.ipynb", "_tools", "data", "run_times.csv", "__pycache__", ".*")
    shutil.copytree(root / "book", staged / "book", ignore=ignore)
    if chapter_parameters.PAGE in table_of_contents(root):
        chapter_parameters.write_page(root, chapters(root), staged)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, staged)
    for name in chapters(root):
        chapter_file(staged, name).unlink()
        shutil.copy(root / f"_build/chapters/{name}.ipynb", chapter_file(staged, name, ".ipynb"))
    return staged


def render(root: Path) -> bool:
    """Render the staged book to ``_build/html``; warnings are errors. Return whether it is complete."""
    staged = stage(root)
    stamp = root / "_build/html.stamp"
    # The build's own version of Sphinx and the theme is in requirements.txt, the API pages' text in hierlib.
    wanted = digest(root, [*(path for path in staged.rglob("*") if path.is_file()), *library_files(root)])
    if stamp.is_file() and stamp.read_text() == wanted and rendered_before(root, stamp):
        print("  html: up to date", flush=True)
        return True
    stamp.unlink(missing_ok=True)
    shutil.rmtree(root / "_build/html", ignore_errors=True)
    started = time.monotonic()
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(staged)]
    options = ["--path-output", str(root), "--all", "-W", "-n", "--keep-going"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)  # coloured even without a terminal
    log = root / "_build/html.log"
    log.write_text(output)
    missing = [page for page in rendered(root) if not page.is_file() or page.stat().st_size == 0]
    if done.returncode or missing:
        found = causes(output)
        if missing:
            found.append(f"not written: {len(missing)} of {len(rendered(root))} pages, {missing[0]} the first")
        print("\n    ".join(["  html: FAILED", *found, f"full log: {log}"]), flush=True)
        return False
    stamp.write_text(wanted)
    print(f"  html: rendered in {time.monotonic() - started:.1f} s", flush=True)
    return True


def causes(log: str) -> list[str]:
    """Lines of a log that say why a rendering failed: its warnings, and the exception that the others followed from."""
    found = [line for line in log.splitlines() if re.search("WARNING|ERROR", line)]
    _, crashed, first = log.partition("Traceback (most recent call last):")
    if found and not crashed:
        return found
    end = [line for line in (first.partition("\n\n")[0] or log).splitlines() if line.strip()]
    return found + end[-SHOWN_LOG:]


def rendered(root: Path) -> list[Path]:
    """List the rendered pages that the table of contents asks for."""
    return [root / f"_build/html/{page}.html" for page in table_of_contents(root)]


def rendered_before(root: Path, stamp: Path) -> bool:
    """Tell whether all pages are there and no other command, `jupyter-book build .`, wrote over them since."""
    written = stamp.stat().st_mtime
    return all(page.is_file() and page.stat().st_mtime <= written for page in rendered(root))


def offer_pdf(root: Path) -> None:
    """Print the book unless its PDF is there; a failure costs the PDF, not the book."""
    if (root / "_build/html" / print_book.PDF).is_file():
        print("  pdf: up to date", flush=True)
        return
    started = time.monotonic()
    try:
        sheets = print_book.print_book(root)
    except WebDriverException as error:
        print(f"  pdf: FAILED, left out: {error.msg}", flush=True)
        return
    done = (
        f"{sheets} pages in {time.monotonic() - started:.1f} s" if sheets else "left out, no Chromium with its driver"
    )
    print(f"  pdf: {done}", flush=True)


def refresh(root: Path, names: list[str]) -> None:
    """Copy the executed notebooks over their committed twins."""
    for name in names:
        twin, executed = chapter_file(root, name, ".ipynb"), (root / f"_build/chapters/{name}.ipynb").read_bytes()
        if not twin.is_file() or twin.read_bytes() != executed:
            twin.write_bytes(executed)
            print(f"  {twin.relative_to(root)}: written", flush=True)
    if chapter_parameters.PAGE in table_of_contents(root) and chapter_parameters.write_page(root, chapters(root), root):
        print(f"  {chapter_parameters.PAGE}.md: written", flush=True)
    if FRONT_PICTURE[0] in names:
        (root / FRONT_PICTURE_FILE).write_bytes(front_picture(root))


def front_picture(root: Path) -> bytes:
    """Read the figure that the README and the front page show out of its committed notebook."""
    chapter, name = FRONT_PICTURE
    for cell in nbformat.read(chapter_file(root, chapter, ".ipynb"), as_version=4).cells:
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == name:
            (picture,) = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
            return base64.b64decode(picture)
    msg = f"{chapter} has no figure {name}."
    raise ValueError(msg)


def positive(text: str) -> int:
    """Integer of the command line that is at least 1."""
    if not text.isdecimal() or int(text) < 1:
        msg = f"must be an integer >= 1, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapter", nargs="*", help="only execute these, such as prediction")
    parser.add_argument("--refresh", action="store_true", help="write book/<part>/<name>.ipynb instead of the HTML")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("--jobs", type=positive, default=cores, help="chapters executed at a time (default: cores)")
    options = parser.parse_args(arguments)
    known = chapters(root)
    names = options.chapter or known
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no such chapter: {', '.join(unknown)}")
    for variable in THREAD_VARIABLES:
        # One core a chapter: as many chapters run at once as there are cores.
        os.environ[variable] = "1"
    failures = execute_stale(root, names, jobs=options.jobs)
    if failures:
        print(f"{len(failures)} of {len(names)} chapters failed: {', '.join(sorted(failures))}")
        return 1
    if options.refresh:
        refresh(root, names)
    if options.refresh or options.chapter:
        return 0
    if not render(root):
        return 1
    edition.sign(root)
    offer_pdf(root)
    print(f"Open the book: {(root / '_build/html/index.html').as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(lifetime.supervise(main, kept="Finished chapters are kept: the same command goes on from there."))
