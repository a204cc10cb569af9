"""Powers of two that bring numbers to unit size: squares then neither under- nor overflow, and nothing is rounded.

What is homogeneous in its input, such as eigenvectors in the labels, is computed at unit size and scaled back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace
from sklearn.metrics import r2_score

__all__ = ["UnitFreeScore", "column_norms", "normalized", "power_of_two", "r_squared", "varies"]

# Distinct numbers closer than this, relative to their size, may differ by rounding alone.
_ROUNDING = 64


def power_of_two(values: np.ndarray, axis: int | None = None) -> Any:
    """Return the largest power of two that is not above the largest modulus along an axis, 1 for zeros."""
    peaks = np.abs(values).max(axis=axis, initial=0.0)
    return np.where(peaks > 0, np.ldexp(0.5, np.frexp(peaks)[1]), 1.0)[()]


def column_norms(columns: np.ndarray) -> np.ndarray:
    """Compute the Euclidean norms of columns of any size."""
    unit = power_of_two(columns, axis=0)
    return unit * np.linalg.norm(columns / unit, axis=0)


def varies(values: np.ndarray) -> bool:
    """Whether numbers differ by more than the rounding of their type."""
    rounding = np.finfo(values.dtype if values.dtype.kind == "f" else float).eps
    scaled = values / power_of_two(values)
    return bool(np.ptp(scaled) > _ROUNDING * rounding)


def normalized(tile: Any, dtype: Any) -> Any:
    """Scale the columns of a floating-point array to the square root of their length; columns of zeros stay.

    Parameters
    ----------
    tile : array, shape (d, m)
        Columns of any size, of any library.
    dtype : dtype
        Type of the result.

    Returns
    -------
    array, shape (d, m)
        The columns.
    """
    xp = array_namespace(tile)
    peaks = xp.max(xp.abs(tile), axis=0)
    peaks = xp.where(peaks > 0, peaks, xp.ones_like(peaks))
    # A little less than the peak: the logarithm of the largest numbers would round up to one too many.
    tile = xp.astype(tile / 2.0 ** xp.floor(xp.log2(0.999 * peaks)), dtype)
    norms = xp.sqrt(xp.sum(tile * tile, axis=0))
    return tile * (tile.shape[0] ** 0.5 / xp.where(norms > 0, norms, xp.ones_like(norms)))


def r_squared(y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Compute scikit-learn's coefficient of determination at unit size of the labels."""
    unit = power_of_two(np.asarray(y_true, dtype=float))
    return r2_score(np.asarray(y_true) / unit, np.asarray(y_pred) / unit, sample_weight=sample_weight)


class UnitFreeScore:
    """A regressor whose score does not depend on the unit of the labels, however small or large."""

    def score(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
        r"""Compute :math:`R^2` of the predictions, 1 at best and 0 for the mean label."""
        return r_squared(y, self.predict(X), sample_weight)  # type: ignore[attr-defined]
