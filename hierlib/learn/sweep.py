"""Parameter sweeps: one function call a point, labelled results, finished points kept on disk.

`run` evaluates a function on the product of a grid and a list of seeds, in parallel when asked, and returns an
``xarray.Dataset`` whose dimensions are the grid's names, ``seed`` and, for vectors, ``feature``. With a directory each
point is one small file, written to a temporary name and then renamed: a killed run leaves only whole files, and a
second call computes what is missing. A directory belongs to one sweep, known by the content of its function and fixed
arguments. `learning_point` is the function most chapters sweep; `learning_curve` gives the
same results over growing heads of one sample, each fit starting from the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from joblib import Parallel, delayed
from tqdm import tqdm

import hierlib
from hierlib.checks import check_choice, check_integer, check_real
from hierlib.learn.digest import content_digest, shown
from hierlib.learn.estimator import HierarchicalSpectralRegressor
from hierlib.model.metrics import alignment, normalized_mse, subspace_overlap
from hierlib.model.target import HierarchicalTarget

__all__ = ["learning_curve", "learning_point", "run"]


def run(
    function: Callable[..., Mapping],
    grid: Mapping[str, Sequence],
    *,
    seeds: Sequence[int],
    directory: str | os.PathLike | None = None,
    n_jobs: int = 1,
    **fixed,
) -> xr.Dataset:
    """Evaluate ``function(**point, seed=seed, **fixed)`` on every point of a grid and every seed.

    Parameters
    ----------
    function : callable
        Returns a mapping from names to numbers or vectors, the same names at every point.
    grid : mapping from str to sequence
        Values (numbers, strings, booleans or None) of each swept argument; not ``seed`` or ``feature``.
    seeds : sequence of int
        Seeds.
    directory : path, optional
        Where finished points are kept; created if missing. Only for one function, one set of `fixed` arguments and
        one version of hierlib.
    n_jobs : int, default 1
        Points computed at the same time, by joblib.
    **fixed
        Arguments that are the same at every point. With a `directory`, anything that can be pickled, and functions.

    Returns
    -------
    xarray.Dataset
        Dimensions: the names of the grid, ``seed``, and ``feature`` (from 1) for vectors, padded with NaN to the
        longest. The attributes hold the version, the function and the fixed arguments.

    Raises
    ------
    ValueError
        If the grid or the seeds are empty or have other values, if a name is taken, if `directory` holds the results of
        another sweep, or if a fixed argument has no content that can be compared, such as an open file. What the
        function returns is checked point by point.

    Notes
    -----
    On a terminal a progress bar shows the time that remains; otherwise nothing is printed.

    Two sweeps are the same if the content of the function and of the fixed arguments is: a function counts by its
    bytecode, defaults, enclosing values and the global values that it reads, wherever it is defined; an array by its
    bytes, dtype and shape; an object by its class and state. What the function changes in place, such as a list of its
    calls, does not count. What is installed, as numpy is, counts by its name. Another version of Python compiles to
    other bytecode, so it cannot go on with a sweep of a function of one's own.

    Examples
    --------
    >>> from hierlib.learn.sweep import run
    >>> def noisy_square(x, seed):
    ...     return {"value": x**2 + 0.1 * seed}
    >>> result = run(noisy_square, {"x": [1.0, 2.0]}, seeds=[0, 1])
    >>> result["value"].mean("seed").values.round(2)
    array([1.05, 4.05])
    """
    names, values = _axes(grid, seeds, fixed)
    store = None if directory is None else _open_store(Path(directory), function, fixed)
    points = [dict(zip(names, combination, strict=True)) for combination in product(*values)]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    finished = parallel(delayed(_evaluate)(function, point, fixed, store) for point in points)
    results: list[dict] = []
    for result in tqdm(finished, total=len(points), disable=not sys.stderr.isatty()):
        results.append(_agree(result, results[0] if results else result))
    return _label(names, values, results).assign_attrs(
        version=hierlib.__version__,
        function=shown(function),
        fixed=json.dumps({name: shown(value) for name, value in sorted(fixed.items())}),
    )


def learning_point(
    *,
    d: int,
    alpha: float,
    seed: int,
    q: int = 2,
    eps: float = 0.5,
    n_features: int | None = None,
    gamma: float = 0.4,
    link: str = "identity",
    model: str = "hermite",
    n_test: int = 5000,
    label_transform: str | None = None,
    normalize: bool = False,
    ranking: str = "modulus",
    second_layer: str = "moments",
    leave_one_out: bool = False,
    holdout: float = 0.0,
) -> dict[str, float | np.ndarray]:
    """Draw a target and a sample, fit Algorithm 1, and measure what was recovered.

    Parameters
    ----------
    d, q, eps, n_features, gamma, link
        The target (see `HierarchicalTarget`).
    alpha : float
        Logarithmic sample size: the estimator sees n = round(d**alpha) samples.
    seed : int
        Seed of the target; the samples' seeds are derived from it. Samples of different size with one seed are nested.
    model : {"hermite", "gaussian"}
        The target itself, or its Gaussian equivalent.
    n_test : int
        Number of fresh samples that measure the error.
    label_transform, normalize, ranking, second_layer, leave_one_out, holdout
        The estimator (see `HierarchicalSpectralRegressor`), which is told q and the number of features.

    Returns
    -------
    dict
        ``mse`` (normalised test error), ``overlap``, ``n_passes``, and the vectors ``alignment`` and ``eigenvalue``
        (in the order of the features, and of the ranking).

    Examples
    --------
    >>> from hierlib.learn.sweep import learning_point
    >>> point = learning_point(d=12, alpha=4.0, seed=0, model="gaussian")
    >>> point["overlap"] > 0.95, point["mse"] < 0.1
    (True, True)
    """
    n = _sample_size(d, alpha)
    estimation = (label_transform, normalize, ranking, second_layer, leave_one_out, holdout)
    target, estimator = _setting(d, seed, q, eps, n_features, gamma, link, model, *estimation)
    estimator.fit(*target.sample(n, seed=2 * seed))
    return _measure(estimator, target, *target.sample(n_test, seed=2 * seed + 1))


def learning_curve(
    *,
    d: int,
    alphas: Sequence[float],
    seeds: Sequence[int],
    directory: str | os.PathLike | None = None,
    q: int = 2,
    eps: float = 0.5,
    n_features: int | None = None,
    gamma: float = 0.4,
    link: str = "identity",
    model: str = "hermite",
    n_test: int = 5000,
    label_transform: str | None = None,
    normalize: bool = False,
    ranking: str = "modulus",
    second_layer: str = "moments",
    leave_one_out: bool = False,
    holdout: float = 0.0,
) -> xr.Dataset:
    """Fit Algorithm 1 on growing heads of one sample a seed, each fit starting from the one before.

    Parameters
    ----------
    alphas : sequence of float
        Logarithmic sample sizes; computed in ascending order.
    seeds, directory
        As for `run`, of which this is another form.
    d, q, eps, n_features, gamma, link, model, n_test
        As for `learning_point`.
    label_transform, normalize, ranking, second_layer, leave_one_out, holdout
        As for `learning_point`.

    Returns
    -------
    xarray.Dataset
        As ``run(learning_point, {"alpha": alphas}, seeds=seeds, d=d, ...)``, up to the tolerance of the eigenvectors.

    Raises
    ------
    ValueError
        As for `run` and `learning_point`.

    Notes
    -----
    The sample of the largest size is kept in memory. After an interruption the first missing point starts afresh.

    Examples
    --------
    >>> from hierlib.learn.sweep import learning_curve
    >>> curve = learning_curve(d=12, alphas=[3.0, 4.0], seeds=[0], model="gaussian")
    >>> curve["overlap"].squeeze().values.round(2)
    array([0.87, 0.99])
    """
    estimation = (label_transform, normalize, ranking, second_layer, leave_one_out, holdout)
    settings = (q, eps, n_features, gamma, link, model, *estimation)
    values: list[list] = [[check_real("alphas", alpha, low=0) for alpha in _listed("alphas", alphas)], _seeds(seeds)]
    fixed = {"d": d, "n_test": n_test, "settings": settings}
    store = None if directory is None else _open_store(Path(directory), learning_curve, fixed)
    finished: dict[tuple, dict] = {}
    points = list(product(values[1], sorted(values[0])))
    for seed, alpha in tqdm(points, disable=not sys.stderr.isatty()):
        if (seed, sorted(values[0])[0]) == (seed, alpha):
            curve = _Curve(d, seed, max(values[0]), n_test, settings)
        finished[alpha, seed] = _evaluate(curve.point, {"alpha": alpha, "seed": seed}, {}, store)
    dataset = _label(["alpha", "seed"], values, [finished[point] for point in product(*values)])
    return dataset.assign_attrs(version=hierlib.__version__, fixed=repr(fixed))


class _Curve:
    """Fits on the growing heads of one sample."""

    def __init__(self, d: int, seed: int, largest: float, n_test: int, settings: tuple) -> None:
        self.d, self.seed, self.n_test = d, seed, n_test
        self.largest = _sample_size(d, largest)
        self.target, self.estimator = _setting(d, seed, *settings)
        self.estimator.set_params(warm_start=True)

    @cached_property
    def sample(self) -> tuple[np.ndarray, np.ndarray]:
        return self.target.sample(self.largest, seed=2 * self.seed)

    @cached_property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        return self.target.sample(self.n_test, seed=2 * self.seed + 1)

    def point(self, alpha: float, seed: int) -> dict:
        n = _sample_size(self.d, alpha)
        self.estimator.fit(*(part[:n] for part in self.sample))
        return _measure(self.estimator, self.target, *self.test)


def _sample_size(d: int, alpha: float) -> int:
    return round(check_integer("d", d, low=1) ** check_real("alpha", alpha, low=0))


def _setting(
    d: int,
    seed: int,
    q,
    eps,
    n_features,
    gamma,
    link,
    model,
    label_transform,
    normalize,
    ranking,
    second_layer,
    leave_one_out,
    holdout,
) -> tuple[HierarchicalTarget, HierarchicalSpectralRegressor]:
    check_choice("model", model, ("hermite", "gaussian"))
    target = HierarchicalTarget(d=d, q=q, eps=eps, n_features=n_features, gamma=gamma, link=link, seed=seed)
    if model == "gaussian":
        target = target.gaussian_equivalent()
    estimator = HierarchicalSpectralRegressor(
        target.n_features,
        target.q,
        label_transform=label_transform,
        normalize=normalize,
        ranking=ranking,
        second_layer=second_layer,
        leave_one_out=leave_one_out,
        holdout=holdout,
    )
    return target, estimator


def _measure(estimator: HierarchicalSpectralRegressor, target: HierarchicalTarget, X_test, y_test) -> dict:
    return {
        "mse": normalized_mse(y_test, estimator.predict(X_test)),
        "overlap": subspace_overlap(estimator.components_, target.directions),
        "alignment": alignment(estimator.components_, target.directions),
        "eigenvalue": estimator.eigenvalues_,
        "n_passes": estimator.n_passes_,
    }


def _axes(grid: Mapping[Any, Sequence], seeds: Sequence[int], fixed: Mapping) -> tuple[list[str], list[list]]:
    """Names and values of the dimensions, the seeds last."""
    for name in grid:
        taken = {"seed", "feature", *fixed}
        if not isinstance(name, str) or name in taken:
            msg = f"grid must have names other than {', '.join(map(repr, sorted(taken)))}, got {name!r}."
            raise ValueError(msg)
    values: list[list] = [
        [_coordinate(name, value) for value in _listed(name, choices)] for name, choices in grid.items()
    ]
    return [*grid, "seed"], [*values, _seeds(seeds)]


def _seeds(seeds: Sequence[int]) -> list[int]:
    return [check_integer("seeds", seed, low=0) for seed in _listed("seeds", seeds)]


def _listed(name: str, values: Sequence) -> list:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        msg = f"{name} must be a sequence of values, got {values!r}."
        raise ValueError(msg)
    if not (found := list(values)):
        msg = f"{name} must hold at least one value, got none."
        raise ValueError(msg)
    return found


def _coordinate(name: str, value: object) -> object:
    """Return a value of the grid as Python's own number or string, which labels a result and names its file."""
    plain = value.item() if isinstance(value, np.generic) else value
    if plain is not None and not isinstance(plain, bool | int | float | str):
        msg = f"{name} must hold numbers, strings, booleans or None, got {value!r}."
        raise ValueError(msg)
    return plain


