"""Tables of any data made fit for the spectral method: read, cut to a size and whitened, with notes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import rankdata
from sklearn.utils.extmath import randomized_svd

from hierlib.checks import check_array
from hierlib.engine.scaling import power_of_two, varies

__all__ = ["fewer_rows", "listed", "read_inputs", "read_labels", "whitened_columns"]

# Directions of inputs that are looked at, and samples a direction at least: whitening costs one of them each.
MAX_DIRECTIONS = 100
SAMPLES_A_DIRECTION = 10
# Rows are drawn at random so that the cost of the permutations, n (D^2 + 20 D + 100) each, and n d, the memory, stay
# below these: the moment matrix, the weighting of the inputs, and the permutation itself.
MAX_COST = 2e10
MAX_ENTRIES = 5e7
# Exact singular values up to this size of the smaller side.
MAX_EXACT = 600
# Excess kurtosis from which on a column is replaced by its normal scores: that of the exponential law.
HEAVY_TAIL = 6.0
# Relative size of a singular value that is rounding.
COLLINEAR = 1e-6


def read_inputs(X: Any) -> tuple[np.ndarray, list[str]]:
    """Return a table, a data frame or an array, as an array of finite numbers, and the names of its columns."""
    if isinstance(X, pd.DataFrame):
        names = [str(name) for name in X.columns]
        others = [f"{name!r} ({dtype})" for name, dtype in zip(names, X.dtypes, strict=True) if not _is_real(dtype)]
        if others:
            msg = f"X must have columns of numbers, got {listed(others)}: encode or drop them."
            raise ValueError(msg)
        X = X.to_numpy(dtype=float, na_value=np.nan)
    else:
        names = []
    array = check_array("X", X, shape=(None, None), finite=False).astype(float)
    names = names or [f"x{j}" for j in range(array.shape[1])]
    bad = [repr(name) for name, column in zip(names, array.T, strict=True) if not np.isfinite(column).all()]
    if bad:
        msg = f"X must be finite, got NaN or infinite entries in {listed(bad)}: fill the gaps, or drop rows or columns."
        raise ValueError(msg)
    return array, names


def read_labels(y: Any, n_samples: int) -> np.ndarray:
    """Return labels as an array of finite numbers, one a row; a table of one column is one, too."""
    if isinstance(y, pd.DataFrame) and y.shape[1] == 1:
        y = y.iloc[:, 0]
    if isinstance(y, pd.Series) and _is_real(y.dtype):
        y = y.to_numpy(dtype=float, na_value=np.nan)
    if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    return check_array("y", y, shape=(n_samples,)).astype(float)


def _is_real(dtype: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype))


def listed(names: list[str]) -> str:
    """Write the first names of a list, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def fewer_rows(
    inputs: np.ndarray, labels: np.ndarray, n_permutations: int, notes: list[str], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return at most as many rows and labels, drawn at random, as can be permuted that often in some seconds."""
    n, d = inputs.shape
    dim = min(d, MAX_DIRECTIONS)
    most = int(min(MAX_COST / n_permutations / (dim**2 + 20 * dim + 100), MAX_ENTRIES / max(1, d)))
    if n <= most:
        return inputs, labels
    notes.append(f"{most} of {n} rows are used, chosen at random.")
    rows = np.sort(rng.choice(n, most, replace=False))
    if not varies(labels[rows]):
        msg = f"y must vary among the {most} rows that are used, got {labels[rows[0]]:g} for all."
        raise ValueError(msg)
    return inputs[rows], labels[rows]


def whitened_columns(inputs: np.ndarray, names: list[str], notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Whiten a table; return it, shape (n, dim), and the correlations of its directions with the columns."""
    n, d = inputs.shape
    used = np.array([j for j in range(d) if varies(inputs[:, j])], dtype=int)
    if not used.size:
        msg = f"X must have columns that vary, got {d} constant ones."
        raise ValueError(msg)
    if used.size < d:
        notes.append(f"constant columns are left out: {listed([names[j] for j in sorted(set(range(d)) - set(used))])}.")
    columns = _standardized(inputs[:, used])
    heavy = np.flatnonzero(np.mean(columns**4, axis=0) - 3 > HEAVY_TAIL)
    if heavy.size:
        columns[:, heavy] = _standardized(ndtri((rankdata(columns[:, heavy], axis=0) - 0.5) / n))
        notes.append(
            f"heavy-tailed columns are replaced by their normal scores: {listed([names[used[j]] for j in heavy])}."
        )
    scores, sizes, axes = _principal_components(columns)
    rank = int(np.count_nonzero(sizes > COLLINEAR * sizes[0]))
    exact = min(n, used.size) <= MAX_EXACT
    if exact and rank < min(n - 1, used.size):
        notes.append(f"{used.size} columns have {rank} independent directions: the others are combinations of them.")
    kept = min(rank, MAX_DIRECTIONS, n // SAMPLES_A_DIRECTION)
    if kept < (rank if exact else used.size):
        share = np.sum(sizes[:kept] ** 2) / (n * used.size)
        notes.append(f"the first {kept} principal components are used, which have {share:.0%} of the variance.")
    loadings = np.zeros((kept, d))
    loadings[:, used] = sizes[:kept, None] * axes[:kept] / np.sqrt(n)
    return np.sqrt(n) * scores[:, :kept], loadings


def _standardized(columns: np.ndarray) -> np.ndarray:
    columns = columns / power_of_two(columns, axis=0)
    columns -= columns.mean(axis=0)
    # Again at unit size: a column may vary by little around a large mean.
    columns /= power_of_two(columns, axis=0)
    return columns / columns.std(axis=0)


def _principal_components(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular value decomposition, exact by the Gram matrix of the smaller side; of large tables the leading part."""
    n, d = columns.shape
    if min(n, d) > MAX_EXACT:
        return randomized_svd(columns, MAX_DIRECTIONS, random_state=0)
    squares, vectors = np.linalg.eigh(columns.T @ columns if d <= n else columns @ columns.T)
    kept = np.flatnonzero(squares > COLLINEAR**2 * squares[-1])[::-1]
    sizes, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    if d <= n:
        return columns @ vectors / sizes, sizes, vectors.T
    return vectors, sizes, (columns.T @ vectors / sizes).T
