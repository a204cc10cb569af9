r"""Orthonormal degree-q Hermite features of a Gaussian input, and sums over them that never form them.

The feature map is :math:`F_a(x) = \prod_i \mathrm{He}_{a_i}(x_i)/\sqrt{a_i!}` over the multi-indices
:math:`|a| = q` (paper, section 2), so that :math:`\mathbb{E}\,F F^\top = I_D` with :math:`D = \binom{d+q-1}{q}`.
Sorted index tuples in lexicographic order start with blocks "smallest index i, a times", and such a block is
:math:`\mathrm{He}_a(x_i)/\sqrt{a!}` times the *last* rows of the features of degree q - a. Everything here follows
from that recursion: one pass over n samples and k directions costs O(n D k) and holds O(D) numbers a sample at most.
"""

from __future__ import annotations

from functools import cached_property
from itertools import combinations_with_replacement
from math import comb
from typing import Any

import numpy as np

from hierlib.checks import check_array, check_integer
from hierlib.engine.kernels import (
    ACCELERATOR_ROWS,
    GroupedKernel,
    QuadraticKernel,
    fill_degree,
    lower_degrees,
    tile_width,
)
from hierlib.engine.parallel import one_blas_thread

__all__ = ["HermiteFeatures"]


class HermiteFeatures:
    r"""The feature map x -> F(x) of degree q in d variables.

    .. math:: F_a(x) = \prod_{i=1}^{d} \frac{\mathrm{He}_{a_i}(x_i)}{\sqrt{a_i!}}, \qquad |a| = q,

    ordered by the sorted tuples of the indices that each multi-index repeats (`index_tuples`), lexicographically.

    Parameters
    ----------
    n_inputs : int
        Dimension d of the input, at least 1.
    degree : int
        Degree q, at least 1. With q = 1 the features are the inputs.

    Attributes
    ----------
    dim : int
        Number of features, D = C(d + q - 1, q).
    radius_variance : float
        Variance of :math:`\|x\|^2/\sqrt d` over the law whose features these are: 2.

    Raises
    ------
    ValueError
        If an argument is not a positive integer.

    References
    ----------
    Paper, section 2, below equation (2.2).

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.engine.hermite import HermiteFeatures
    >>> features = HermiteFeatures(n_inputs=2, degree=2)
    >>> features.index_tuples.tolist()
    [[0, 0], [0, 1], [1, 1]]
    >>> features.transform(np.array([[1.0, 2.0]])).round(3)
    array([[0.   , 2.   , 2.121]])
    """

    radius_variance = 2.0

    def __init__(self, n_inputs: int, degree: int) -> None:
        self.n_inputs = check_integer("n_inputs", n_inputs, low=1)
        self.degree = check_integer("degree", degree, low=1)
        self.dim = comb(self.n_inputs + self.degree - 1, self.degree)

    def __repr__(self) -> str:
        return f"HermiteFeatures(n_inputs={self.n_inputs}, degree={self.degree})"

    @cached_property
    def index_tuples(self) -> np.ndarray:
        """Sorted input indices of each feature, ndarray of int, shape (dim, degree)."""
        tuples = combinations_with_replacement(range(self.n_inputs), self.degree)
        return np.fromiter(tuples, dtype=np.dtype((np.intp, self.degree)), count=self.dim)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Evaluate all features: memory n_samples * dim.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_inputs)
            Inputs; the features are orthonormal for X ~ N(0, I).

        Returns
        -------
        ndarray, shape (n_samples, dim)
            Features, in single precision if `X` is, else in double.

        Raises
        ------
        ValueError
            If `X` has another shape or is not finite.
        """
        X = check_array("X", X, shape=(None, self.n_inputs))
        if self.degree == 1:
            # The features are the inputs, and the caller's array stays the caller's.
            return X.copy()
        features = np.empty((self.dim, len(X)), dtype=X.dtype)
        fill_degree(features, *lower_degrees(np.ascontiguousarray(X.T), self.degree))
        return features.T

    def project(self, X: np.ndarray, directions: np.ndarray) -> np.ndarray:
        r"""Inner products of the features with given directions, without the n_samples x dim matrix.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_inputs)
            Inputs.
        directions : array_like, shape (n_directions, dim)
            Directions A in feature space.

        Returns
        -------
        ndarray, shape (n_samples, n_directions)
            :math:`\langle A_i, F(x_\mu)\rangle`, in single precision if `X` is, else in double.

        Raises
        ------
        ValueError
            If a shape does not fit or an entry is not finite.

        Examples
        --------
        >>> import numpy as np
        >>> from hierlib.engine.hermite import HermiteFeatures
        >>> features = HermiteFeatures(n_inputs=3, degree=2)
        >>> X, A = np.arange(6.0).reshape(2, 3), np.eye(6)[:2]
        >>> features.project(X, A).round(3)
        array([[-0.707,  0.   ],
               [ 5.657, 12.   ]])
        """
        X = check_array("X", X, shape=(None, self.n_inputs))
        directions = check_array("directions", directions, shape=(None, self.dim))
        if not len(directions):
            return np.empty((len(X), 0), dtype=X.dtype)
        kernel, width = self.kernel(len(directions)), tile_width(self.n_inputs)
        packed = kernel.pack(directions.T.astype(X.dtype, copy=False))
        projections = np.empty((len(X), len(directions)), dtype=X.dtype)
        with one_blas_thread():
            for start in range(0, len(X), width):
                tile = np.ascontiguousarray(X[start : start + width].T)
                projections[start : start + width] = kernel.project(packed, tile).T
        return projections

    def kernel(self, k: int) -> Any:
        """Products of tiles of numpy arrays with k columns."""
        if self.degree == 2:
            return QuadraticKernel(self.n_inputs, k)
        return GroupedKernel(self.n_inputs, self.degree, k)

    def accelerated_kernel(self, k: int) -> Any:
        """Products of large tiles of another library's arrays with k columns."""
        return GroupedKernel(self.n_inputs, self.degree, k, rows=ACCELERATOR_ROWS)
