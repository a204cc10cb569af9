"""Change every constant of the formulas by 10 %, one at a time, and see that some check notices.

``make mutate`` runs it. Constants are the numbers in the code of a module, in factors, exponents and comparisons alike,
and the named ones of NumPy. Left out is what 10 % would turn into something else than a wrong formula: docstrings and
messages; bounds of argument checks (``check_*``); zero; positions and shapes (subscripts, axes, decorators, arguments
of ``range``, ``reshape`` and ``swapaxes``, the first one of ``zeros``, ``ones``, ``full``, ``empty`` and ``eye``); the
sides ``(-1, 1)``. Names in capitals that set how accurate the numbers are, not what they are, are not changed either
where a test holds that accuracy: `ACCURACY` says which.

Each constant is multiplied by 1.1 and by 0.9 in a forked process, which imports the library anew and runs the module's
tests and doctests up to the first failure: first those that name the changed function, then the quickest. Only checks
of less than half a second count, those that one runs while changing a formula. One line a constant and direction; the
exit status is 1 if a change passed unnoticed that is not listed, with its reason, as harmless.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import inspect
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
from hypothesis import Phase, settings

ROOT = Path(__file__).parents[1]
ROOM = "theory"
OWN = ("perturbation", "shrinkage", "label_transforms", "asymptotics", "population", "whitening")
TESTS = {name: ["tests/test_theory.py", f"hierlib/{ROOM}/{name}.py"] for name in ("thresholds", "rates")}
TESTS |= {name: [f"tests/test_{name}.py", f"hierlib/{ROOM}/{name}.py"] for name in OWN}
# The internal modules are tested through those that the room hands on.
UNDER_ASYMPTOTICS = ("remainder", "weight_law", "asymptotics", "bulk", "readout")
TESTS |= dict.fromkeys(UNDER_ASYMPTOTICS, TESTS["asymptotics"] + TESTS["shrinkage"])
TESTS["readout"] = ["tests/test_readout.py"] + TESTS["readout"]
FACTORS = (1.1, 0.9)
NAMED = {"pi", "euler_gamma"}
POSITIONS = {"range", "reshape", "swapaxes"}
SHAPES = {"zeros", "ones", "full", "empty", "eye"}
SLOW = 0.5  # seconds of processor time; three times as much with a constant changed

# Names that set how accurate the numbers are, and the test that holds it.
ACCURACY = {
    module: dict.fromkeys(names, "tests/test_asymptotics.py::test_refining_a_grid_moves_predictions_within_their_error")
    for module, names in {
        "weight_law": ("_SUM_GRID", "WEIGHT_GRID", "_RADIAL_NODES", "_LOG_TAIL", "_NEGLIGIBLE"),
        "bulk": ("_WINDOW", "_SCAN", "_ROWS", "_CAUCHY", "_OUTSIDE", "_CELL", "_TABLE"),
        "asymptotics": ("_QUANTILES", "_CERTAIN"),
        "readout": ("_POINTS", "_COORDINATES", "_BINS"),
    }.items()
}
MANY_FEATURES = "tests/test_asymptotics.py::test_laws_of_many_features_are_a_product_of_narrow_matrices"
ACCURACY["weight_law"] |= dict.fromkeys(("_SPAN", "_SPAN_ERROR"), MANY_FEATURES)
ACCURACY["bulk"]["_HEIGHTS"] = (
    "tests/test_asymptotics.py::test_density_does_not_depend_on_the_steps_of_its_continuation"
)
ACCURACY["bulk"]["_HASHED"] = "tests/test_asymptotics.py::test_tables_that_differ_in_one_label_have_laws_of_their_own"

# Line and constant, and why 10 % of it, up or down, may pass unnoticed.
ROUNDING = "an allowance for rounding, right to within orders of magnitude"
WHOLE = "compared with or cut down to whole numbers, it may move by less than one"
BRACKET = "the end of an interval that holds the root with room to spare"
CONVENTION = "from how many samples on they are called a bulk and no outliers: any number of this order does"
EXTREME = "the end of a range of extreme numbers, right to within orders of magnitude"
SERIES = "where the series takes over: it and the closed form are both right there"
START = "where the continuation from far above the axis starts and ends"
REACH = "how far the grid of sums reaches, with room to spare: what is beyond has a chance of exp(-37)"
SIZE = "a number of points, or from where on how many do"
OFFERED = "one of several candidates, among which the prediction decides"
HARMLESS = {
    ('count = np.searchsorted(threshold * (1 - 1e-12), size, side="right")', "1e-12"): ROUNDING,
    ("_check_window(size, first * (1 - 1e-12), last * (1 + 1e-12))", "1e-12"): ROUNDING,
    ("if not np.allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-8):", "1e-8"): ROUNDING,
    ("if not np.isclose(weights @ weights, 1.0, atol=1e-8):", "1e-8"): ROUNDING,
    ("if not np.allclose(array, array.T, rtol=0, atol=1e-6 * float(np.abs(array).max())):", "1e-6"): ROUNDING,
    ("if theta[k] == 0 or np.count_nonzero(gaps == 0) > 1:", "1"): WHOLE,
    ("d = int((np.sqrt(8 * dim + 1) - 1) / 2)", "1"): WHOLE,
    ("p, a = (degree - h) // 2, h + t - 1", "2"): WHOLE,
    ("harmonics = [h for h in range(degree % 2, degree, 2) if h < 2 or d > 1]", "2"): WHOLE,
    ("harmonics = [h for h in range(degree % 2, degree, 2) if h < 2 or d > 1]", "1"): WHOLE,
    ("self.remainder = max(0.0, remainder_coefficient(d, degree)) if d > 1 else 0.0", "1"): WHOLE,
    ("_WEIGHT_RANGE = (1e-100, 1e100) # squares are floats", "1e-100"): EXTREME,
    ("_WEIGHT_RANGE = (1e-100, 1e100) # squares are floats", "1e100"): EXTREME,
    ("return min(max(20, 4 * len(self.law.reweighted)), 0.05 * self.n)", "20"): CONVENTION,
    ("return min(max(20, 4 * len(self.law.reweighted)), 0.05 * self.n)", "4"): CONVENTION,
    ("return min(max(20, 4 * len(self.law.reweighted)), 0.05 * self.n)", "0.05"): CONVENTION,
    ("many = self.n * np.cumsum(self.law.masses[order]) > self.many * (1 + 1e-9)", "1e-9"): ROUNDING,
    ("if width < 1e-9 * abs(level):", "1e-9"): ROUNDING,
    ("a = np.where(np.abs(a) < 1e-9, 1e-9, a)", "1e-9"): ROUNDING,
    ("grid = np.geomspace(min(0.02 / self.noise, 0.1 / limit), 1 / limit, _SCAN)", "0.02"): BRACKET,
    ("grid = np.geomspace(min(0.02 / self.noise, 0.1 / limit), 1 / limit, _SCAN)", "0.1"): BRACKET,
    ("shape = np.where(t < 0.02, 1 / 3 - t**2 / 5, (t - np.arctan(t)) / np.maximum(t, 0.02) ** 3)", "0.02"): SERIES,
    ("heights = np.ptp(z) * np.geomspace(10, 1e-6, _HEIGHTS)", "10"): START,
    ("heights = np.ptp(z) * np.geomspace(10, 1e-6, _HEIGHTS)", "1e-6"): START,
    ("high = 3 * np.abs(edges).max()", "3"): BRACKET,
    ("step = (top + bottom) / (_SUM_GRID - 2)", "2"): WHOLE,
    ("fraction = np.linspace(0.02, 0.98, 49) # of the largest admissible exponent 1/(2 max weight)", "0.02"): REACH,
    ("fraction = np.linspace(0.02, 0.98, 49) # of the largest admissible exponent 1/(2 max weight)", "0.98"): REACH,
    ("exponent = fraction / (2 * weights.max())", "2"): REACH,
    ("return exponent, -0.5 * np.log1p(-2 * exponent * weights[:, None]).sum(axis=0)", "0.5"): REACH,
    ("return exponent, -0.5 * np.log1p(-2 * exponent * weights[:, None]).sum(axis=0)", "2"): REACH,
    (
        "_CONSTANT = 1e-9 # deviation over mean modulus: rounding of the mean, 1e-13, is then 1e-4 of what is left",
        "1e-9",
    ): ROUNDING,
    ("near = x < 2 * _LOG_TAIL + 10", "2"): REACH,
    ("near = x < 2 * _LOG_TAIL + 10", "10"): REACH,
    ("k = np.arange(_RADIAL_NODES if d < 500 else 8)", "500"): SIZE,
    ("k = np.arange(_RADIAL_NODES if d < 500 else 8)", "8"): SIZE,
    (
        "scale, probability, mean_power = np.ones(1), np.ones(1), 1.0",
        "1.0",
    ): "not used where the radius does not fluctuate",
    ("if radial and degree > 1:", "1"): WHOLE,
    (
        "return 64 * round(float(np.log2(deviation)) / 64)",
        "64",
    ): "a power of two taken out: results do not depend on it",
    (
        "places = np.stack([left, left + 1], axis=1)"
        ".reshape(cells.scale.size, cells.law.size, 2).swapaxes(0, 1).ravel()",
        "1",
    ): "a position of an array",
    ("starts = np.arange(0, places.size + 1, 2 * cells.scale.size)", "1"): "a position of an array",
    ("starts = np.arange(0, places.size + 1, 2 * cells.scale.size)", "2"): "a position of an array",
    (
        "target, n, label_transform, radial and model.degree > 1, normalize, sample, whitened, model.axes",
        "1",
    ): WHOLE,
    ("log2 = int(np.log2(min(_POINTS, max(2**12, _COORDINATES // dimensions))))", "2"): SIZE,
    ("log2 = int(np.log2(min(_POINTS, max(2**12, _COORDINATES // dimensions))))", "12"): SIZE,
    ("if model.cells.scale.size > 1:", "1"): WHOLE,
    ("parts[outer] *= np.minimum(self._widths(feature, reached) / width, 1)", "1"): (
        "a cap that is reached only where samples get denser outwards"
    ),
    ("sizes = np.geomspace(limits.min() / 10, 100 * limits.max(), 48)", "10"): BRACKET,
    ("sizes = np.geomspace(limits.min() / 10, 100 * limits.max(), 48)", "100"): BRACKET,
    ("excess = np.log(np.maximum(visibility, 1e-3))", "1e-3"): "a floor, far below the 1 that is looked for",
    ("_END_VARIANCE = 2.0", "2.0"): "measured, and rounded up so that it covers all sizes measured",
    ("_SMALLEST = 1e-6 # of an edge's s: eigenvalues that far out do not occur", "1e-6"): BRACKET,
    **{
        ("_RANGES = (1.0, 1.5, 2.5, 5.0) # largest weight over the largest of the other sign", width): OFFERED
        for width in ("1.0", "1.5", "2.5", "5.0")
    },
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


class Watch:
    """Pytest plugin that runs quick checks, the likely ones first, and remembers the first that failed."""

    def __init__(self, function: str = "", durations: dict[str, float] | None = None) -> None:
        self.function = function
        self.known = durations
        self.durations: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the tests that name the changed function in front, then the quickest, without the slow ones."""
        if self.known is not None:
            known = self.known
            items[:] = [item for item in items if item.nodeid in known]
            items.sort(key=lambda item: (self.function not in self._text(item), known[item.nodeid]))

    @staticmethod
    def _text(item: pytest.Item) -> str:
        return inspect.getsource(item.function) if isinstance(item, pytest.Function) else ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Stop a slow test, and note how long the others take."""
        limit = SLOW if self.known is None else 3 * SLOW
        start = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, limit)
        try:
            result = yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.durations[item.nodeid] = time.process_time() - start
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failing test."""
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be imported."""
        if report.failed:
            self.failed.append(report.nodeid)


def too_slow(*_: object) -> None:
    """Skip the test that runs: neither Hypothesis nor a check takes that for a failure."""
    pytest.skip("slow")


def source(module: str) -> str:
    return (ROOT / f"hierlib/{ROOM}/{module}.py").read_text()


class Finder(ast.NodeVisitor):
    """Collect the constants of a module in the order of its lines."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.function = ""
        self.accuracy = set(ACCURACY.get(module, {}))
        self.lines = source(module).splitlines()
        self.found: list[Constant] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Keep the name of the function at the top level that the constants are in."""
        outer, self.function = self.function, self.function or node.name
        node.decorator_list = []
        self.generic_visit(node)
        self.function = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        """Leave out names that set an accuracy."""
        if not {name.id for t in node.targets for name in ast.walk(t) if isinstance(name, ast.Name)} & self.accuracy:
            self.generic_visit(node)

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
        """Leave out the bounds of argument checks, the axes of arrays and their shapes."""
        name = ast.unparse(node.func).rpartition(".")[2]
        if name.startswith("check_"):
            return
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "axis"]
        if name in POSITIONS | SHAPES:
            node.args = node.args[1:] if name in SHAPES else []
        self.generic_visit(node)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        """Leave out the two sides of a spectrum."""
        if ast.unparse(node) != "(-1, 1)":
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


def run_checks(module: str, watch: Watch, *options: str) -> int:
    """Run a module's tests and doctests in this process, without output."""
    arguments = [*options, "-p", "no:cacheprovider", "--hypothesis-profile", "mutate", "--rootdir", str(ROOT)]
    # No explanations of what failed, and no search for garbage: half of the time.
    arguments += ["--assert", "plain", "-p", "no:unraisableexception", "-p", "no:threadexception"]
    signal.signal(signal.SIGVTALRM, too_slow)
    with open(os.devnull, "w") as silent, contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        return pytest.main(arguments + TESTS[module], plugins=[watch])


