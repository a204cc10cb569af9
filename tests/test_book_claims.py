"""Every claim of the book is checked by a comparison that a wrong prediction fails, and that reports."""

import ast
from pathlib import Path

import jupytext
import nbformat
import papermill
import pytest
from _tools.build import chapter_parameters, contents
from _tools.build.notebook import claims, run_notebook
from _tools.check import claims as claim_mutations

from hierlib.chapters.claims import MIME_TYPE

ROOT = Path(__file__).parents[1]
CHAPTERS = contents.chapters(ROOT)

every_chapter = pytest.mark.parametrize("name", CHAPTERS)


def code(name):
    """The trees of a chapter's code cells."""
    cells = jupytext.read(contents.chapter_file(ROOT, name)).cells
    return [ast.parse(cell.source) for cell in cells if cell.cell_type == "code"]


def calls(name):
    """The calls of `check_claim` in a chapter."""
    for tree in code(name):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check_claim":
                yield node


@every_chapter
def test_chapter_asserts_through_its_ledger_alone(name):
    for tree in code(name):
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Assert), ast.unparse(node)
            assert not getattr(node, "attr", "").startswith("assert_"), ast.unparse(node)


@every_chapter
def test_chapter_ends_on_the_report_of_its_claims(name):
    cells = jupytext.read(contents.chapter_file(ROOT, name)).cells
    assert (cells[-1].source, cells[-1].metadata["tags"]) == ("report_claims()", ["remove-input"])


@every_chapter
def test_stored_notebook_met_all_its_claims_and_tested_each(name):
    ledger = claims(nbformat.read(contents.chapter_file(ROOT, name, ".ipynb"), as_version=4))
    assert ledger["met"]
    assert not ledger["missed"]
    assert not ledger["untested"]


@every_chapter
def test_tolerance_of_a_claim_is_not_computed_from_its_prediction(name):
    parameters = {parameter.name for parameter in chapter_parameters.read_chapter(ROOT, name).parameters}
    for call in calls(name):
        arguments = {keyword.arg: keyword.value for keyword in call.keywords}
        predicted = call.args[3] if len(call.args) > 3 else arguments.get("predicted")
        if predicted is not None and "tolerance" in arguments:
            data = variables(predicted) - parameters
            assert not data or data - variables(arguments["tolerance"]), ast.unparse(call)


class Variables(ast.NodeVisitor):
    """Collect the names that the size of an expression depends on: no functions, no indices, no conditions."""

    def __init__(self):
        self.names = set()

    def visit_Name(self, node):
        self.names.add(node.id)

    def visit_Call(self, node):
        for child in [*node.args, *node.keywords]:
            self.visit(child)

    def visit_Subscript(self, node):
        # A column of a table is a variable of its own.
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            self.names.add(ast.unparse(node))
        else:
            self.visit(node.value)

    def visit_Compare(self, node):
        pass


def variables(tree):
    visitor = Variables()
    visitor.visit(tree)
    return visitor.names


@every_chapter
def test_prediction_wrong_by_a_quarter_is_noticed_or_explained(name):
    bad = [one for one in claim_mutations.comparisons(ROOT, [name]) if not one.passes]
    assert not bad


def test_explanations_are_for_comparisons_that_need_them():
    blind = {(one.claim, one.quantity) for one in claim_mutations.comparisons(ROOT, CHAPTERS) if not all(one.noticed)}
    assert set(claim_mutations.BLIND) <= blind


SOURCE = """\
from hierlib.chapters.claims import check_claim, report_claims
from hierlib.chapters.parameters import check_parameters
value = 1.0
check_parameters(globals(), defaults={"value": 1.0}, value=(0.5, 4.0))
check_claim("claim-one", "value", value, 1.0, tolerance=0.1, because="nothing fluctuates")
print("went on")
report_claims()
"""


def notebook(tmp_path):
    """A chapter of one claim, `value` is 1, at its smallest."""
    path = tmp_path / "chapter.ipynb"
    cells = [nbformat.v4.new_code_cell(line) for line in SOURCE.splitlines()]
    cells[2].metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("value", "missed"), [(1.05, []), (2.0, ["claim-one"])])
def test_missed_claim_under_other_parameters_is_a_result_and_the_last_error(value, missed, tmp_path):
    out = tmp_path / "out.ipynb"
    error = None
    try:
        run_notebook(notebook(tmp_path), out, tmp_path, {"value": value})
    except papermill.PapermillExecutionError as failure:
        error = failure.ename
    executed = nbformat.read(out, as_version=4)
    assert error == ("ClaimsNotMet" if missed else None)
    assert claims(executed)["missed"] == missed
    text = "".join(o.get("text", "") for cell in executed.cells for o in cell.get("outputs", []))
    assert "went on\n" in text
    shown = "claim not met here: claim-one, value: measured 2, predicted 1, tolerance 0.1 (nothing fluctuates)."
    assert (shown in text) == bool(missed)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_missed_claim_at_the_defaults_stops_the_chapter_where_it_is(tmp_path):
    path = notebook(tmp_path)
    path.write_text(path.read_text().replace("value, 1.0, tolerance", "value, 1.25, tolerance"))
    with pytest.raises(
        papermill.PapermillExecutionError, match=r"claim-one, value: measured 1, predicted 1\.25"
    ) as failure:
        run_notebook(path, tmp_path / "out.ipynb", tmp_path)
    assert failure.value.source.startswith("check_claim(")
    assert MIME_TYPE not in (tmp_path / "out.ipynb").read_text()
