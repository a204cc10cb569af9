r"""Functions of the label whose values weight the moment matrix best, for a target that is known.

What the sample says about feature i through the label is :math:`m_i(y)=E[\tilde h_i^2\mid y]`. A single feature has the
smallest threshold and the largest alignment at every n/D with the weight :math:`1-1/m_1(y)`; with several, one function
has to serve them all, and the best compromise depends on n/D. Cost: that of a few predictions. Not in the paper; the
chapter *Visible Thresholds* derives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hierlib.checks import check_choice, check_integer
from hierlib.theory.asymptotics import predict
from hierlib.theory.bulk import Bulk, build_model
from hierlib.theory.piecewise import PiecewiseLinear
from hierlib.theory.remainder import MAX_DIM
from hierlib.theory.weight_law import Function

__all__ = ["lowest_threshold_transform", "optimal_label_transform"]

_BINS = 400  # of equal width, of the standardised label between its 1e-5 and 1 - 1e-5 quantiles
_RANGES = (1.0, 1.5, 2.5, 5.0)  # largest weight over the largest of the other sign


def optimal_label_transform(
    target: Any, n: int, radial: bool = True, *, normalize: bool = False, ranking: str = "modulus"
) -> Function:
    r"""Return the label transform with the largest predicted overlap at n samples.

    .. math:: T(y) = \frac{\sum_i\kappa_is_i(1-c_i^2)\,E[R\,(\tilde h_i^2-1)\mid y]}
                          {\sum_i\kappa_is_i^2\,E[R^2\,\tilde h_i^2\mid y]},

    cut at both ends, with :math:`R=1` if `normalize` or not `radial`. The resolvent :math:`s_i` has the sign of
    :math:`\lambda_i`; it, :math:`c_i^2=\cos^2\theta_i` and :math:`1/\kappa_i=1+\delta s_i^2\varphi_i'(s_i)` are those
    of `hierlib.theory.asymptotics.predict` with the transform of the step before, at the bulk's edge for features
    without an outlier. For a single feature T is :math:`1-1/E[\tilde h^2\mid y]` up to a factor, which is optimal at
    every n/D (Mondelli and Montanari 2018; Luo, Alghamdi and Lu 2019).

    Parameters
    ----------
    target, radial, normalize, ranking
        As for `hierlib.theory.asymptotics.predict`: say how the transform will be used.
    n : int
        Number of samples, at least 1.

    Returns
    -------
    callable
        Function of the standardised label: piecewise linear, constant beyond the label's 1e-5 and 1 - 1e-5 quantiles,
        hence bounded. It can be pickled.

    Raises
    ------
    ValueError
        As for `hierlib.theory.asymptotics.predict`.

    Notes
    -----
    The best of tanh, of the labels, cut at 2 or not, and of `lowest_threshold_transform` for the first and the last
    feature is the start of two steps. Each is followed by a choice among four ranges: the largest weight of one sign is
    at most so many times that of the other. Without that, equal signs would give :math:`T\to-\infty` where all
    :math:`\tilde h_i` vanish, and single samples with such labels outliers of their own. The formula makes the mean
    overlap stationary to first order in :math:`vs_i`; the predicted overlap decides, so that it is never below that of
    a start, where it may remain if x is raw.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.asymptotics import TargetParameters, predict
    >>> from hierlib.theory.label_transforms import optimal_label_transform
    >>> target = TargetParameters(np.array([0.7, 0.5, -0.4, 0.3]), d=45, q=2)
    >>> options = {"normalize": True, "ranking": "edge"}
    >>> transforms = [None, "tanh", optimal_label_transform(target, 12 * target.dim, **options)]
    >>> [f"{predict(target, 12 * target.dim, T, **options).alignments.mean():.2f}" for T in transforms]
    ['0.34', '0.61', '0.64']
    """
    n = check_integer("n", n, low=1, high=MAX_DIM)
    check_choice("ranking", ranking, ("modulus", "edge"))
    options: dict[str, Any] = {"radial": radial, "normalize": normalize}
    moments = _moments_given_label(target, **options)

    def overlap(transform: Function) -> float:
        return float(predict(target, n, transform, ranking=ranking, **options).alignments.mean())

    points, single = moments.points, moments.lowest_threshold()
    starts = list(map(moments.interpolate, (np.tanh(points), np.clip(points, -2, 2), points, single[0], single[-1])))
    overlaps = [overlap(transform) for transform in starts]
    largest, best = max(overlaps), starts[int(np.argmax(overlaps))]
    for _ in range(2):
        s, aligned, kappa = _responses(build_model(target, best, remainder=True, **options).bulk(n))
        for width in _RANGES:
            values = combine(s, aligned, kappa, moments.signal, moments.noise, width)
            transform = moments.interpolate(values)
            found = overlap(transform)
            if found > largest:
                best, largest = transform, found
    return best


def lowest_threshold_transform(target: Any, feature: int, radial: bool = True, *, normalize: bool = False) -> Function:
    r"""Return the label transform with the smallest `Prediction.thresholds` for one feature.

    .. math:: T(y) = \frac{E[R\,(\tilde h_i^2-1)\mid y]-\mu}{E[R^2\mid y]},

    with :math:`\mu` such that :math:`E\,T(y)=0`, and with 1 in the place of R (then :math:`\mu=0`) if `normalize` or
    not `radial`: Cauchy-Schwarz on :math:`\theta_i^2/E[v^2]`, the threshold in the limit of many samples per dimension.
    It serves that feature alone; for all of them, at the n/D at hand, see `optimal_label_transform`.

    Parameters
    ----------
    target, radial, normalize
        As for `hierlib.theory.asymptotics.predict`.
    feature : int
        Index i from 0, less than d1.

    Returns
    -------
    callable
        Function of the standardised label, as of `optimal_label_transform`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.asymptotics import TargetParameters
    >>> from hierlib.theory.label_transforms import lowest_threshold_transform
    >>> transform = lowest_threshold_transform(TargetParameters(np.array([1.0]), d=60, q=1), feature=0)
    >>> transform(np.array([1.0, 2.0]) / np.sqrt(2)).round(2)  # one feature: the label gives h^2 - 1 away
    array([1., 2.])
    """
    moments = _moments_given_label(target, radial=radial, normalize=normalize)
    feature = check_integer("feature", feature, low=0, high=len(moments.signal) - 1)
    return moments.interpolate(moments.lowest_threshold()[feature])


def combine(
    s: np.ndarray, aligned: np.ndarray, kappa: np.ndarray, signal: np.ndarray, noise: np.ndarray, width: float
) -> np.ndarray:
    r"""Weigh the features' shares of the best transform, cut where it is larger than `width` times the other end.

    Parameters
    ----------
    s, aligned, kappa : ndarray, shape (k,)
        The :math:`s_i`, :math:`c_i^2` and :math:`\kappa_i`.
    signal, noise : ndarray, shape (k, m)
        :math:`E[R(\tilde h_i^2-1)\mid y]` and :math:`E[R^2\tilde h_i^2\mid y]` at m labels.
    width : float
        Largest weight of one sign over the largest of the other.

    Returns
    -------
    ndarray, shape (m,)
        Values of the transform.
    """
    values = (kappa * s * (1 - aligned)) @ signal / ((kappa * s**2) @ noise)
    bound = width * min(values.max(), -values.min())
    return np.clip(values, -bound, bound)


@dataclass(frozen=True)
class _Moments:
    r"""What a label tells, on bins of the standardised label.

    Attributes
    ----------
    points, chance, scale : ndarray, shape (m,)
        Middle of each bin, its probability, and :math:`E[R^2\mid y]`.
    signal, noise : ndarray, shape (d1, m)
        :math:`E[R(\tilde h_i^2-1)\mid y]` and :math:`E[R^2\tilde h_i^2\mid y]`.
    """

    points: np.ndarray
    chance: np.ndarray
    scale: np.ndarray
    signal: np.ndarray
    noise: np.ndarray

    def lowest_threshold(self) -> np.ndarray:
        """Return the values of `lowest_threshold_transform` at `points`, shape (d1, m)."""
        mean = self.signal @ (self.chance / self.scale) / np.sum(self.chance / self.scale)
        return (self.signal - mean[:, None]) / self.scale

    def interpolate(self, values: np.ndarray) -> Function:
        """Return the piecewise linear function with these values at `points`."""
        return PiecewiseLinear(self.points, values)


def _moments_given_label(target: Any, *, radial: bool, normalize: bool) -> _Moments:
    cells = build_model(target, None, radial=radial, remainder=False, normalize=normalize).cells
    scale = np.ones_like(cells.scale) if normalize else cells.scale
    labels, masses = cells.standardized.ravel(), cells.masses.ravel()
    order = np.argsort(labels)
    low, high = np.interp([1e-5, 1 - 1e-5], np.cumsum(masses[order]), labels[order])
    edges = np.linspace(low, high, _BINS + 1)
    cell = np.clip(np.searchsorted(edges, labels, side="right") - 1, 0, _BINS - 1)

    def collect(factor: np.ndarray, law: np.ndarray) -> np.ndarray:
        values = (cells.probability * factor)[:, None] * law
        return np.bincount(cell, weights=values.ravel(), minlength=_BINS)

    chance = collect(np.ones_like(scale), cells.law)
    filled = chance > 0
    signal, noise = (
        np.array([collect(factor, law)[filled] for law in laws]) / chance[filled]
        for factor, laws in ((scale, cells.reweighted - cells.law), (scale**2, cells.reweighted))
    )
    square = collect(scale**2, cells.law)[filled] / chance[filled]
    return _Moments((edges[:-1] + 0.5 * np.diff(edges))[filled], chance[filled], square, signal, noise)


def _responses(bulk: Bulk) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the resolvent s of each feature's clearest outlier, its squared cosine, and kappa; shape (d1,) each."""
    roots, aligned = (np.stack(parts, axis=1) for parts in zip(*map(bulk.outliers, (-1, 1)), strict=True))
    feature, side = np.arange(len(roots)), aligned.argmax(axis=1)
    exists = aligned.max(axis=1) > 0
    # Without an outlier: the edge that a stronger feature of this sign would leave first.
    edges = np.where(bulk.law.strengths > 0, bulk.edges[1], bulk.edges[-1])
    s = np.where(exists, roots[feature, side], edges)
    slopes = np.diagonal(bulk.moments(s)[3])
    return s, aligned[feature, side], 1 / (1 + bulk.delta * s**2 * slopes)