def unchanged(module: str) -> tuple[dict[str, float], list[str]]:
    """Return how long each quick check takes, and those that fail."""
    watch = Watch()
    run_checks(module, watch)
    return {name: watch.durations[name] for name in watch.durations if name not in watch.failed}, watch.failed


def first_failure(constant: Constant, factor: float, durations: dict[str, float]) -> str:
    """Run the checks with one constant changed; name the first that fails, or nothing."""
    name, changed = f"hierlib.{ROOM}.{constant.module}", constant.scaled(factor)
    get_code = SourceFileLoader.get_code
    SourceFileLoader.get_code = lambda self, fullname: (  # type: ignore[method-assign]
        compile(changed, self.path, "exec") if fullname == name else get_code(self, fullname)
    )
    # Everybody who imported something of the module imports it anew.
    for loaded in list(sys.modules):
        if loaded.partition(".")[0] == "hierlib" or loaded.startswith("test_"):
            del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except Exception as error:
        return f"import: {error!r}"
    watch = Watch(constant.function, durations)
    status = run_checks(constant.module, watch, "-x")
    return watch.failed[0] if watch.failed else "" if status == 0 else f"pytest status {status}"


def job(task: tuple[Constant, float, dict[str, float]]) -> str:
    return first_failure(*task)


def main() -> None:
    """Check the checks: the unchanged modules must pass, every changed one must fail."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", nargs="*", choices=[[], *TESTS], help="only these (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    options = parser.parse_args()
    os.chdir(ROOT)
    phases = (Phase.explicit, Phase.generate)  # that a test fails is all that is asked
    settings.register_profile("mutate", max_examples=25, deadline=None, derandomize=True, database=None, phases=phases)
    context = multiprocessing.get_context("fork")
    unused, bad = dict(HARMLESS), False
    timed: dict[tuple[str, ...], dict[str, float]] = {}
    for module in options.module or TESTS:
        run_checks(module, Watch(), "--collect-only")  # imports once, before the forks, all that the tests need
        checks = tuple(TESTS[module])
        if checks not in timed:
            with context.Pool(1) as pool:
                timed[checks], failed = pool.apply(unchanged, (module,))
            for name in failed:
                print(f"unchanged, fails {name}", flush=True)
            bad = bad or bool(failed)
        for name, test in ACCURACY.get(module, {}).items():
            file, _, function = test.partition("::")
            if f"def {function}(" not in (ROOT / file).read_text():
                sys.exit(f"{module}.{name} has no test {test}")
            print(f"{module}.py {name}: accuracy, {test}")
        found = constants(module)
        tasks = [(constant, factor, timed[checks]) for constant in found for factor in FACTORS]
        count = dict.fromkeys(("noticed", "harmless", "not noticed"), 0)
        # A fresh fork a task: what a change leaves behind dies with it.
        with context.Pool(options.jobs, maxtasksperchild=1) as pool:
            for (constant, factor, _), name in zip(tasks, pool.imap(job, tasks), strict=True):
                where = f"{module}.py:{constant.line} {constant.text} x {factor}"
                reason = HARMLESS.get((constant.context, constant.text))
                kind = "noticed" if name else "harmless" if reason else "not noticed"
                count[kind] += 1
                if kind == "harmless":
                    unused.pop((constant.context, constant.text), None)
                words = name or (f"harmless, {reason}" if reason else f"NOT NOTICED  {constant.context}")
                print(f"{where}: {words}", flush=True)
        bad = bad or count["not noticed"] > 0
        print(f"{module}: {len(found)} constants, {', '.join(f'{n} {kind}' for kind, n in count.items())}", flush=True)
    if unused and not options.module:
        print(f"listed as harmless but noticed or gone: {list(unused)}")
    sys.exit(bad or (bool(unused) and not options.module))


if __name__ == "__main__":
    main()