def _open_store(directory: Path, function: Callable, fixed: Mapping) -> Path:
    parts = {"function": function, **{f"fixed argument {name}": value for name, value in fixed.items()}}
    identity = {name: {"shown": shown(part), "digest": content_digest(name, part)} for name, part in parts.items()}
    identity["version"] = {"shown": hierlib.__version__, "digest": hierlib.__version__}
    directory.mkdir(parents=True, exist_ok=True)
    label = directory / "sweep.json"
    if not label.exists():
        _write_whole(label, identity)
    found = _read(label)
    if found is None:
        msg = f"directory must hold a whole {label.name}, which says whose results these are, got {str(label)!r}."
        raise ValueError(msg)
    if different := {name for name, _ in _digests(found) ^ _digests(identity)}:
        msg = f"directory {str(directory)!r} holds another sweep: it differs in {', '.join(sorted(different))}."
        raise ValueError(msg)
    return directory


def _digests(identity: dict) -> set[tuple[str, str]]:
    # Earlier versions of hierlib wrote no digests: all of their parts differ.
    return {(name, part.get("digest", "") if isinstance(part, dict) else "") for name, part in identity.items()}


def _evaluate(function: Callable[..., Mapping], point: dict, fixed: dict, store: Path | None) -> dict:
    if store is None:
        return _plain(function(**point, **fixed), point)
    key = json.dumps(point, sort_keys=True)
    path = store / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
    kept = _read(path)
    # A machine that lost its power can leave an empty file: computed again, as if it were missing.
    if kept is None or kept.get("point") != key or "result" not in kept:
        kept = {"point": key, "result": _plain(function(**point, **fixed), point)}
        _write_whole(path, kept)
    return kept["result"]


