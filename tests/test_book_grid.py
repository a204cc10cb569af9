"""A grid of runs executes what is missing, says what failed, and collects what came out in one page."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from _tools.grid import page as grid_page
from _tools.grid import run as run_grid
from bs4 import BeautifulSoup

TOOLS = Path(run_grid.__file__).parents[2]  # the folder that holds the package

CHAPTER = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

(ch-small)=
# Small

```{code-cell}
import os
from IPython.display import display
def check_parameters(namespace, **allowed):  # the grid reads the call; the library would take two seconds to load
    pass
```

| parameter | meaning | default | allowed |
|---|---|---|---|
| `count` | a count | 3 | 0 to 9 |
| `values` | numbers | [1.5] | each at least 0 |

```{code-cell}
:tags: [parameters]
count = 3
values = [1.5]
```

```{code-cell}
:tags: [remove-cell]
check_parameters(globals(), defaults={"count": 3, "values": [1.5]}, count=(0, 9), values=[(0.0, None)])
```

```{code-cell}
:mystnb: {image: {alt: "A <dot>"}, figure: {name: fig-dot, caption: "One dot"}}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
display({"image/png": PICTURE, "text/plain": "dot"}, raw=True)
print("<total>", count * sum(values))
assert count != 9, "nine is too many"
```

```{code-cell}
:tags: [remove-cell]
class ClaimsNotMet(AssertionError):
    pass

if count in (5, 6):
    missed = ["claim-<b>"] if count == 6 else []
    claims = {"met": ["claim-a"], "missed": missed, "untested": ["claim-c"]}
    display({"application/vnd.hierlib.claims+json": claims}, raw=True)
if count in (6, 7):
    raise ClaimsNotMet("claim-<b>: measured 6")
```

```{code-cell}
if count == 8:
    import subprocess, time
    from pathlib import Path
    child = subprocess.Popen(["sleep", "60"])
    Path("PIDS").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)
```
"""


@pytest.fixture
def book(tmp_path):
    """A repository with two chapters and a library."""
    for folder in ("book/part", "hierlib"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "_toc.yml").write_text("root: book/index\nchapters: [{file: book/part/one}, {file: book/part/two}]\n")
    for name in ("one", "two"):
        (tmp_path / f"book/part/{name}.md").write_text(CHAPTER.replace("PIDS", str(tmp_path / "pids")))
    return tmp_path


def grid(book, *arguments):
    """Exit status of the command line, and the page it wrote."""
    status = run_grid.main([*arguments, "--out", str(book / "grid")], root=book)
    return status, BeautifulSoup((book / "grid/index.html").read_text(), "html.parser")


def executed(book):
    return sorted(path.name for path in (book / "grid").glob("*.ipynb"))


def test_every_combination_is_executed_and_collected(book):
    options = ["-p", "count", "2", "-p", "values", "[1.5]", "[1, 2]", "--jobs", "2"]
    status, page = grid(book, "one", "two", *options)
    assert status == 0
    assert "4 of 4 runs done." in page.text
    printed = [re.search("<total> (.*)", text.text)[1] for text in page.find_all("pre")]
    assert printed == 2 * ["3.0", "6"]
    rows = [[cell.text for cell in row.find_all("td")] for row in page.find_all("tr")]
    # Chapters without a list of claims, as older ones, show a dash.
    assert [row[:3] for row in rows if row] == 2 * [["2", "[1.5]", "-"], ["2", "[1, 2]", "-"]]
    links = {link["href"] for link in page.find_all("a")}
    assert links == set(executed(book))
    images = page.find_all("img")
    assert len(images) == 4
    assert {image["alt"] for image in images} == {"A <dot>"}
    # Self-contained: nothing but the notebooks beside it is referred to.
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert page.find_all("script") == []


def test_finished_runs_are_skipped_until_their_chapter_or_the_library_changes(book):
    grid(book, "one", "-p", "count", "1")
    times = {path.name: path.stat().st_mtime_ns for path in (book / "grid").glob("*.ipynb")}
    status, page = grid(book, "one", "-p", "count", "1")
    assert status == 0
    assert "1 of 1 runs done." in page.text
    assert {path.name: path.stat().st_mtime_ns for path in (book / "grid").glob("*.ipynb")} == times
    before = run_grid.points(book, ["one"], {"count": [1]})
    (book / "hierlib/module.py").write_text("constant = 1\n")
    assert run_grid.points(book, ["one"], {"count": [1]})[0].key != before[0].key


