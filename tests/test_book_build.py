"""The build executes what changed, says which cell failed, and writes notebooks that are stable to the byte."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import jupytext
import nbformat
import papermill
import psutil
import pytest
from _tools.build import build_book, contents
from _tools.build.notebook import run_notebook

TOOLS = Path(build_book.__file__).parents[2]  # the folder that holds the package
SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")
HEADER = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""


def write_chapter(root, name, code):
    cell = f"```{{code-cell}}\n:tags: [parameters]\ncount = 3\n```\n\nProse.\n\n```{{code-cell}}\n{code}\n```\n"
    (root / f"book/part/{name}.md").write_text(f"{HEADER}\n# Title\n\n{cell}")


@pytest.fixture
def small_book(tmp_path):
    """A repository with two chapters, a library and stored data."""
    for folder in ("book/data", "book/part", "hierlib"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "hierlib/module.py").write_text("constant = 1\n")
    (tmp_path / "book/data/points.csv").write_text("1,2\n")
    (tmp_path / "requirements.txt").write_text("numpy==2.4.6\n")
    (tmp_path / "_toc.yml").write_text(
        textwrap.dedent("""\
            format: jb-book
            root: book/index
            parts:
              - caption: One
                chapters:
                  - file: book/part/first
              - caption: Two
                chapters:
                  - file: book/part/second
                  - file: book/api
            """)
    )
    write_chapter(tmp_path, "first", "print(count + 1)")
    write_chapter(tmp_path, "second", "print(count + 2)")
    return tmp_path


def built(root, capsys):
    """Execute what is stale; return the failures and the chapters that were executed."""
    failures = build_book.execute_stale(root, contents.chapters(root), jobs=2)
    lines = capsys.readouterr().out.splitlines()
    executed = {name for name in contents.chapters(root) for line in lines if f"{name}: executed" in line}
    return failures, executed


def test_pages_and_chapters_come_from_the_table_of_contents_in_reading_order(small_book):
    assert contents.table_of_contents(small_book) == [
        "book/index",
        "book/part/first",
        "book/part/second",
        "book/api",
    ]
    assert contents.chapters(small_book) == ["first", "second"]


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ("book/part/second.md", {"second"}),
        ("hierlib/module.py", {"first", "second"}),
        ("book/data/points.csv", {"first", "second"}),
        ("requirements.txt", {"first", "second"}),
        ("_toc.yml", set()),
    ],
)
def test_chapter_is_stale_exactly_when_something_it_depends_on_changed(small_book, changed, stale):
    names = contents.chapters(small_book)
    before = {name: build_book.chapter_digest(small_book, name) for name in names}
    path = small_book / changed
    path.write_text(path.read_text() + "\n")
    assert {name for name in names if build_book.chapter_digest(small_book, name) != before[name]} == stale


def test_unchanged_chapters_are_not_executed_again_and_a_new_module_counts_as_a_change(small_book, capsys):
    assert built(small_book, capsys) == ({}, {"first", "second"})
    assert built(small_book, capsys) == ({}, set())
    write_chapter(small_book, "first", "print(count + 3)")
    assert built(small_book, capsys) == ({}, {"first"})
    (small_book / "hierlib/other.py").touch()
    assert built(small_book, capsys) == ({}, {"first", "second"})


def test_failing_chapter_is_reported_with_its_cell_and_does_not_stop_the_others(small_book, capsys):
    write_chapter(small_book, "first", "total = count\nassert total == 4, 'not four'")
    assert build_book.main([], root=small_book) == 1
    printed = capsys.readouterr().out
    assert "first: FAILED in code cell [2] (cell 4 of the notebook):" in printed
    assert "    | total = count\n" in printed
    assert "AssertionError: not four" in printed
    assert "second: executed in" in printed
    assert "1 of 2 chapters failed: first" in printed
    # What ran is kept; what failed is tried again.
    write_chapter(small_book, "first", "print(count)")
    assert built(small_book, capsys) == ({}, {"first"})


def test_refreshed_notebook_is_the_source_with_outputs_and_identical_when_made_again(small_book):
    assert build_book.main(["--refresh", "--jobs", "2"], root=small_book) == 0
    twin = small_book / "book/part/first.ipynb"
    first = twin.read_bytes()
    notebook, source = nbformat.read(twin, as_version=4), jupytext.read(small_book / "book/part/first.md")
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in source.cells]
    assert [dict(cell.metadata) for cell in notebook.cells] == [dict(cell.metadata) for cell in source.cells]
    assert notebook.cells[-1].outputs[0].text == "4\n"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for stamp in (small_book / "_build/chapters").glob("*.stamp"):
        stamp.unlink()
    assert build_book.main(["--refresh"], root=small_book) == 0
    assert twin.read_bytes() == first


@pytest.mark.parametrize(("message", "attempts"), [("Kernel died before replying to kernel_info", 3), ("other", 1)])
def test_kernel_that_does_not_come_up_is_started_again_and_nothing_else_is(monkeypatch, tmp_path, message, attempts):
    called = []

    def fail(*_, **__):
        called.append(message)
        raise RuntimeError(message)

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    with pytest.raises(RuntimeError, match=message):
        run_notebook(Path("in.ipynb"), tmp_path / "out.ipynb", tmp_path)
    assert len(called) == attempts


def test_parameters_are_injected_into_a_refreshed_notebook(small_book):
    assert build_book.main(["--refresh"], root=small_book) == 0
    ran = papermill.execute_notebook(
        small_book / "book/part/first.ipynb", None, parameters={"count": 10}, progress_bar=False
    )
    assert ran.cells[-1].outputs[0].text == "11\n"


def test_pieces_of_one_stream_are_joined_and_different_streams_are_kept_apart():
    pieces = [
        nbformat.v4.new_output("stream", name=name, text=text)
        for name, text in [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]
    ]
    joined = [(output.name, output.text) for output in build_book.join_streams(pieces)]
    assert joined == [("stdout", "ab"), ("stderr", "c"), ("stdout", "d")]


def test_ctrl_c_ends_the_build_and_its_kernels_at_once_with_one_line_and_keeps_finished_chapters(small_book):
    # The second chapter starts processes of its own; the third one must not be started.
    started = "import os, pathlib, subprocess, time\nchild = subprocess.Popen(['sleep', '60'])\n"
    hang = f"pathlib.Path({str(small_book / 'pids')!r}).write_text(f'{{os.getpid()}} {{child.pid}}')\ntime.sleep(60)"
    write_chapter(small_book, "second", started + hang)
    write_chapter(small_book, "third", f"open({str(small_book / 'third')!r}, 'w').close()")
    toc = small_book / "_toc.yml"
    toc.write_text(toc.read_text() + "      - file: book/part/third\n")
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from _tools.build import build_book, lifetime\n"
        "main = lambda: build_book.main(['--jobs', '1'], root=Path(sys.argv[2]))\n"
        "sys.exit(lifetime.supervise(main, kept='Chapters are kept.'))"
    )
    command = [sys.executable, "-c", code, str(TOOLS), str(small_book)]
    # Its own process group, as a shell gives it: Ctrl-C goes to all of that, and to no kernel.
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    with subprocess.Popen(command, **options) as driver:
        pids = small_book / "pids"
        while not pids.exists() or not pids.read_text():
            assert driver.poll() is None
            time.sleep(0.1)
        running = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
        asked = time.monotonic()
        os.killpg(driver.pid, signal.SIGINT)
        printed, _ = driver.communicate(timeout=3)
        psutil.wait_procs(running, timeout=3)
        assert time.monotonic() - asked < 3
    assert driver.returncode == 130
    assert printed.splitlines()[1:] == ["Interrupted. Chapters are kept."]
    assert "first: executed" in printed.splitlines()[0]
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in running)
    assert (small_book / "_build/chapters/first.stamp").is_file()
    assert not (small_book / "_build/chapters/second.stamp").exists()
    assert not (small_book / "third").exists()


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5"])
def test_impossible_number_of_jobs_is_refused(small_book, jobs, capsys):
    with pytest.raises(SystemExit):
        build_book.main([f"--jobs={jobs}"], root=small_book)
    assert f"--jobs: must be an integer >= 1, got '{jobs}'" in capsys.readouterr().err
    assert not (small_book / "_build").exists()


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ("sphinx: {extra_extensions: [no_such_extension]}", "no_such_extension"),
        ("sphinx: {config: {html_theme: no_such_theme}}", "no_such_theme"),
        ("title: [", "expected the node content, but found '<stream end>'"),
    ],
)
def test_failed_rendering_shows_its_cause_and_one_line_for_all_pages_that_are_missing(
    small_book, settings, cause, capsys
):
    for name in ("index", "api"):
        (small_book / f"book/{name}.md").write_text("# Title\n")
    (small_book / "_config.yml").write_text(settings)
    assert built(small_book, capsys)[0] == {}
    assert not build_book.render(small_book)
    lines = capsys.readouterr().out.splitlines()
    assert any(cause in line for line in lines)
    assert [line for line in lines if "not written" in line] == [
        f"    not written: 4 of 4 pages, {small_book}/_build/html/book/index.html the first"
    ]
    assert len(lines) < 25
    assert lines[-1] == f"    full log: {small_book}/_build/html.log"


def test_warnings_are_all_shown_and_alone_where_nothing_crashed():
    warned = ["a.md:1: WARNING: one", "b.md:2: ERROR: two"]
    log = "\n".join(["reading", *warned, "writing", "", "returns a non-zero exit code"])
    assert build_book.causes(log) == warned
    crash = "\nTraceback (most recent call last):\n  File x\nKeyError: 'x'\n\nTraceback (most recent call last):\nY"
    assert build_book.causes(log + crash) == [*warned, "  File x", "KeyError: 'x'"]
    assert build_book.causes("one\n\ntwo\n") == ["one", "two"]


def test_unknown_chapter_is_refused(small_book, capsys):
    with pytest.raises(SystemExit):
        build_book.main(["missing"], root=small_book)
    assert "no such chapter: missing" in capsys.readouterr().err


def compare_stored_outputs(root):
    """Exit status of nbval over the small book."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", f"--nbval-sanitize-with={SANITIZE}"]
    return subprocess.run([*command, "book/part/first.ipynb"], cwd=root, capture_output=True, check=False).returncode


def test_comparison_of_stored_outputs_finds_a_changed_number_and_ignores_a_redrawn_image(small_book):
    show = 'from IPython.display import display\ndisplay({"image/png": "iVBORw0KGgoAAAA"}, raw=True)'
    write_chapter(small_book, "first", f"{show}\nprint(count + 1)")
    assert build_book.main(["--refresh", "first"], root=small_book) == 0
    twin = small_book / "book/part/first.ipynb"
    text = twin.read_text()
    redrawn, changed = text.replace("iVBORw0KGgoAAAA", "iVBORw0KGgoBBBB"), text.replace('"4\\n"', '"5\\n"')
    assert text not in (redrawn, changed)
    twin.write_text(redrawn)
    assert compare_stored_outputs(small_book) == 0
    twin.write_text(changed)
    assert compare_stored_outputs(small_book) == 1
