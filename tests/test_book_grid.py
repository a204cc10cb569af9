"""A grid of runs executes what is missing, says what failed, and collects what came out in one page."""

import re

import grid_page
import nbformat
import pytest
import run_grid
from bs4 import BeautifulSoup

CHAPTER = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

(ch-small)=
# Small

```{code-cell}
from pathlib import Path
from IPython.display import display
from hierlib.parameters import check_parameters
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
check_parameters(globals(), count=(0, 9), values=[(0.0, None)])
```

```{code-cell}
:mystnb: {image: {alt: "A <dot>"}, figure: {name: fig-dot, caption: "One dot"}}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
display({"image/png": PICTURE, "text/plain": "dot"}, raw=True)
print("<total>", count * sum(values))
assert count != 9, "nine is too many"
```
"""


@pytest.fixture
def book(tmp_path):
    """A repository with two chapters and a library."""
    for folder in ("book", "hierlib"):
        (tmp_path / folder).mkdir()
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "_toc.yml").write_text("root: book/index\nchapters: [{file: book/01_one}, {file: book/02_two}]\n")
    for name in ("01_one", "02_two"):
        (tmp_path / f"book/{name}.md").write_text(CHAPTER)
    return tmp_path


def grid(book, *arguments):
    """Exit status of the command line, and the page it wrote."""
    status = run_grid.main([*arguments, "--out", str(book / "grid")], root=book)
    return status, BeautifulSoup((book / "grid/index.html").read_text(), "html.parser")


def executed(book):
    return sorted(path.name for path in (book / "grid").glob("*.ipynb"))


def test_every_combination_is_executed_and_collected(book):
    options = ["-p", "count", "2", "-p", "values", "[1.5]", "[1, 2]", "--jobs", "2"]
    status, page = grid(book, "01_one", "02_two", *options)
    assert status == 0
    assert "4 done, 0 failed, 0 not run." in page.text
    printed = [re.search("<total> (.*)", text.text)[1] for text in page.find_all("pre")]
    assert printed == 2 * ["3.0", "6"]
    rows = [[cell.text for cell in row.find_all("td")] for row in page.find_all("tr")]
    assert [row[:2] for row in rows if row] == 2 * [["2", "[1.5]"], ["2", "[1, 2]"]]
    links = {link["href"] for link in page.find_all("a")}
    assert links == set(executed(book))
    images = page.find_all("img")
    assert len(images) == 4
    assert {image["alt"] for image in images} == {"A <dot>"}
    # Self-contained: nothing but the notebooks beside it is referred to.
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert page.find_all("script") == []


def test_finished_runs_are_skipped_until_their_chapter_or_the_library_changes(book):
    grid(book, "01_one", "-p", "count", "1")
    times = {path.name: path.stat().st_mtime_ns for path in (book / "grid").glob("*.ipynb")}
    status, page = grid(book, "01_one", "-p", "count", "1")
    assert status == 0
    assert "1 done, 0 failed, 0 not run." in page.text
    assert {path.name: path.stat().st_mtime_ns for path in (book / "grid").glob("*.ipynb")} == times
    before = run_grid.points(book, ["01_one"], {"count": [1]})
    (book / "hierlib/module.py").write_text("constant = 1\n")
    assert run_grid.points(book, ["01_one"], {"count": [1]})[0].key != before[0].key


def test_failed_run_is_listed_with_its_message_and_tried_again(book):
    status, page = grid(book, "01_one", "-p", "count", "8", "9")
    assert status == 1
    assert "1 done, 1 failed, 0 not run." in page.text
    assert "code cell [5]: AssertionError: nine is too many" in page.text
    whole, failed = executed(book)
    assert failed.endswith(".failed.ipynb") != whole.endswith(".failed.ipynb")
    assert {link["href"] for link in page.find_all("a")} == {whole, failed}
    (point,) = run_grid.points(book, ["01_one"], {"count": [9]})
    assert "<total> 13.5" in grid_page.printed(nbformat.read(book / "grid" / point.failed, as_version=4))
    assert run_grid.run(book, [point], book / "grid", jobs=1) == {
        point.key: "code cell [5]: AssertionError: nine is too many"
    }


def test_no_half_written_notebook_is_taken_for_a_finished_one(book, monkeypatch):
    def killed(self, text):
        with self.open("w") as file:
            file.write(text[:10])
        raise KeyboardInterrupt

    (point,) = run_grid.points(book, ["01_one"], {"count": [1]})
    monkeypatch.setattr(type(book), "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        run_grid.replace(book / point.notebook, "x" * 100)
    assert not (book / point.notebook).exists()


def test_point_that_was_not_reached_is_said_to_be_not_run(book):
    points = run_grid.points(book, ["01_one"], {"count": [1, 2]})
    assert grid_page.render(points, {}, book).count("<td>not run</td>") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["03_three"], "no such chapter: 03_three"),
        (["01_one", "-p", "count"], "no value given for: count"),
        (["01_one", "-p", "cout", "1"], r"01_one: cout \(= 1\) is not a parameter of this chapter"),
        (["01_one", "-p", "count", "1", "10"], "01_one: count must be an integer >= 0 and <= 9, got 10"),
        (["01_one", "-p", "count", "many"], "01_one: count must be an integer >= 0 and <= 9, got 'many'"),
    ],
)
def test_what_a_chapter_does_not_allow_is_refused_before_anything_runs(book, arguments, message, capsys):
    with pytest.raises(SystemExit):
        grid(book, *arguments)
    assert re.search(message, capsys.readouterr().err)
    assert not (book / "grid").exists()


def test_runs_go_to_a_dask_cluster_when_asked(book):
    distributed = pytest.importorskip("distributed")
    # Two runs at once in one process; the dashboard on any free port, for tests that run at the same time.
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**options) as cluster:
        status, page = grid(book, "01_one", "-p", "count", "1", "2", "--dask", cluster.scheduler_address)
    assert status == 0
    assert "2 done, 0 failed, 0 not run." in page.text
