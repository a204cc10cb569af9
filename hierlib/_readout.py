"""Test errors of the upper layers, given what the first layer has recovered.

The weights of the second layer, learned on the sample of the first one, and the error of the best function of its
output: for the asymptotic model of `hierlib._bulk`, whose chapter derives both.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv, ndtri
from scipy.stats import qmc

from hierlib._bulk import Model, resolvent_kernel_slope
from hierlib._weight_law import WeightLaw

_SOBOL_LOG2 = 13  # points for the errors: 2**13
_BINS = 16  # pieces of the scalar readout


def in_sample_weights(law: WeightLaw, feature: np.ndarray, aligned: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Mean of u (h_hat^2 - 1) over the sample that h_hat was learned on.

    It is the derivative of the eigenvalue when the weights v are moved along u: for u = v, the eigenvalue itself.
    """
    kernel = resolvent_kernel_slope(1 - s[:, None] * law.values)
    noise = kernel @ law.label_masses
    signal = np.einsum("im,im->i", kernel, law.label_reweighted[feature])
    return (1 - aligned) * noise + aligned * signal


def readout_error(
    model: Model, feature: np.ndarray, aligned: np.ndarray, weights: np.ndarray, lost: np.ndarray
) -> float:
    """Test error over Var y of the best function of sum_k a_k h_hat_k^2, `lost` the a_k of pure noise."""
    if not weights.any() and not lost.any():
        return 1.0
    d1, kept = len(model.weights), len(feature)
    points = qmc.Sobol(d1 + kept + len(lost) + 1, scramble=True, seed=0).random_base2(_SOBOL_LOG2)
    h, xi = np.split(ndtri(points[:, :-1]), [d1], axis=1)
    scale = np.ones(len(points))
    if model.cells.scale.size > 1:
        scale = (gammaincinv(model.d / 2, points[:, -1]) * 2 / model.d) ** model.degree / model.cells.mean_power
    y = model.link((scale * (h**2 @ model.weights) - model.weights.sum()) / np.sqrt(2))
    learned = np.sqrt(aligned) * h[:, feature] + np.sqrt(1 - aligned) * xi[:, :kept]
    feature_sum = scale * (learned**2 @ weights + xi[:, kept:] ** 2 @ lost)

    order = np.argsort(feature_sum)
    x, y = feature_sum[order].reshape(_BINS, -1), y[order].reshape(_BINS, -1)
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    residual = np.mean(dy**2, axis=1) - np.mean(dx * dy, axis=1) ** 2 / np.mean(dx**2, axis=1)
    return float(residual.mean() / y.var())