def test_failed_run_is_listed_with_its_message_and_tried_again(book):
    status, page = grid(book, "one", "-p", "count", "4", "9")
    assert status == 1
    assert "1 of 2 runs done." in page.text
    assert "code cell [5]: AssertionError: nine is too many" in page.text
    whole, failed = executed(book)
    assert failed.endswith(".failed.ipynb") != whole.endswith(".failed.ipynb")
    assert {link["href"] for link in page.find_all("a")} == {whole, failed}
    (point,) = run_grid.points(book, ["one"], {"count": [9]})
    assert "<total> 13.5" in grid_page.printed(nbformat.read(book / "grid" / point.failed, as_version=4))
    with run_grid.executor(None, 1) as pool:
        failures = run_grid.run(book, [point], book / "grid", pool, timeout=60)
    assert failures == {point.key: "code cell [5]: AssertionError: nine is too many"}


def test_no_half_written_notebook_is_taken_for_a_finished_one(book, monkeypatch):
    def killed(self, text):
        with self.open("w") as file:
            file.write(text[:10])
        raise KeyboardInterrupt

    (point,) = run_grid.points(book, ["one"], {"count": [1]})
    monkeypatch.setattr(type(book), "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        run_grid.replace(book / point.notebook, "x" * 100)
    assert not (book / point.notebook).exists()


def test_point_that_was_not_reached_is_said_to_be_not_run(book):
    points = run_grid.points(book, ["one"], {"count": [1, 2]})
    page = grid_page.render(grid_page.rows(points, [], {}, book), book)
    assert page.count("<td>not run</td>") == 2
    assert "<p>0 of 2 runs done.</p>" in page


def table(page):
    """Rows of the page's tables without their last column."""
    return [[cell.text for cell in row.find_all("td")][:-1] for row in page.find_all("tr") if row.find("td")]


def test_claims_met_and_missed_are_listed_and_a_missed_claim_is_a_result_and_no_failure(book, capsys):
    status, page = grid(book, "one", "-p", "count", "5", "6")
    assert status == 0
    verdicts = ["1 met; untested: claim-c", "1 met; missed: claim-<b>; untested: claim-c"]
    assert table(page) == [["5", verdicts[0]], ["6", verdicts[1]]]
    assert "2 of 2 runs done, claims missed in 1" in page.text
    assert "2 of 2 runs done, claims missed in 1: file:" in capsys.readouterr().out
    assert not any(name.endswith(".failed.ipynb") for name in executed(book))
    times = {path: path.stat().st_mtime_ns for path in (book / "grid").glob("*.ipynb")}
    assert grid(book, "one", "-p", "count", "5", "6")[0] == 0
    assert {path: path.stat().st_mtime_ns for path in (book / "grid").glob("*.ipynb")} == times


def test_claim_that_stops_a_chapter_before_its_list_of_claims_is_a_failure(book):
    status, page = grid(book, "one", "-p", "count", "7")
    assert status == 1
    assert "ClaimsNotMet: claim-<b>: measured 6" in page.text
    assert table(page) == [["7", "-"]]


def test_second_grid_in_a_folder_keeps_the_first_one_on_the_page(book):
    grid(book, "one", "-p", "count", "1", "9")
    (book / "grid/notes.ipynb").write_text("{}")  # somebody's own file
    status, page = grid(book, "one", "-p", "values", "[2]", "--jobs", "2")
    assert status == 0
    assert table(page) == [["[2]", "default", "-"], ["default", "1", "-"], ["default", "9", "-"]]
    assert "2 of 3 runs done" in page.text
    assert "AssertionError: nine is too many" in page.text
    assert "earlier state" not in page.text
    (book / "hierlib/module.py").write_text("constant = 1\n")
    status, page = grid(book, "one", "-p", "count", "1")
    assert "2 of 4" not in page.text
    assert "3 of 4 runs done" in page.text
    assert page.text.count("of an earlier state of the repository") == 3


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"cells": [], "nbformat": 4, "nbformat_minor": 5}'])
def test_notebook_that_is_none_is_computed_again(book, content):
    (point,) = run_grid.points(book, ["one"], {"count": [1]})
    (book / "grid").mkdir()
    (book / "grid" / point.notebook).write_text(content)
    (book / "grid/one-0123456789ab.ipynb").write_text(content)
    status, page = grid(book, "one", "-p", "count", "1")
    assert status == 0
    assert table(page) == [["1", "-"]]
    assert grid_page.read(book / "grid" / point.notebook) is not None


