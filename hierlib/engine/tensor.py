r"""The third-order moment of labels and features, unfolded: what a matrix of second moments does not see.

A label that is odd in every feature, such as a sum of third Hermite polynomials, leaves no trace in the moment matrix.
The tensor :math:`\hat T = n^{-1}\sum_\mu y_\mu\,\mathrm{He}_3(F_\mu)` sees it, and the leading left singular vectors of
its D x D^2 unfolding are a classical estimate of the directions. Cost: O(n^2 D), without the tensor in memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hierlib.checks import check_array

__all__ = ["unfolded_third_moment"]

_ROWS = 1024  # samples against all others at a time


def unfolded_third_moment(F: ArrayLike, weights: ArrayLike) -> np.ndarray:
    r"""Return the products of the unfolded third moment's rows, over pairs of different samples.

    .. math::
        M = \frac1{n^2}\sum_{\mu\ne\nu} w_\mu w_\nu\,F_\mu F_\nu^\top\,
            \bigl[(F_\mu\cdot F_\nu)^2 - \|F_\mu\|^2 - \|F_\nu\|^2 + D\bigr],

    the bracket being the inner product of the second Hermite tensors. Pairs of a sample with itself, left out, would
    add noise alone. For :math:`w=\sum_i\lambda_i\,\mathrm{He}_3(\langle A_i,F\rangle)/\sqrt6` and Gaussian features its
    mean is :math:`6(1-1/n)\sum_i\lambda_i^2A_iA_i^\top`.

    Parameters
    ----------
    F : array_like, shape (n, D)
        Features.
    weights : array_like, shape (n,)
        Labels, or a function of them.

    Returns
    -------
    ndarray, shape (D, D)
        Symmetric.

    Raises
    ------
    ValueError
        If the shapes do not fit, or an entry is not finite.

    Notes
    -----
    The bracket is of size D for independent samples, so that the noise has a norm of order D^(3/2)/n: directions need
    some D^(3/2) samples, where the moment matrix of an even label needs D.

    Examples
    --------
    >>> import numpy as np
    >>> F = np.random.default_rng(0).standard_normal((4000, 10))
    >>> M = unfolded_third_moment(F, (F[:, 0]**3 - 3 * F[:, 0]) / np.sqrt(6))
    >>> bool(abs(np.linalg.eigh(M)[1][0, -1]) > 0.95)
    True
    """
    F = check_array("F", F, shape=(None, None)).astype(float)
    weights = check_array("weights", weights, shape=(len(F),)).astype(float)
    squares = np.sum(F**2, axis=1)
    total = np.zeros((F.shape[1], F.shape[1]))
    for start in range(0, len(F), _ROWS):
        rows = slice(start, start + _ROWS)
        kernel = (F[rows] @ F.T) ** 2 - squares[rows, None] - squares + F.shape[1]
        kernel *= weights[rows, None] * weights
        kernel[np.arange(len(kernel)), start + np.arange(len(kernel))] = 0.0
        total += F[rows].T @ (kernel @ F)
    return (total + total.T) / (2 * max(1, len(F)) ** 2)
