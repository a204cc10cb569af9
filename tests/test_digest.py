"""Values are told apart by their content, in this process and in any other."""

import functools
import operator
import subprocess
import sys
import threading
import types
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pytest
from numpy.polynomial import Polynomial

from hierlib import HierarchicalSpectralRegressor, HierarchicalTarget
from hierlib.learn.digest import content_digest, shown

FACTOR = 2.0
TABLE = {"a": [1, 2], "b": [3]}
CALLS = []


def digest(value):
    return content_digest("value", value)


def made(source, **globals_):
    """A function `f` from source text, as a cell of a notebook would define it."""
    namespace = {"__name__": "__main__", **globals_}
    exec(source, namespace)
    return namespace["f"]


def power(x, exponent=2):
    return x**exponent


def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


def reads_table(x):
    return TABLE["a"][x] * FACTOR


def counted(x):
    CALLS.append(x)
    return x


def enclosing(value):
    return lambda x: x + value


@dataclass
class Law:
    weights: np.ndarray
    names: tuple = ("a",)
    options: dict = field(default_factory=dict)

    @cached_property
    def total(self):
        return self.weights.sum()

    def apply(self, x):
        return self.weights @ x


class Linear:
    def __init__(self, slope):
        self.slope = slope

    def __call__(self, x):
        return self.slope * x


large = np.arange(2000.0)
changed = large.copy()
changed[1000] += 1e-9
tanh_method = Linear(2.0).__call__

# Pairs that `repr`, the name or the address would confuse.
DIFFERENT = [
    (large, changed),
    (large, large.astype(np.float32)),
    (large, large.reshape(2, -1)),
    (np.arange(3), np.arange(3).astype(">i8")),
    (1, 1.0),
    (1, True),
    (0.0, -0.0),
    (0.1, np.float32(0.1)),
    ("1", 1),
    (b"a", "a"),
    ((1, 2), [1, 2]),
    ([1, [2, 3]], [[1, 2], 3]),
    ({"a": 1}, {"a": 2}),
    ({1, 2}, {1, 3}),
    (lambda x: x + 1, lambda x: x + 2),
    (lambda x: x.real, lambda x: x.imag),
    (lambda x, y=1: x, lambda x, y=2: x),
    (enclosing(1), enclosing(2)),
    (enclosing(large), enclosing(changed)),
    (partial(power, exponent=2), partial(power, exponent=3)),
    (partial(power, 2), partial(factorial, 2)),
    (power, factorial),
    (np.sin, np.cos),
    (operator.itemgetter(1), operator.itemgetter(2)),
    (Linear(1.0), Linear(2.0)),
    (Linear(1.0).__call__, Linear(2.0).__call__),
    (Law(large), Law(changed)),
    (Law(large, options={"f": enclosing(1)}), Law(large, options={"f": enclosing(2)})),
    (Polynomial([1, 2]), Polynomial([1, 3])),
    (np.random.default_rng(1), np.random.default_rng(2)),
    (HierarchicalTarget(d=9, seed=1), HierarchicalTarget(d=9, seed=2)),
    (HierarchicalSpectralRegressor(2), HierarchicalSpectralRegressor(3)),
    (np.array([1, "a"], dtype=object), np.array([2, "a"], dtype=object)),
    (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[0, 0])),
    (made("def f(x): return g(x)", g=enclosing(1)), made("def f(x): return g(x)", g=enclosing(2))),
    (made("def f(x): return C * x", C=1), made("def f(x): return C * x", C=2)),
    (made("def f(x): return T['a']", T={"a": 1}), made("def f(x): return T['a']", T={"a": 2})),
    (made("def f(x): return [C for _ in x]", C=1), made("def f(x): return [C for _ in x]", C=2)),
    (made("class f:\n  def g(self): return 1"), made("class f:\n  def g(self): return 2")),
    (made("class f:\n  c = 1"), made("class f:\n  c = 2")),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=lambda value: type(value).__name__)
def test_different_contents_have_different_digests(one, other):
    assert digest(one) != digest(other)
    assert digest([one]) != digest([other])


