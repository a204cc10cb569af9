"""Every chapter's source obeys the book's layout, and its committed notebook is that source, executed."""

import ast
import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from _tools.build import build_book, contents

ROOT = Path(__file__).parents[1]
SOURCES = [contents.chapter_file(ROOT, name) for name in contents.chapters(ROOT)]
HEADER = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""
LONGEST_CELL = 25  # lines

CLAIM = re.compile(r"^```\{prf:observation\} \S.*\n:label: (claim-[a-z0-9-]+)$", re.MULTILINE)

every_chapter = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def content(notebook):
    """What a source and its executed twin have in common."""
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


def tags(cell):
    return cell.metadata.get("tags", [])


def checked(cell):
    """Labels that a cell gives to `check_claim`."""
    calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
    return {ast.literal_eval(call.args[0]) for call in calls if getattr(call.func, "id", "") == "check_claim"}


def test_table_of_contents_lists_exactly_the_chapters_that_exist():
    assert set(SOURCES) == set((ROOT / "book").glob("*/*.md"))


def test_no_notebook_is_left_without_its_source():
    assert {path.with_suffix(".md") for path in (ROOT / "book").rglob("*.ipynb")} <= set(SOURCES)


def test_no_two_chapters_have_one_name():
    assert len({source.stem for source in SOURCES}) == len(SOURCES)


@every_chapter
def test_order_of_the_chapters_is_in_the_table_of_contents_alone(source):
    """A chapter that comes first today may come later: sentences name others by their label."""
    assert not re.search(r"next chapters?\b|previous chapter|chapters? before|Next: |Chapter \d", source.read_text())


def test_front_picture_is_the_figure_of_its_chapter():
    assert (ROOT / build_book.FRONT_PICTURE_FILE).read_bytes() == build_book.front_picture(ROOT)


@every_chapter
def test_committed_notebook_has_the_cells_of_its_source(source):
    twin = source.with_suffix(".ipynb")
    assert twin.is_file(), f"{twin.name} is missing: run `make refresh`."
    assert content(nbformat.read(twin, as_version=4)) == content(jupytext.read(source)), (
        f"{twin.name} is out of date: run `make refresh`."
    )


@every_chapter
def test_committed_notebook_is_executed_from_top_to_bottom_without_errors_or_warnings(source):
    cells = code_cells(nbformat.read(source.with_suffix(".ipynb"), as_version=4))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    bad = [
        (cell.execution_count, output.get("ename") or output.get("text"))
        for cell in cells
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert not bad


@every_chapter
def test_header_and_label_are_the_common_ones(source):
    text = source.read_text()
    assert text.startswith(HEADER)
    assert re.match(r"\n*\(ch-[a-z0-9-]+\)=\n# \S", text.removeprefix(HEADER))


@every_chapter
def test_every_parameter_is_a_literal_documented_in_a_table_above(source):
    cells = jupytext.read(source).cells
    (position,) = [index for index, cell in enumerate(cells) if "parameters" in tags(cell)]
    prose = "\n".join(cell.source for cell in cells[:position] if cell.cell_type == "markdown")
    rows = [line.split("|")[1] for line in prose.splitlines() if line.strip().startswith("|")]
    documented = set(re.findall(r"`(\w+)`", " ".join(rows)))
    names = []
    for statement in ast.parse(cells[position].source).body:
        assert isinstance(statement, ast.Assign)
        ast.literal_eval(statement.value)
        names += [target.id for target in statement.targets]
    assert names
    assert set(names) <= documented


@every_chapter
def test_code_cells_are_short_and_parted_by_prose(source):
    cells = jupytext.read(source).cells
    long = [cell.source for cell in code_cells(jupytext.read(source)) if cell.source.count("\n") >= LONGEST_CELL]
    assert not long
    # The parameters are spoken for by their table; a plot's folded source is not in the way.
    apart = {"remove-cell", "hide-cell", "hide-input", "parameters"}
    shown = [cell.cell_type == "code" and not apart & set(tags(cell)) for cell in cells]
    touching = [cells[index + 1].source for index in range(len(cells) - 1) if shown[index] and shown[index + 1]]
    assert not touching


@every_chapter
def test_every_figure_has_a_name_a_caption_and_a_description(source):
    for cell in code_cells(nbformat.read(source.with_suffix(".ipynb"), as_version=4)):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            rendering = cell.metadata.get("mystnb", {})
            assert rendering.get("image", {}).get("alt"), f"no alt text: {cell.source[:200]}"
            if "hide-output" in tags(cell):  # a folded solution: nothing refers to it
                continue
            assert rendering.get("figure", {}).get("name", "").startswith("fig-"), cell.source[:200]
            assert rendering["figure"].get("caption"), cell.source[:200]


@every_chapter
def test_place_in_the_paper_is_said_right_below_the_answer(source):
    opening = source.read_text().split("```{code-cell}")[0]
    box = "\n\n```{admonition} In the paper\n:class: seealso\n"
    assert opening.count(box) == 1
    assert opening.index("\n*Question.*") < opening.index("\n*Answer.*") < opening.index(box)


@every_chapter
def test_every_claim_is_numbered_and_checked_and_every_check_names_a_claim(source):
    claims = CLAIM.findall(source.read_text())
    labels = {label for cell in code_cells(jupytext.read(source)) for label in checked(cell)}
    assert 2 <= len(claims) <= 5
    assert len(set(claims)) == len(claims)
    assert set(claims) == {label for label in labels if label.startswith("claim-")}
