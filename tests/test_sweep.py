"""Sweeps label their results, keep finished points, and refuse to mix them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

import hierlib
from hierlib.learn.estimator import HierarchicalSpectralRegressor
from hierlib.learn.sweep import learning_curve, learning_point, run
from hierlib.model.metrics import subspace_overlap
from hierlib.model.target import HierarchicalTarget

CALLS = []


def staircase(level, seed, step=1.0):
    """A scalar and a vector whose length depends on the point."""
    CALLS.append((level, seed))
    return {"height": level * step + seed, "steps": np.arange(level) * step}


def slow(level, seed):
    time.sleep(0.05)
    return {"height": level + seed}


@pytest.fixture(autouse=True)
def no_calls_yet():
    CALLS.clear()


def test_results_carry_the_grid_as_coordinates():
    result = run(staircase, {"level": [2, 3]}, seeds=[5, 6, 7], step=10.0)
    assert dict(result.sizes) == {"level": 2, "seed": 3, "feature": 3}
    assert float(result["height"].sel(level=3, seed=6)) == 36
    assert_array_equal(result["steps"].sel(level=2, seed=5), [0, 10, np.nan])
    assert_array_equal(result["feature"], [1, 2, 3])
    assert result.attrs["version"] == hierlib.__version__
    assert json.loads(result.attrs["fixed"]) == {"step": "10.0"}


def test_none_is_a_value_of_the_grid():
    result = run(lambda mode, seed: {"value": float(mode is None)}, {"mode": [None, "tanh"]}, seeds=[0])
    assert_array_equal(result["value"].squeeze(), [1, 0])


def test_finished_points_are_not_computed_again(tmp_path):
    first = run(staircase, {"level": [2, 3]}, seeds=[0], directory=tmp_path)
    assert CALLS == [(2, 0), (3, 0)]
    second = run(staircase, {"level": [2, 3, 4]}, seeds=[0, 1], directory=tmp_path)
    assert CALLS[2:] == [(2, 1), (3, 1), (4, 0), (4, 1)]
    xr.testing.assert_equal(first["height"], second["height"].sel(level=[2, 3], seed=[0]))


def test_stored_and_fresh_results_are_the_same_to_the_bit(tmp_path):
    arguments = {"d": [8], "alpha": [2.5]}
    fresh = run(learning_point, arguments, seeds=[0, 1], n_test=200)
    run(learning_point, arguments, seeds=[0, 1], n_test=200, directory=tmp_path)
    stored = run(learning_point, arguments, seeds=[0, 1], n_test=200, directory=tmp_path)
    xr.testing.assert_identical(fresh, stored)


@pytest.mark.parametrize("change", ["fixed", "function", "version"])
def test_results_of_different_sweeps_are_not_mixed(tmp_path, monkeypatch, change):
    run(staircase, {"level": [2]}, seeds=[0], directory=tmp_path, step=1.0)
    function, step = staircase, 1.0
    if change == "fixed":
        step = 2.0
    elif change == "function":

        def function(level, seed, step):
            return {"height": 0.0}

    else:
        monkeypatch.setattr(hierlib, "__version__", "0.0.0")
    with pytest.raises(ValueError, match=r"directory .* holds another sweep"):
        run(function, {"level": [2]}, seeds=[0], directory=tmp_path, step=step)


def scaled(level, seed, link=None, weights=(1.0,)):
    CALLS.append((level, seed))
    return {"height": level * float(np.sum(weights)) + (0 if link is None else link(seed))}


large = np.arange(2000.0)
changed = large.copy()
changed[1000] = -1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"link": lambda s: s + 1}, {"link": lambda s: s + 2}),
        ({"weights": large}, {"weights": changed}),
        ({"link": partial(max, 1)}, {"link": partial(max, 2)}),
        ({"link": {0: 1}.get}, {"link": {0: 2}.get}),
    ],
)
def test_sweeps_whose_fixed_arguments_differ_in_content_alone_are_not_mixed(tmp_path, first, second):
    run(scaled, {"level": [1]}, seeds=[0], directory=tmp_path, **first)
    run(scaled, {"level": [1, 2]}, seeds=[0], directory=tmp_path, **first)
    assert CALLS == [(1, 0), (2, 0)]
    (name,) = first
    with pytest.raises(ValueError, match=f"holds another sweep: it differs in fixed argument {name}"):
        run(scaled, {"level": [1]}, seeds=[0], directory=tmp_path, **second)


def test_sweeps_of_two_functions_without_a_name_are_not_mixed(tmp_path):
    run(lambda x, seed: {"y": x}, {"x": [1]}, seeds=[0], directory=tmp_path)
    with pytest.raises(ValueError, match="holds another sweep: it differs in function"):
        run(lambda x, seed: {"y": -x}, {"x": [1]}, seeds=[0], directory=tmp_path)


def test_a_partial_function_is_swept(tmp_path):
    for _ in range(2):
        result = run(partial(staircase, step=2.0), {"level": [2, 3]}, seeds=[0], directory=tmp_path)
        assert_array_equal(result["height"].squeeze(), [4, 6])
    assert len(CALLS) == 2
    with pytest.raises(ValueError, match="another sweep"):
        run(partial(staircase, step=3.0), {"level": [2]}, seeds=[0], directory=tmp_path)


def test_a_sweep_with_functions_among_its_arguments_goes_on_in_a_new_process(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\nimport numpy as np\nimport test_sweep\n"
        "from hierlib.learn.sweep import run\n"
        "def link(s, *, scale={'a': 2.0}):\n    return np.tanh(scale['a'] * s)\n"
        "run(test_sweep.scaled, {'level': [1, 2]}, seeds=[3], directory=sys.argv[2], link=link)\n"
        "print(len(test_sweep.CALLS))\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)]
    counts = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert counts == ["2\n", "0\n"]


def test_an_argument_without_content_is_refused_by_name_only_where_results_are_kept(tmp_path):
    with pytest.raises(ValueError, match="fixed argument weights must have a content that can be stored, got"):
        run(scaled, {"level": [1]}, seeds=[0], directory=tmp_path / "kept", weights=threading.Lock())
    assert not (tmp_path / "kept").exists()
    assert run(lambda x, seed, lock: {"y": x}, {"x": [1]}, seeds=[0], lock=threading.Lock())["y"] == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"point": "x", "result": {"height": 7}}'])
def test_a_damaged_point_is_computed_again(tmp_path, damage):
    first = run(scaled, {"level": [1, 2]}, seeds=[0], directory=tmp_path)
    path = sorted(tmp_path.glob("*.json"))[0]
    path.write_text(damage)
    second = run(scaled, {"level": [1, 2]}, seeds=[0], directory=tmp_path)
    xr.testing.assert_identical(first, second)
    assert len(CALLS) == 3
    assert json.loads(path.read_text())["result"]


@pytest.mark.parametrize("damage", ["", "[]"])
def test_a_directory_whose_description_is_damaged_is_refused_with_the_file(tmp_path, damage):
    run(scaled, {"level": [1]}, seeds=[0], directory=tmp_path)
    (tmp_path / "sweep.json").write_text(damage)
    with pytest.raises(ValueError, match=r"directory must hold a whole sweep.json, .*, got '.*sweep.json'"):
        run(scaled, {"level": [1]}, seeds=[0], directory=tmp_path)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"x": "tanh"}, "x must be a sequence of values, got 'tanh'"),
        ({"x": 3}, "x must be a sequence of values, got 3"),
        ({"x": [[1, 2]]}, r"x must hold numbers, strings, booleans or None, got \[1, 2\]"),
        ({"x": np.eye(2)}, "x must hold numbers, strings, booleans or None, got array"),
        ({"x": [1, len]}, "x must hold numbers, strings, booleans or None, got <built-in"),
        ({"x": [1j]}, "x must hold numbers"),
        ({"x": [(1,)]}, "x must hold numbers"),
        ({"feature": [1]}, "grid must have names other than .*'feature'.*, got 'feature'"),
        ({"seed": [1]}, "grid must have names other than .*'seed'.*, got 'seed'"),
        ({"fixed_one": [1]}, "grid must have names other than .*'fixed_one'.*, got 'fixed_one'"),
        ({1: [1]}, "grid must have names other than .*, got 1"),
    ],
)
def test_grids_that_cannot_label_results_are_refused_before_anything_is_computed(grid, message, tmp_path):
    def never(**_):
        raise AssertionError

    with pytest.raises(ValueError, match=message):
        run(never, grid, seeds=[0], directory=tmp_path / "new", fixed_one=1)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (3.0, "function must return a mapping"),
        ({"x": 1}, "function must return names other than those of the grid and feature, got x"),
        ({"feature": 1}, "got feature"),
        ({"y": "text"}, "function must return a number or a vector as y, got 'text'"),
        ({"y": [[1]]}, r"function must return a number or a vector as y, got \[\[1\]\]"),
        ({"y": 1j}, "function must return a number or a vector as y"),
    ],
)
def test_results_that_cannot_be_labelled_are_refused_at_the_first_point(returned, message):
    def function(x, seed):
        CALLS.append(x)
        return returned

    with pytest.raises(ValueError, match=message):
        run(function, {"x": [1, 2, 3]}, seeds=[0])
    assert CALLS == [1]


def test_results_that_change_their_names_are_refused_at_the_point_where_they_do():
    def function(x, seed):
        CALLS.append(x)
        return {"y": 1} if x < 2 else {"z": 1}

    with pytest.raises(ValueError, match=r"function must return the same .* \['y'\], got \['z'\]"):
        run(function, {"x": [1, 2, 3]}, seeds=[0])
    assert CALLS == [1, 2]


def test_numbers_of_numpy_and_of_python_name_the_same_point(tmp_path):
    run(scaled, {"level": np.arange(1, 3)}, seeds=np.arange(1), directory=tmp_path)
    result = run(scaled, {"level": [1, 2]}, seeds=[0], directory=tmp_path)
    assert len(CALLS) == 2
    assert_array_equal(result["level"], [1, 2])


def test_numbers_beside_strings_stay_numbers():
    result = run(lambda x, seed: {"y": float(x == 1)}, {"x": [1, "1"]}, seeds=[0])
    assert list(result["x"].values) == [1, "1"]
    assert_array_equal(result["y"].squeeze(), [1, 0])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_ends_a_sweep_at_once_and_keeps_the_finished_points(tmp_path, n_jobs):
    # A shell starts what runs in its background deaf to Ctrl-C, and so would be the tests that it runs there.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.path.insert(0, sys.argv[1])\nfrom hierlib.learn.sweep import run\nfrom test_sweep import slow\n"
        "run(slow, {'level': list(range(2000))}, seeds=[0], directory=sys.argv[2], n_jobs=int(sys.argv[3]))\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path), str(n_jobs)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        while len(list(tmp_path.glob("*.json"))) < 4:
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        # Python itself takes some of it to leave.
        assert process.wait(timeout=10) == -signal.SIGINT
    for path in tmp_path.glob("*.json"):
        assert json.loads(path.read_text())
    assert len(list(tmp_path.glob("*.json"))) >= 4


def test_a_killed_sweep_leaves_whole_files_and_goes_on(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from hierlib.learn.sweep import run\nfrom test_sweep import slow\n"
        "run(slow, {'level': list(range(200))}, seeds=[0], directory=sys.argv[2])\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)]
    for wanted in (3, 8):
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
        while len(list(tmp_path.glob("*.json"))) < 1 + wanted:
            assert process.poll() is None, "the sweep ended before it could be killed"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        points = [path for path in tmp_path.glob("*.json") if path.name != "sweep.json"]
        assert len(points) >= wanted
        for path in points:
            content = json.loads(path.read_text())
            assert content["result"]["height"] == json.loads(content["point"])["level"]
    before = {path.name: path.stat().st_mtime_ns for path in points}
    result = run(slow, {"level": [0, 1, 2, 20]}, seeds=[0], directory=tmp_path)
    assert_array_equal(result["height"].squeeze(), [0, 1, 2, 20])
    assert all((tmp_path / name).stat().st_mtime_ns == stamp for name, stamp in before.items())


def test_nothing_is_printed_where_there_is_no_terminal(capfd):
    run(staircase, {"level": [1]}, seeds=[0])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("grid", "seeds", "message"),
    [({"level": []}, [0], "level must hold at least one value"), ({"level": [1]}, [], "seeds must hold at least one"),
     ({"level": [1]}, [-1], "seeds must be an integer >= 0, got -1")],
)  # fmt: skip
def test_empty_or_impossible_grids_are_refused(grid, seeds, message):
    with pytest.raises(ValueError, match=message):
        run(staircase, grid, seeds=seeds)


@pytest.mark.parametrize("model", ["hermite", "gaussian"])
def test_learning_point_is_the_estimator_on_the_target(model):
    point = learning_point(d=9, alpha=3.0, seed=4, model=model, n_test=300, holdout=0.5)
    target = HierarchicalTarget(d=9, seed=4)
    target = target.gaussian_equivalent() if model == "gaussian" else target
    estimator = HierarchicalSpectralRegressor(3, target.q, holdout=0.5).fit(*target.sample(729, seed=8))
    assert point["overlap"] == subspace_overlap(estimator.components_, target.directions)
    assert point["mse"] == pytest.approx(1 - estimator.score(*target.sample(300, seed=9)), rel=1e-12)
    assert_array_equal(point["eigenvalue"], estimator.eigenvalues_)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"model": "exact"}, "model must be one of 'hermite', 'gaussian', got 'exact'"),
     ({"alpha": -1.0}, "alpha must be a finite number >= 0, got -1"), ({"d": 0}, "d must be an integer >= 1, got 0")],
)  # fmt: skip
def test_impossible_points_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        learning_point(**{"d": 8, "alpha": 2.0, "seed": 0, **arguments})


ALPHAS = [2.6, 3.4, 3.0]


def test_a_learning_curve_equals_independent_fits():
    options = {"d": 12, "n_test": 300, "holdout": 0.2}
    curve = learning_curve(alphas=ALPHAS, seeds=[3, 1], **options)
    fits = run(learning_point, {"alpha": ALPHAS}, seeds=[3, 1], **options)
    assert curve.sizes == fits.sizes
    assert_array_equal(curve["alpha"], ALPHAS)
    # Residuals of 1e-2 of the last eigenvalue: eigenvalues to about its square, what follows from vectors to 1e-2.
    np.testing.assert_allclose(curve["eigenvalue"], fits["eigenvalue"], rtol=5e-3)
    for name in ("overlap", "mse", "alignment"):
        np.testing.assert_allclose(curve[name], fits[name], atol=0.05)


def test_an_interrupted_learning_curve_goes_on_with_the_missing_points(tmp_path):
    options = {"d": 9, "seeds": [0], "n_test": 100, "directory": tmp_path}
    learning_curve(alphas=ALPHAS[:2], **options)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    # The largest size fixes the sample in memory, not its first rows.
    curve = learning_curve(alphas=ALPHAS, **options)
    assert all((tmp_path / name).stat().st_mtime_ns == stamp for name, stamp in before.items())
    assert len(list(tmp_path.glob("*.json"))) == 1 + len(ALPHAS)
    assert np.isfinite(curve["mse"]).all()
    with pytest.raises(ValueError, match="holds another sweep"):
        learning_curve(alphas=ALPHAS, **options, gamma=0.5)


def test_empty_learning_curves_are_refused():
    with pytest.raises(ValueError, match="alphas must hold at least one value"):
        learning_curve(d=9, alphas=[], seeds=[0])
    with pytest.raises(ValueError, match="seeds must hold at least one value"):
        learning_curve(d=9, alphas=[2.0], seeds=[])
