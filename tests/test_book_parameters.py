"""Chapters say what their parameters may be, refuse anything else at once, and run under other sensible values."""

import re
import shlex
import warnings
from pathlib import Path

import jupytext
import papermill
import papermill.cli
import pytest
from _tools.build import chapter_parameters, contents
from _tools.build.notebook import run_notebook
from click.testing import CliRunner

from hierlib.chapters.parameters import check_parameters

ROOT = Path(__file__).parents[1]
CHAPTERS = contents.chapters(ROOT)

every_chapter = pytest.mark.parametrize("name", CHAPTERS)


def plain(text):
    """Table entry without its typography."""
    return re.sub(r"[`\"']|(?<=\d)[ _](?=\d{3}\b)", "", text)


@every_chapter
def test_table_states_the_defaults_and_the_ranges_that_are_checked(name):
    assert "| parameter | meaning | default | allowed |\n" in contents.chapter_file(ROOT, name).read_text()
    for parameter in chapter_parameters.read_chapter(ROOT, name).parameters:
        default, allowed = map(plain, parameter.stated)
        assert default == plain(str(parameter.default)), parameter.name
        # A seed may be any integer that numpy takes.
        assert ("at least 0" if allowed == "any" else allowed) == plain(parameter.allowed), parameter.name


@every_chapter
def test_check_comes_right_below_the_parameters_and_is_not_shown(name):
    cells = jupytext.read(contents.chapter_file(ROOT, name)).cells
    (position,) = [i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])]
    assert re.match(r"check_parameters\(\s*globals\(\),", cells[position + 1].source)
    assert cells[position + 1].metadata["tags"] == ["remove-cell"]


@every_chapter
def test_defaults_are_allowed(name):
    parameters = chapter_parameters.read_chapter(ROOT, name).parameters
    increasing = [parameter.name for parameter in parameters if parameter.increasing]
    specs = {parameter.name: parameter.spec for parameter in parameters}
    check_parameters({parameter.name: parameter.default for parameter in parameters}, increasing=increasing, **specs)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gama": 0.8}, r"gama \(= 0.8\) is not a parameter of this chapter; its parameters are: d, gamma, .*, seed\."),
        ({"gamma": 8}, r"gamma must be a finite number >= 0.0 and <= 1.5, got 8\."),
    ],
)
def test_papermill_stops_at_the_check_and_says_what_is_allowed(values, message, tmp_path):
    source = jupytext.read(ROOT / "book/foundations/prediction.md")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with pytest.raises(papermill.PapermillExecutionError) as failure:
            run_notebook(source, tmp_path / "out.ipynb", tmp_path, values)
    assert failure.value.source.startswith("check_parameters(")
    assert failure.value.ename == "ValueError"
    assert re.fullmatch(message, failure.value.evalue)


@every_chapter
def test_command_line_on_the_page_gives_papermill_every_default(name, monkeypatch):
    chapter = chapter_parameters.read_chapter(ROOT, name)
    called = {}
    monkeypatch.setattr(papermill.cli, "execute_notebook", lambda **arguments: called.update(arguments))
    program, *arguments = shlex.split(chapter.command.replace("\\\n", ""))
    assert program == "papermill"
    assert CliRunner().invoke(papermill.cli.papermill, arguments, catch_exceptions=False).exit_code == 0
    assert (called["input_path"], called["output_path"]) == (f"{chapter.page}.ipynb", "out.ipynb")
    assert called["parameters"] == {parameter.name: parameter.default for parameter in chapter.parameters}


def test_page_of_parameters_is_up_to_date():
    page = ROOT / f"{chapter_parameters.PAGE}.md"
    assert page.read_text() == chapter_parameters.page(ROOT, CHAPTERS), "make refresh writes it"


def test_messages_on_the_page_are_those_of_the_check():
    text = (ROOT / f"{chapter_parameters.PAGE}.md").read_text()
    parameters = chapter_parameters.read_chapter(ROOT, "prediction").parameters
    specs = {parameter.name: parameter.spec for parameter in parameters}
    for wrong in ({"gama": 0.8}, {"gamma": 8}):
        with pytest.raises(ValueError, match=r"gam") as refusal:
            check_parameters({parameter.name: parameter.default for parameter in parameters} | wrong, **specs)
        assert f"ValueError: {refusal.value}\n" in text


def test_every_chapter_has_a_measured_run_time():
    assert set(chapter_parameters.run_times(ROOT)) == set(CHAPTERS), "make run-times measures them"
