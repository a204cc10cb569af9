"""Chapters say what their parameters may be, refuse anything else at once, and run under other sensible values."""

import re
import shlex
import warnings
from pathlib import Path

import build_book
import chapter_parameters
import jupytext
import papermill
import papermill.cli
import pytest
from click.testing import CliRunner

from hierlib.parameters import check_parameters

ROOT = Path(__file__).parents[1]
CHAPTERS = build_book.chapters(ROOT)

# A chapter, and parameters that differ from its defaults.
CASES: list[tuple[str, dict]] = [
    ("01_target", {"q": 3, "d": 20, "n_samples": 8000}),
    ("02_spikes", {"d": 24, "gamma": 0.0, "ratios": [1, 20]}),
    ("03_prediction", {"d": 20, "gamma": 0.8, "alphas": [1.6, 2.2], "n_seeds": 2}),
    ("04_thresholds", {"d": 20, "gamma": 0.3, "seed": 0, "n_data": 2}),
    ("05_perturbation", {"dim": 200, "gamma": 0.9, "n_seeds": 2, "operator_dim": 80}),
    ("07_readout", {"d": 14, "gamma": 0.2, "ratios": [6, 24], "n_seeds": 2}),
    ("06_cascade", {"dim": 200, "n_features": 12, "n_data": 3, "d": 14, "alphas": [1.8, 2.6], "n_seeds": 2, "seed": 3}),
    ("08_depth", {"d": 7, "n": 250, "gamma": 0.0}),
    ("10_visible", {"d": 18, "n_features": 3, "gamma": 0.0, "ratio": 24, "n_seeds": 2, "n_null": 10}),
    ("11_infinity", {"dimensions": [64, 900], "gamma": 0.3, "steep": 0.9, "n_sizes": 6}),
    ("12_fixed_features", {"alpha": 0.5, "n_latents": 1000, "n_draws": 8}),
    ("16_cluster", {"d": 150, "n": 10**8, "n_features": 12, "cores": 16}),
    ("13_every_ridge", {"alpha": 1.2, "n_latents": 500, "n_draws": 8}),
    ("17_smoothing", {"dims": [40, 80, 160], "inputs": [14, 18], "gamma": 0.3, "n_features": 2, "n_data": 4}),
    ("19_explorer", {"max_features": 3, "n_checks": 1, "seed": 5}),
    ("18_validation", {"largest_dim": 60, "n_scale": 0.9}),
]

every_chapter = pytest.mark.parametrize("name", CHAPTERS)


@pytest.mark.parametrize(("chapter", "parameters"), CASES, ids=lambda value: str(value).replace(" ", ""))
def test_chapter_runs_under_other_parameters(chapter, parameters, tmp_path):
    notebook = ROOT / f"book/{chapter}.ipynb"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # third parties', in papermill and the kernel's client
        build_book.run_notebook(notebook, tmp_path / "out.ipynb", tmp_path, parameters)


def plain(text):
    """Table entry without its typography."""
    return re.sub(r"[`\"']|(?<=\d)[ _](?=\d{3}\b)", "", text)


@every_chapter
def test_table_states_the_defaults_and_the_ranges_that_are_checked(name):
    assert "| parameter | meaning | default | allowed |\n" in (ROOT / f"book/{name}.md").read_text()
    for parameter in chapter_parameters.read_chapter(ROOT, name).parameters:
        default, allowed = map(plain, parameter.stated)
        assert default == plain(str(parameter.default)), parameter.name
        # A seed may be any integer that numpy takes.
        assert ("at least 0" if allowed == "any" else allowed) == plain(parameter.allowed), parameter.name


@every_chapter
def test_check_comes_right_below_the_parameters_and_is_not_shown(name):
    cells = jupytext.read(ROOT / f"book/{name}.md").cells
    (position,) = [i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])]
    assert re.match(r"check_parameters\(\s*globals\(\),", cells[position + 1].source)
    assert cells[position + 1].metadata["tags"] == ["remove-cell"]


@every_chapter
def test_defaults_and_the_cases_of_other_parameters_are_allowed(name):
    parameters = chapter_parameters.read_chapter(ROOT, name).parameters
    defaults = {parameter.name: parameter.default for parameter in parameters}
    specs = {parameter.name: parameter.spec for parameter in parameters}
    for values in [{}, *(case for chapter, case in CASES if chapter == name)]:
        assert set(values) <= set(defaults)
        check_parameters({**defaults, **values}, **specs)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gama": 0.8}, r"gama \(= 0.8\) is not a parameter of this chapter; its parameters are: d, gamma, .*, seed\."),
        ({"gamma": 8}, r"gamma must be a finite number >= 0.0 and <= 1.5, got 8\."),
    ],
)
def test_papermill_stops_at_the_check_and_says_what_is_allowed(values, message, tmp_path):
    source = jupytext.read(ROOT / "book/03_prediction.md")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with pytest.raises(papermill.PapermillExecutionError) as failure:
            build_book.run_notebook(source, tmp_path / "out.ipynb", tmp_path, values)
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
    assert (called["input_path"], called["output_path"]) == (f"book/{name}.ipynb", "out.ipynb")
    assert called["parameters"] == {parameter.name: parameter.default for parameter in chapter.parameters}


def test_page_of_parameters_is_up_to_date():
    page = ROOT / f"{chapter_parameters.PAGE}.md"
    assert page.read_text() == chapter_parameters.page(ROOT, CHAPTERS), "make refresh writes it"


def test_messages_on_the_page_are_those_of_the_check():
    text = (ROOT / f"{chapter_parameters.PAGE}.md").read_text()
    parameters = chapter_parameters.read_chapter(ROOT, "03_prediction").parameters
    specs = {parameter.name: parameter.spec for parameter in parameters}
    for wrong in ({"gama": 0.8}, {"gamma": 8}):
        with pytest.raises(ValueError, match=r"gam") as refusal:
            check_parameters({parameter.name: parameter.default for parameter in parameters} | wrong, **specs)
        assert f"ValueError: {refusal.value}\n" in text


def test_every_chapter_has_a_measured_run_time():
    assert set(chapter_parameters.run_times(ROOT)) == set(CHAPTERS), "make run-times measures them"
