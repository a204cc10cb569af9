"""Parameter sweeps: one function call a point, labelled results, finished points kept on disk.

`run` evaluates a function on the product of a grid and a list of seeds, in parallel when asked, and returns an
``xarray.Dataset`` whose dimensions are the grid's names, ``seed`` and, for vectors, ``feature``. With a directory each
point is one small file, written to a temporary name and then renamed: a killed run leaves only whole files, and a
second call computes what is missing. `learning_point` is the function most chapters sweep; `learning_curve` gives the
same results over growing heads of one sample, each fit starting from the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr
from joblib import Parallel, delayed
from tqdm import tqdm

import hierlib
from hierlib._checks import check_choice, check_integer, check_real
from hierlib.metrics import alignment, normalized_mse, subspace_overlap
from hierlib.spectral import HierarchicalSpectralRegressor
from hierlib.target import HierarchicalTarget

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
        Returns a mapping from names to numbers or vectors. Must be importable by name if `n_jobs` is not 1.
    grid : mapping from str to sequence
        Values (numbers, strings or None) of each swept argument.
    seeds : sequence of int
        Seeds.
    directory : path, optional
        Where finished points are kept; created if missing. Only for one function, one set of `fixed` arguments and
        one version of hierlib.
    n_jobs : int, default 1
        Points computed at the same time, by joblib.
    **fixed
        Arguments that are the same at every point.

    Returns
    -------
    xarray.Dataset
        Dimensions: the names of the grid, ``seed``, and ``feature`` (from 1) for vectors, padded with NaN to the
        longest. The attributes hold the version, the function and the fixed arguments.

    Raises
    ------
    ValueError
        If the grid or the seeds are empty, or `directory` holds the results of another sweep.

    Notes
    -----
    On a terminal a progress bar shows the time that remains; otherwise nothing is printed.

    Examples
    --------
    >>> from hierlib.sweep import run
    >>> def noisy_square(x, seed):
    ...     return {"value": x**2 + 0.1 * seed}
    >>> result = run(noisy_square, {"x": [1.0, 2.0]}, seeds=[0, 1])
    >>> result["value"].mean("seed").values.round(2)
    array([1.05, 4.05])
    """
    names = [*grid, "seed"]
    values = [_nonempty(name, choices) for name, choices in [*grid.items(), ("seeds", seeds)]]
    values[-1] = [check_integer("seeds", seed, low=0) for seed in values[-1]]
    identity = _identity(function, fixed)
    store = None if directory is None else _open_store(Path(directory), identity)
    points = [dict(zip(names, combination, strict=True)) for combination in product(*values)]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    finished = parallel(delayed(_evaluate)(function, point, fixed, store) for point in points)
    results = list(tqdm(finished, total=len(points), disable=not sys.stderr.isatty()))
    return _label(names, values, results).assign_attrs(
        version=identity["version"], function=identity["function"], fixed=json.dumps(identity["fixed"])
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
    >>> from hierlib.sweep import learning_point
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
    >>> from hierlib.sweep import learning_curve
    >>> curve = learning_curve(d=12, alphas=[3.0, 4.0], seeds=[0], model="gaussian")
    >>> curve["overlap"].squeeze().values.round(2)
    array([0.87, 0.99])
    """
    estimation = (label_transform, normalize, ranking, second_layer, leave_one_out, holdout)
    settings = (q, eps, n_features, gamma, link, model, *estimation)
    values = [_nonempty("alphas", alphas), [check_integer("seeds", s, low=0) for s in _nonempty("seeds", seeds)]]
    fixed = {"d": d, "n_test": n_test, "settings": settings}
    store = None if directory is None else _open_store(Path(directory), _identity(learning_curve, fixed))
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


def _nonempty(name: str, values: Sequence) -> list:
    if not len(values):
        msg = f"{name} must hold at least one value, got none."
        raise ValueError(msg)
    return list(values)


def _identity(function: Callable, fixed: Mapping) -> dict:
    return {
        "version": hierlib.__version__,
        "function": f"{function.__module__}.{function.__qualname__}",
        "fixed": {name: repr(value) for name, value in sorted(fixed.items())},
    }


def _open_store(directory: Path, identity: dict) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    label = directory / "sweep.json"
    if not label.exists():
        _write_whole(label, identity)
    found = json.loads(label.read_text())
    if found != identity:
        msg = f"directory {str(directory)!r} holds another sweep: expected {identity}, found {found}."
        raise ValueError(msg)
    return directory


def _evaluate(function: Callable[..., Mapping], point: dict, fixed: dict, store: Path | None) -> dict:
    if store is None:
        return _plain(function(**point, **fixed))
    key = json.dumps(point, sort_keys=True, default=str)
    path = store / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
    if not path.exists():
        _write_whole(path, {"point": key, "result": _plain(function(**point, **fixed))})
    return json.loads(path.read_text())["result"]


def _plain(result: Mapping) -> dict:
    return {name: np.asarray(value, dtype=float).tolist() for name, value in result.items()}


def _write_whole(path: Path, content: dict) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content))
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
    coordinates = dict(zip(names, values, strict=True))
    dataset = xr.Dataset(variables, coords=coordinates)
    if "feature" in dataset.dims:
        dataset = dataset.assign_coords(feature=np.arange(1, dataset.sizes["feature"] + 1))
    return dataset
