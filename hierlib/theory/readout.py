"""Test errors of the upper layers, given what the first layer has recovered.

The weights of the second layer, learned on the sample of the first one, and the error of the best function of its
output: for the asymptotic model of `hierlib.theory.bulk`, whose chapter derives both.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import gammaincinv, ndtr, ndtri
from scipy.stats import qmc

from hierlib.theory.bulk import Model
from hierlib.theory.weight_law import WeightLaw, apply

_POINTS = 2**14  # for the errors
_COORDINATES = 2**20  # or this many coordinates, if that is fewer points
_BINS = 16  # pieces of the scalar readout


def in_sample_weights(law: WeightLaw, feature: np.ndarray, aligned: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Mean of u (h_hat^2 - 1) over the sample that h_hat was learned on, given `Bulk.squared_resolvents`.

    It is the derivative of the eigenvalue when the weights v are moved along u: for u = v, the eigenvalue itself.
    """
    noise = squares @ law.label_masses
    signal = np.einsum("im,im->i", squares, law.label_reweighted[feature])
    return (1 - aligned) * noise + aligned * signal


@lru_cache(maxsize=4)
def _normal_points(dimensions: int) -> np.ndarray:
    """Quasi-random standard normal points, a power of two of them in columns."""
    log2 = int(np.log2(min(_POINTS, max(2**12, _COORDINATES // dimensions))))
    return np.ascontiguousarray(ndtri(qmc.Sobol(dimensions, scramble=True, seed=0).random_base2(log2)).T)


@lru_cache(maxsize=8)
def _squared_radii(dimensions: int, d: int) -> np.ndarray:
    """Values of ||x||^2/d at the first coordinate of the points."""
    return gammaincinv(d / 2, ndtr(_normal_points(dimensions)[0])) * 2 / d


def readout_error(
    model: Model, feature: np.ndarray, aligned: np.ndarray, weights: np.ndarray, lost: np.ndarray
) -> float:
    """Test error over Var y of the best function of sum_k a_k h_hat_k^2, `lost` the a_k of pure noise."""
    if not weights.any() and not lost.any():
        return 1.0
    d1, kept = len(model.weights), len(feature)
    # In an order of their own, so that the error does not depend on the order that the target lists its weights in.
    order = np.lexsort((-model.weights, -np.abs(model.weights)))
    true_weights, feature = model.weights[order], np.argsort(order)[feature]
    own = np.argsort(feature, kind="stable")
    feature, aligned, weights = feature[own], aligned[own], weights[own]
    points = _normal_points(1 + d1 + kept + len(lost))
    h, xi = points[1 : 1 + d1], points[1 + d1 :]
    scale = np.ones(h.shape[1])
    if model.cells.scale.size > 1:
        scale = _squared_radii(len(points), model.d) ** model.degree / model.cells.mean_power
    learned = np.sqrt(aligned)[:, None] * h[feature] + np.sqrt(1 - aligned)[:, None] * xi[:kept]
    feature_sum = weights @ learned**2 + lost @ xi[kept:] ** 2
    if model.composed:
        h = h[np.argsort(order)].T
        y = model.link(np.sqrt(scale)[:, None] * (h if model.axes is None else h @ model.axes.T))
        feature_sum = scale * feature_sum
    else:
        moments = np.array([np.sum(true_weights**2), aligned @ (weights * true_weights[feature])])
        weights = np.append(weights, lost)
        moments = 2 * np.append(moments, weights @ weights)
        true_sum, feature_sum = _match(true_weights @ h**2, feature_sum, moments)
        argument = (scale * (true_sum + true_weights.sum()) - true_weights.sum()) / np.sqrt(2)
        y = apply("link_function", model.link, argument)
        feature_sum = scale * (feature_sum + weights.sum())
    y = np.ldexp(y, -model.cells.exponent)

    order = np.argsort(feature_sum)
    x, y = feature_sum[order].reshape(_BINS, -1), y[order].reshape(_BINS, -1)
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    residual = np.sum(dy**2, axis=1) - np.sum(dx * dy, axis=1) ** 2 / np.sum(dx**2, axis=1)
    # Two coefficients a piece are fitted to its points.
    return float(residual.mean() / (dx.shape[1] - 2) / y.var())


def _match(first: np.ndarray, second: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre two samples and give them exactly these moments: variance, covariance, variance.

    Quasi-random sums of hundreds of squares miss their moments by a percent, and errors by as much.
    """
    first, second = first - first.mean(), second - second.mean()
    second = second - (first @ second) / (first @ first) * first
    slope = moments[1] / moments[0]
    rest = max(moments[2] - slope * moments[1], 0.0)
    first = first * np.sqrt(moments[0] / np.mean(first**2))
    return first, slope * first + second * np.sqrt(rest / max(np.mean(second**2), np.finfo(float).tiny))