def _plain(result: object, point: dict) -> dict:
    """Return the numbers and vectors that a function returned, as lists; anything else is a ValueError."""
    if not isinstance(result, Mapping):
        msg = f"function must return a mapping from names to numbers or vectors, got {result!r}."
        raise ValueError(msg)
    if taken := {*point, "feature"} & set(result):
        msg = f"function must return names other than those of the grid and feature, got {', '.join(sorted(taken))}."
        raise ValueError(msg)
    plain = {name: np.asarray(value) for name, value in result.items()}
    for name, value in plain.items():
        if value.dtype.kind not in "fiub" or value.ndim > 1:
            msg = f"function must return a number or a vector as {name}, got {result[name]!r}."
            raise ValueError(msg)
    return {name: value.astype(float).tolist() for name, value in plain.items()}


def _agree(result: dict, first: dict) -> dict:
    """Return a result that has the names of the first one, numbers and vectors in the same places."""
    kinds, wanted = ({name: isinstance(value, list) for name, value in part.items()} for part in (result, first))
    if kinds != wanted:
        msg = (
            f"function must return the same numbers and vectors at every point: {sorted(first)}, got {sorted(result)}."
        )
        raise ValueError(msg)
    return result


def _read(path: Path) -> dict | None:
    """Content of a file of the store; None if it is missing or damaged."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _write_whole(path: Path, content: dict) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with temporary.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _label(names: list[str], values: list[list], results: list[dict]) -> xr.Dataset:
    shape = tuple(map(len, values))
    variables: dict[str, tuple] = {}
    for name in results[0]:
        entries = [np.asarray(result[name], dtype=float) for result in results]
        if entries[0].ndim == 0:
            variables[name] = (names, np.reshape(entries, shape))
            continue
        length = max(map(len, entries))
        padded = np.full((len(entries), length), np.nan)
        for row, entry in zip(padded, entries, strict=True):
            row[: len(entry)] = entry
        variables[name] = ([*names, "feature"], padded.reshape(*shape, length))
    # An array of numbers and strings would turn the numbers into strings.
    mixed = [any(isinstance(v, str) for v in axis) and not all(isinstance(v, str) for v in axis) for axis in values]
    axes = [np.array(axis, dtype=object) if mix else axis for axis, mix in zip(values, mixed, strict=True)]
    coordinates = dict(zip(names, axes, strict=True))
    dataset = xr.Dataset(variables, coords=coordinates)
    if "feature" in dataset.dims:
        dataset = dataset.assign_coords(feature=np.arange(1, dataset.sizes["feature"] + 1))
    return dataset
