"""The second layer's weights from sums over the data: moments of the labels, or the quadratic form that fits them best.

With features h of unit second moment both weigh the products h_i h_j; least squares also knows how the products
correlate, in the sample and through the norm of x (which all degree-q features share).
"""

from __future__ import annotations

import numpy as np

from hierlib.engine.hermite import HermiteFeatures
from hierlib.theory.shrinkage import leave_one_out

__all__ = ["best_quadratic_form", "moments_of_batch"]


def moments_of_batch(
    features: HermiteFeatures,
    components: np.ndarray,
    s: np.ndarray,
    offsets: np.ndarray,
    squares: bool,
    X: np.ndarray,
    columns: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum what the second layer needs over a batch.

    Parameters
    ----------
    features : HermiteFeatures
        The feature map.
    components : ndarray, shape (k, dim)
        First layer.
    s : ndarray, shape (k,)
        For `hierlib.theory.shrinkage.leave_one_out`; zeros leave the features as they are.
    offsets : ndarray, shape (k,)
        For the same; zeros if the features were not whitened by the sample.
    squares : bool
        Whether least squares is wanted.
    X : ndarray, shape (m, d)
        Inputs.
    columns : ndarray, shape (m, 3)
        Centred labels, NaN for samples to be skipped, effective weights, and the effective weights of ones.

    Returns
    -------
    moment : ndarray, shape (k, k)
        Sum of y h h^T.
    gram : ndarray, shape (p, p)
        Sum of products of 1 and the h_i h_j, i <= j; a single zero without `squares`.
    h1 : ndarray, shape (any, k)
        First-layer features of the samples that were not skipped.
    """
    used = ~np.isnan(columns[:, 0])
    labels, weights, sizes = columns[used].T
    # What overflows is refused where the sums are used.
    with np.errstate(over="ignore", invalid="ignore"):
        # In double precision whatever that of the batch: four features are multiplied below.
        h1 = leave_one_out(features.project(X[used].astype(float, copy=False), components), weights, s, sizes, offsets)
        moment = (h1 * labels[:, None]).T @ h1
        if not squares:
            return moment, np.zeros((1, 1)), h1
        rows, cols = np.triu_indices(len(components))
        design = np.column_stack([np.ones(len(h1)), h1[:, rows] * h1[:, cols]])
        return moment, design.T @ design, h1


def best_quadratic_form(moment: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """Solve y ~ h^T A h + constant by least squares.

    Parameters
    ----------
    moment : ndarray, shape (k, k)
        Mean of y h h^T, y centred.
    gram : ndarray, shape (p, p)
        Mean of the products of 1 and the h_i h_j, i <= j.

    Returns
    -------
    ndarray, shape (k, k)
        The A of least norm, symmetric.
    """
    rows, cols = np.triu_indices(len(moment))
    covariance = gram[1:, 1:] - np.outer(gram[0, 1:], gram[0, 1:])
    # Fewer samples than products leave directions undetermined: the solution of least norm has nothing there.
    form = np.zeros_like(moment)
    form[rows, cols] = np.linalg.lstsq(covariance, moment[rows, cols], rcond=1e-8)[0]
    return (form + form.T) / 2
