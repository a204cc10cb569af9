"""Change every constant of the formulas by 10 %, one at a time, and see that some check notices.

``make mutate`` runs it. Constants are the numbers in the code of a module, in factors, exponents and comparisons alike,
and the named ones of NumPy; not those of docstrings and messages, nor the bounds of argument checks (``check_*``), nor
positions (subscripts, axes), nor zero, which 10 % leaves alone. Each is multiplied by 1.1 and by 0.9 in the module of a
forked process, which then runs the module's tests and doctests up to the first failure. One line a constant and
direction; the exit status is 1 if a change passed unnoticed that is not listed, with its reason, as harmless.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import inspect
import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = {"theory": "tests/test_theory.py", "perturbation": "tests/test_perturbation.py"}
FACTORS = (1.1, 0.9)
NAMED = {"pi", "euler_gamma"}

# Line and constant, and why 10 % of it, up or down, may pass unnoticed.
ROUNDING = "an allowance for rounding, right to within orders of magnitude"
WHOLE = "compared with or cut down to whole numbers, it may move by less than one"
HARMLESS = {
    ('count = np.searchsorted(threshold * (1 - 1e-12), size, side="right")', "1e-12"): ROUNDING,
    ("_check_window(size, first * (1 - 1e-12), last * (1 + 1e-12))", "1e-12"): ROUNDING,
    ("if not np.allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-8):", "1e-8"): ROUNDING,
    ("if not np.isclose(weights @ weights, 1.0, atol=1e-8):", "1e-8"): ROUNDING,
    ("if not np.allclose(array, array.T, rtol=0, atol=1e-6 * float(np.abs(array).max())):", "1e-6"): ROUNDING,
    ("if theta[k] == 0 or np.count_nonzero(gaps == 0) > 1:", "1"): WHOLE,
    ("d = int((np.sqrt(8 * dim + 1) - 1) / 2)", "1"): WHOLE,
}


@dataclass(frozen=True)
class Constant:
    """A number in the code of a module: where it stands, and the line it stands on."""

    module: str
    function: str
    line: int
    start: int
    end: int
    text: str
    context: str

    def scaled(self, factor: float) -> str:
        """Return the source of the module with this one constant multiplied."""
        lines = source(self.module).splitlines(keepends=True)
        old = lines[self.line - 1]
        lines[self.line - 1] = f"{old[: self.start]}({factor} * {self.text}){old[self.end :]}"
        return "".join(lines)


class FirstFailure:
    """Pytest plugin that runs the likely checks first and remembers the first that failed."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.name = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the tests that name the changed function in front."""
        items.sort(key=lambda item: self.function not in self._text(item))

    @staticmethod
    def _text(item: pytest.Item) -> str:
        return inspect.getsource(item.function) if isinstance(item, pytest.Function) else ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failing test."""
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be imported."""
        if report.failed and not self.name:
            self.name = report.nodeid


def source(module: str) -> str:
    return (ROOT / f"hierlib/{module}.py").read_text()


class Finder(ast.NodeVisitor):
    """Collect the constants of a module in the order of its lines."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.function = ""
        self.lines = source(module).splitlines()
        self.found: list[Constant] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Keep the name of the function at the top level that the constants are in."""
        outer, self.function = self.function, self.function or node.name
        self.generic_visit(node)
        self.function = outer

    def visit_Constant(self, node: ast.Constant) -> None:
        """Take a number that 10 % changes."""
        if type(node.value) in (int, float, complex) and node.value != 0:
            self.take(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Take a named constant."""
        if node.attr in NAMED:
            self.take(node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Leave out the bounds of argument checks and the axes of arrays."""
        if not ast.unparse(node.func).startswith("check_"):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "axis"]
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """Leave out positions."""
        self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave out messages."""

    def take(self, node: ast.expr) -> None:
        """Note where a constant stands."""
        line = self.lines[node.lineno - 1]
        place = node.col_offset, node.end_col_offset
        found = self.module, self.function, node.lineno, *place, line[slice(*place)], " ".join(line.split())
        self.found.append(Constant(*found))  # type: ignore[arg-type]


def constants(module: str) -> list[Constant]:
    """Find the constants of a module's code."""
    finder = Finder(module)
    finder.visit(ast.parse(source(module)))
    return finder.found


def run_checks(module: str, option: str, plugins: list[object] | None = None) -> int:
    """Run a module's tests and doctests in this process, without output."""
    arguments = [option, "-p", "no:cacheprovider", "--rootdir", str(ROOT), TESTS[module], f"hierlib/{module}.py"]
    with open(os.devnull, "w") as silent, contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        return pytest.main(arguments, plugins=plugins)


def first_failure(constant: Constant | None, factor: float, module: str) -> str:
    """Run a module's tests and doctests with one constant changed; name the first that fails, or nothing."""
    namespace = vars(importlib.import_module(f"hierlib.{module}"))
    if constant is not None:
        try:
            exec(compile(constant.scaled(factor), namespace["__file__"], "exec"), namespace)
        except Exception as error:  # a module that does not even load is noticed by whoever imports it
            return f"import: {error!r}"
    watch = FirstFailure(constant.function if constant else "")
    status = run_checks(module, "-x", plugins=[watch])
    return watch.name or ("" if status == 0 else f"pytest status {status}")


def job(task: tuple[Constant | None, float, str]) -> str:
    return first_failure(*task)


def main() -> None:
    """Check the checks: the unchanged modules must pass, every changed one must fail."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", nargs="*", choices=[[], *TESTS], help="only these (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    options = parser.parse_args()
    os.chdir(ROOT)
    modules = options.module or list(TESTS)
    for module in modules:
        run_checks(module, "--collect-only")  # imports once, before the forks, all that the tests need
    tasks: list[tuple[Constant | None, float, str]] = [(None, 1.0, module) for module in modules]
    tasks += [(c, factor, module) for module in modules for c in constants(module) for factor in FACTORS]
    caught = harmless = 0
    survivors, unused = [], dict(HARMLESS)
    # A fresh fork a task: what a change leaves behind dies with it.
    with multiprocessing.get_context("fork").Pool(options.jobs, maxtasksperchild=1) as pool:
        for (constant, factor, module), name in zip(tasks, pool.imap(job, tasks), strict=True):
            if constant is None:
                if name:
                    sys.exit(f"{module}, unchanged, fails {name}")
                continue
            where = f"{module}.py:{constant.line} {constant.text} x {factor}"
            reason = HARMLESS.get((constant.context, constant.text))
            if name:
                caught += 1
                print(f"{where}: {name}", flush=True)
            elif reason:
                harmless += 1
                unused.pop((constant.context, constant.text), None)
                print(f"{where}: harmless, {reason}", flush=True)
            else:
                survivors.append(where)
                print(f"{where}: NOT NOTICED  {constant.context}", flush=True)
    print(f"{caught} noticed, {harmless} harmless, {len(survivors)} not noticed")
    if unused and not options.module:
        print(f"listed as harmless but noticed or gone: {list(unused)}")
    sys.exit(bool(survivors) or (bool(unused) and not options.module))


if __name__ == "__main__":
    main()
