r"""Directions of the inputs that labels point at, by their first and by their second moments.

With whitened inputs, :math:`\mathbb{E}\,x = 0` and :math:`\mathbb{E}\,xx^\top = I`, and labels of several outputs
(classes, one-hot), the first moments :math:`\mathbb{E}\,(y - \mathbb{E} y)\,x^\top` hold the class means; the second
ones, :math:`C_c = \mathbb{E}\,(y_c - \mathbb{E} y_c)(xx^\top - I)`, are the moment matrices of Algorithm 1, degree 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hierlib.checks import check_array, check_integer

__all__ = ["first_order_directions", "second_order_directions"]

# Centred one-hot labels have one singular value that is zero but for rounding.
RELATIVE_ZERO = 1e-10


def first_order_directions(X: ArrayLike, Y: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Singular triples of :math:`\frac1n\sum_\mu (y_\mu-\bar y)\,(x_\mu-\bar x)^\top`.

    Parameters
    ----------
    X : array_like, shape (n_samples, d)
        Inputs, whitened.
    Y : array_like, shape (n_samples, n_outputs)
        Labels, not all equal.

    Returns
    -------
    strengths : ndarray, shape (k,)
        Singular values, largest first, those that are not zero: for c classes at most c - 1.
    outputs : ndarray, shape (k, n_outputs)
        What each means for the labels: orthonormal rows.
    directions : ndarray, shape (k, d)
        Directions of the inputs: orthonormal rows.

    Raises
    ------
    ValueError
        If the shapes do not fit, or labels and inputs are not correlated at all, as where one is constant.

    Notes
    -----
    Cost: n d times the number of outputs. The best linear fit of the labels on whitened inputs depends on these
    directions alone.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.directions import first_order_directions
    >>> X = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> strengths, outputs, directions = first_order_directions(X, 3 * X[:, :1])
    >>> strengths, np.abs(directions)
    (array([3.]), array([[1., 0.]]))
    """
    X, Y = _sample(X, Y, 2)
    outputs, strengths, directions = np.linalg.svd(
        (Y - Y.mean(axis=0)).T @ (X - X.mean(axis=0)) / len(X), full_matrices=False
    )
    unit = np.sqrt(np.mean(X**2) * np.mean(Y**2))
    k = np.count_nonzero(strengths > RELATIVE_ZERO * max(strengths[0], unit))
    if not k:
        msg = "Y must be correlated with X, got moments that are all zero."
        raise ValueError(msg)
    return strengths[:k], outputs.T[:k], directions[:k]


def second_order_directions(X: ArrayLike, Y: ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Leading directions of the label-weighted moment matrices.

    .. math:: \hat C_c = \frac1n\sum_\mu (y_{\mu c}-\bar y_c)\,x_\mu x_\mu^\top

    Parameters
    ----------
    X : array_like, shape (n_samples, d)
        Inputs, whitened.
    Y : array_like, shape (n_samples,) or (n_samples, n_outputs)
        Labels.
    k : int
        How many, at most d.

    Returns
    -------
    strengths : ndarray, shape (k,)
        For labels of shape (n_samples,) the eigenvalues of largest modulus, with their signs; for several outputs the
        singular values of their moment matrices on top of one another, :math:`(\sum_c\hat C_c^2)^{1/2}`.
    directions : ndarray, shape (k, d)
        Orthonormal rows, strongest first.

    Raises
    ------
    ValueError
        If the shapes do not fit or `k` is out of range.

    Notes
    -----
    Cost: n d^2 for each output, and d^3. For one output and large d, `hierlib.engine.krylov.largest_modulus` finds the
    same without the matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.directions import second_order_directions
    >>> X = np.random.default_rng(0).standard_normal((1000, 3))
    >>> strengths, directions = second_order_directions(X, -(X[:, 1] ** 2), 1)
    >>> bool(abs(directions[0, 1]) > 0.99), bool(strengths < 0)
    (True, True)
    """
    X, Y = _sample(X, Y, None)
    check_integer("k", k, low=1, high=X.shape[1])
    centred = Y - Y.mean(axis=0)
    if Y.ndim == 1:
        values, vectors = np.linalg.eigh((X * centred[:, None]).T @ X / len(X))
        order = np.argsort(-np.abs(values), kind="stable")[:k]
        return values[order], vectors.T[order]
    squares = np.zeros((X.shape[1], X.shape[1]))
    for column in centred.T:
        moment = (X * column[:, None]).T @ X / len(X)
        squares += moment @ moment
    values, vectors = np.linalg.eigh(squares)
    return np.sqrt(np.maximum(values[::-1][:k], 0)), vectors.T[::-1][:k]


def _sample(X: ArrayLike, Y: ArrayLike, ndim: int | None) -> tuple[np.ndarray, np.ndarray]:
    X = check_array("X", X, shape=(None, None)).astype(float)
    if not X.size:
        msg = f"X must have samples and inputs, got shape {X.shape}."
        raise ValueError(msg)
    one_output = ndim is None and np.ndim(Y) == 1
    return X, check_array("Y", Y, shape=(len(X),) if one_output else (len(X), None)).astype(float)