SAME = [
    (lambda: [1, (2.5, None), {"b": 1, "a": {3, 4}}], lambda: [1, (2.5, None), {"a": {4, 3}, "b": 1}]),
    (lambda: np.arange(6).reshape(2, 3).T, lambda: np.ascontiguousarray(np.arange(6).reshape(2, 3).T)),
    (lambda: enclosing(large), lambda: enclosing(large.copy())),
    (lambda: Law(large), lambda: Law(large.copy())),
    # Where in a file a function stands, and what it is called, does not matter.
    (lambda: made("def f(x): return x + 1"), lambda: made("\n\ndef f(x):\n\n    return x + 1")),
    (lambda: [large, large], lambda: [large, large.copy()]),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equal_contents_have_equal_digests(one, other):
    assert digest(one()) == digest(other())


def test_use_of_an_object_does_not_change_its_content():
    law = Law(large)
    before = digest(law)
    assert law.total == large.sum()
    assert digest(law) == before
    target = HierarchicalTarget(d=9, seed=1)
    before = digest(target)
    target.sample(10, seed=0)
    assert digest(target) == before


def test_records_that_a_function_keeps_are_no_part_of_it():
    seen, numbers = [], {"calls": 0}

    def noted(x):
        nonlocal last
        last = x
        seen.append(x)
        numbers["calls"] += 1
        return counted(x)

    last = 0
    before = digest(noted)
    noted(1)
    noted(2)
    assert digest(noted) == before
    CALLS.clear()


def test_global_values_that_a_function_reads_are_part_of_it(monkeypatch):
    before = digest(reads_table)
    monkeypatch.setitem(TABLE, "a", [1, 3])
    assert digest(reads_table) != before
    monkeypatch.setitem(TABLE, "a", [1, 2])
    assert digest(reads_table) == before
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 3.0)
    assert digest(reads_table) != before


def test_values_inside_themselves_are_read():
    ring = [1]
    ring.append(ring)
    assert digest(ring) != digest([1, [1]])
    assert digest(factorial) == digest(factorial)


UNREADABLE = [threading.Lock, lambda: (i for i in range(3)), Path(__file__).open, lambda: enclosing(threading.Lock())]


@pytest.mark.parametrize("make", UNREADABLE)
def test_what_has_no_content_is_refused_by_name(make):
    value = make()
    with pytest.raises(ValueError, match=r"fixed argument z must have a content that can be stored, got .*"):
        content_digest("fixed argument z", {"inside": [value]})
    if hasattr(value, "close"):
        value.close()


def test_lock_among_the_globals_of_a_module_does_not_prevent_a_digest():
    assert digest(made("def f(x):\n  with L: return x", L=threading.Lock()))


def test_module_of_the_user_counts_by_its_text(tmp_path, monkeypatch):
    path = tmp_path / "my_module_of_laws.py"
    path.write_text("one = 1\n")
    module = types.ModuleType("my_module_of_laws")
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    before = digest(made("def f(x): return m.one * x", m=module))
    path.write_text("one = 2\n")
    assert digest(made("def f(x): return m.one * x", m=module)) != before


PRINTED = (
    "import sys; sys.path.insert(0, sys.argv[1])\nimport test_digest as t\n"
    "for pair in t.DIFFERENT: print(*map(t.digest, pair))\n"
    "print(t.digest(t.counted), t.digest(t.factorial), t.digest(functools.wraps(t.power)(t.enclosing(1))))\n"
)


def test_digests_are_the_same_in_every_process():
    """Hashes of strings, and so the order of sets, and all addresses differ between processes."""
    command = [sys.executable, "-c", f"import functools\n{PRINTED}", str(Path(__file__).parent)]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second
    here = [digest(counted), digest(factorial), digest(functools.wraps(power)(enclosing(1)))]
    assert first.splitlines()[-1].split() == here
    assert len(first.splitlines()) == len(DIFFERENT) + 1


def test_names_for_a_reader_hold_no_address():
    assert shown(power) == f"{__name__}.power"
    assert "0x" not in shown(partial(power, 2)) + shown(Linear(1.0)) + shown([enclosing(1)])
    assert shown(np.random.default_rng(1)) == "Generator(PCG64)"
    assert shown(1.5) == "1.5"
