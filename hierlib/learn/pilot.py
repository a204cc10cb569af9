r"""The best label transform as a sample sees it: from the features of a first fit, without knowing the target.

The formula is that of `hierlib.theory.label_transforms.optimal_label_transform`; conditional means of the learned
features, left out one sample at a time and divided by their alignment, stand in the place of those of the true ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.scaling import normalized, varies
from hierlib.theory.label_transforms import combine
from hierlib.theory.piecewise import PiecewiseLinear
from hierlib.theory.shrinkage import alignment_of_moment, effective_weights, leave_one_out

__all__ = ["label_bins", "sums_of_batch", "transform_of_sums"]

_BINS = 30  # of equal count: a mean of h^2 over n/30 samples
_SMALLEST = 0.05  # alignment that a mean is divided by


def label_bins(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean standardised label of each bin (increasing), and each sample's bin."""
    standardized = (y - y.mean()) / y.std()
    inner = np.unique(np.quantile(standardized, np.linspace(0, 1, _BINS + 1)[1:-1]))
    # Labels that coincide share a bin, and leave others empty.
    _, cell = np.unique(np.searchsorted(inner, standardized, side="right"), return_inverse=True)
    return np.bincount(cell, standardized) / np.bincount(cell), cell


def sums_of_batch(
    features: HermiteFeatures,
    components: np.ndarray,
    s: np.ndarray,
    n_bins: int,
    normalize: bool,
    X: np.ndarray,
    columns: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Sum what `transform_of_sums` needs over a batch.

    Parameters
    ----------
    features : HermiteFeatures
        The feature map.
    components : ndarray, shape (k, dim)
        Learned directions.
    s : ndarray, shape (k,)
        `SampleBulk.resolvent` at their eigenvalues.
    n_bins : int
        Number of bins of the label.
    normalize : bool
        Whether the moment matrix was formed from :math:`\sqrt d\,x/\|x\|`.
    X : ndarray, shape (m, d)
        Inputs.
    columns : ndarray, shape (m, 2)
        Bin, and weight w in the moment matrix.

    Returns
    -------
    by_bin : ndarray, shape (1 + 2 k, n_bins)
        Sums over each bin of :math:`R^2`, of :math:`R(\hat h^2-1)` and of :math:`R^2(\hat h^2-1)`, with
        :math:`R=v/w` and leave-one-out features :math:`\hat h` of unit second moment.
    total : ndarray, shape (2, k)
        Sums of :math:`v^2\hat h^2` in the sample and of :math:`(\hat h^2-1)v^2/(1-vs)^2`.
    """
    cell, weights = columns[:, 0].astype(int), columns[:, 1]
    X = normalized(X.T, float).T if normalize else X.astype(float, copy=False)
    squares = None if normalize else np.sum(X**2, axis=1)
    ones, spread = np.ones(len(X)), features.radius_variance
    scale = effective_weights(ones, X.shape[1], features.degree, squares, radius_variance=spread)
    h = features.project(X, components)  # sqrt(R) times a feature of unit second moment
    v = (scale * weights)[:, None]
    excess = leave_one_out(h, v[:, 0], s) ** 2 - scale[:, None]
    by_bin = [np.bincount(cell, row, n_bins) for row in (scale**2, *excess.T, *(scale[:, None] * excess).T)]
    inside = weights[:, None] * v * h**2
    return np.array(by_bin), np.array([inside.sum(axis=0), np.sum(inside - (v / (1 - v * s)) ** 2, axis=0)])


def transform_of_sums(
    points: np.ndarray,
    counts: np.ndarray,
    by_bin: np.ndarray,
    total: np.ndarray,
    s: np.ndarray,
    dim: int,
    remainder: float,
    width: float,
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Combine the features' conditional means into the best transform.

    Parameters
    ----------
    points, counts : ndarray, shape (m,)
        Mean standardised label of each bin, and its number of samples.
    by_bin, total
        What `sums_of_batch` returns, summed over the sample.
    s : ndarray, shape (k,)
        `SampleBulk.resolvent` at the eigenvalues.
    dim : int
        Number D of features.
    remainder : float
        `hierlib.theory.asymptotics.remainder_coefficient`.
    width : float
        As for `combine`.

    Returns
    -------
    callable or None
        Function of the standardised label: piecewise linear, constant beyond the outermost bins' means. None if the
        best one would not tell labels apart.
    """
    n, k = counts.sum(), len(s)
    aligned = np.maximum(alignment_of_moment(total[0] / n, s, n / dim, remainder / dim), _SMALLEST)
    # A learned feature is the true one times c, and noise: so is what labels say of its square, times c^2.
    signal, noise = (by_bin[first : first + k] / counts / aligned[:, None] for first in (1, 1 + k))
    slopes = np.maximum(total[1] / n / aligned, 0.0)
    noise = np.maximum(by_bin[0] / counts + noise, 1e-3)
    values = combine(s, aligned, 1 / (1 + n / dim * s**2 * slopes), signal, noise, width)
    return PiecewiseLinear(points, values) if varies(values) else None