def test_cell_that_hangs_is_stopped_and_the_run_counts_as_failed(book):
    status, page = grid(book, "one", "-p", "count", "8", "--timeout", "2")
    assert status == 1
    assert "timed out" in page.text
    assert "after 2 seconds" in page.text
    assert [name.endswith(".failed.ipynb") for name in executed(book)] == [True]


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_kernels_and_their_children_end_with_the_grid_and_finished_runs_stay(book, how, status):
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from _tools.build import lifetime; from _tools.grid import run as run_grid\n"
        "main = lambda: run_grid.main(sys.argv[3:], root=Path(sys.argv[2]))\n"
        "sys.exit(lifetime.supervise(main, kept='Runs are kept.'))"
    )
    options = ["one", "-p", "count", "1", "8", "--out", str(book / "grid"), "--timeout", "50"]
    command = [sys.executable, "-c", code, str(TOOLS), str(book), *options]
    # Its own process group, as a shell gives it: Ctrl-C goes to all of that, and to no kernel.
    driver = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)
    while not (book / "pids").exists() or not (book / "pids").read_text():
        assert driver.poll() is None
        time.sleep(0.1)
    running = [psutil.Process(int(pid)) for pid in (book / "pids").read_text().split()]
    asked = time.monotonic()
    os.killpg(driver.pid, how)
    assert driver.wait(timeout=3) == status
    psutil.wait_procs(running, timeout=3)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in running)
    assert time.monotonic() - asked < 3
    (whole,) = executed(book)
    assert grid_page.read(book / "grid" / whole) is not None
    if how == signal.SIGINT:
        assert driver.stdout.read().splitlines() == ["Interrupted. Runs are kept."]
        page = BeautifulSoup((book / "grid/index.html").read_text(), "html.parser")
        assert "1 of 2 runs done" in page.text
    driver.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["three"], "no such chapter: three"),
        (["one", "-p", "count"], "no value given for: count"),
        (["one", "-p", "cout", "1"], r"one: cout \(= 1\) is not a parameter of this chapter"),
        (["one", "-p", "count", "1", "10"], "one: count must be an integer >= 0 and <= 9, got 10"),
        (["one", "--jobs", "0"], "--jobs: must be an integer >= 1, got '0'"),
        (["one", "--timeout", "-1"], "--timeout: expected|--timeout: must be an integer >= 1"),
        (["one", "--timeout", "soon"], "--timeout: must be an integer >= 1, got 'soon'"),
        (["one", "-p", "count", "many"], "one: count must be an integer >= 0 and <= 9, got 'many'"),
    ],
)
def test_what_a_chapter_does_not_allow_is_refused_before_anything_runs(book, arguments, message, capsys):
    with pytest.raises(SystemExit):
        grid(book, *arguments)
    assert re.search(message, capsys.readouterr().err)
    assert not (book / "grid").exists()


@pytest.mark.parametrize("out", ["taken", "taken/below", "/proc/grid"])
def test_folder_that_cannot_be_written_is_refused_before_anything_runs(book, out, capsys):
    (book / "taken").touch()
    with pytest.raises(SystemExit):
        run_grid.main(["one", "--out", str(book / out)], root=book)
    assert "--out must be a folder that can be written: " in capsys.readouterr().err


def test_runs_go_to_a_dask_cluster_when_asked(book):
    distributed = pytest.importorskip("distributed")
    # Two runs at once in one process; the dashboard on any free port, for tests that run at the same time.
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**options) as cluster:
        status, page = grid(book, "one", "-p", "count", "1", "2", "--dask", cluster.scheduler_address)
    assert status == 0
    assert "2 of 2 runs done." in page.text
