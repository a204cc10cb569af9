r"""Orthonormal degree-q Hermite features of a Gaussian input, and sums over them that never form them.

The feature map is :math:`F_a(x) = \prod_i \mathrm{He}_{a_i}(x_i)/\sqrt{a_i!}` over the multi-indices
:math:`|a| = q` (paper, section 2), so that :math:`\mathbb{E}\,F F^\top = I_D` with :math:`D = \binom{d+q-1}{q}`.
Sorted index tuples in lexicographic order start with blocks "smallest index i, a times", and such a block is
:math:`\mathrm{He}_a(x_i)/\sqrt{a!}` times the *last* rows of the features of degree q - a. Everything here follows
from that recursion: one pass over n samples and k directions costs O(n D k) and holds O(D) numbers a sample at most.
"""

from __future__ import annotations

from functools import cached_property
from itertools import combinations_with_replacement, pairwise
from math import comb

import numpy as np

from hierlib._checks import check_array, check_integer
from hierlib._parallel import one_blas_thread

__all__ = ["HermiteFeatures"]

# Samples per tile: two float32 tiles of the quadratic kernel then stay within a second-level cache of 1 MiB.
TILE = 512
# Rows per block of the upper triangle: narrower wastes fewer products below the diagonal, wider keeps them efficient.
BLOCK_ROWS = 20


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
    >>> from hierlib.hermite import HermiteFeatures
    >>> features = HermiteFeatures(n_inputs=2, degree=2)
    >>> features.index_tuples.tolist()
    [[0, 0], [0, 1], [1, 1]]
    >>> features.transform(np.array([[1.0, 2.0]])).round(3)
    array([[0.   , 2.   , 2.121]])
    """

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
            Features, in the dtype of `X`.

        Raises
        ------
        ValueError
            If `X` has another shape or is not finite.
        """
        X = check_array("X", X, shape=(None, self.n_inputs))
        # A copy in any case: for degree 1 the features are the inputs, and the caller's array stays the caller's.
        return self._by_degree(np.array(X.T, order="C"))[self.degree].T

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
            :math:`\langle A_i, F(x_\mu)\rangle`.

        Raises
        ------
        ValueError
            If a shape does not fit or an entry is not finite.

        Examples
        --------
        >>> import numpy as np
        >>> from hierlib.hermite import HermiteFeatures
        >>> features = HermiteFeatures(n_inputs=3, degree=2)
        >>> X, A = np.arange(6.0).reshape(2, 3), np.eye(6)[:2]
        >>> features.project(X, A).round(3)
        array([[-0.707,  0.   ],
               [ 5.657, 12.   ]])
        """
        X = check_array("X", X, shape=(None, self.n_inputs))
        directions = check_array("directions", directions, shape=(None, self.dim))
        packed = self.pack(directions.T.astype(X.dtype, copy=False))
        projections = np.empty((len(X), len(directions)), dtype=X.dtype)
        with one_blas_thread():
            for start in range(0, len(X), TILE):
                tile = np.ascontiguousarray(X[start : start + TILE].T)
                projections[start : start + TILE] = self.tile_project(packed, tile).T
        return projections

    # The three methods below are the inner loop of `MomentOperator`: shapes are (columns, samples of the tile), so
    # that the long axis is contiguous, and nothing is checked.

    def pack(self, V: np.ndarray) -> list[np.ndarray]:
        """Lay the columns of `V`, shape (dim, k), out for `tile_project`."""
        if self.degree != 2:
            return [np.ascontiguousarray(V.T)]
        d, k = self.n_inputs, V.shape[1]
        rows, columns = self._upper_triangle
        triangles = np.zeros((k, d, d), dtype=V.dtype)
        triangles[:, rows, columns] = np.where(rows == columns, V.T / np.sqrt(2), V.T)
        traces = np.trace(triangles, axis1=1, axis2=2)
        blocks = [triangles[:, lo:hi, lo:].reshape(k * (hi - lo), d - lo) for lo, hi in self._row_blocks]
        return [traces.astype(V.dtype), *blocks]

    def tile_project(self, packed: list[np.ndarray], tile: np.ndarray) -> np.ndarray:
        """Projections of a tile of inputs, shape (n_inputs, m), on the packed columns: shape (k, m)."""
        if self.degree == 1:
            return packed[0] @ tile
        if self.degree == 2:
            traces, *blocks = packed
            projections = np.repeat(-traces[:, None], tile.shape[1], axis=1)
            for (lo, hi), block in zip(self._row_blocks, blocks, strict=True):
                products = (block @ tile[lo:]).reshape(len(traces), hi - lo, -1)
                products *= tile[lo:hi]
                projections += products.sum(axis=1)
            return projections
        lower = self._by_degree(tile, stop=self.degree - 1)
        projections = np.zeros((len(packed[0]), tile.shape[1]), dtype=tile.dtype)
        for columns, factor, rest in self._leading_blocks(tile, lower, self.degree):
            projections += (packed[0][:, columns] @ rest) * factor
        return projections

    def zero_sums(self, k: int) -> list[np.ndarray]:
        """Float64 accumulators for `tile_accumulate` with k columns."""
        if self.degree != 2:
            return [np.zeros((self.dim, k))]
        d = self.n_inputs
        return [np.zeros(k), *(np.zeros((k * (hi - lo), d - lo)) for lo, hi in self._row_blocks)]

    def tile_accumulate(self, sums: list[np.ndarray], tile: np.ndarray, coefficients: np.ndarray) -> None:
        """Add the tile's F(x) coefficients^T to the accumulators; `coefficients` has shape (k, m)."""
        if self.degree == 1:
            sums[0] += tile @ coefficients.T
        elif self.degree == 2:
            totals, *blocks = sums
            totals += coefficients.sum(axis=1)
            for (lo, hi), block in zip(self._row_blocks, blocks, strict=True):
                scaled = (coefficients[:, None] * tile[lo:hi]).reshape(len(block), -1)
                block += scaled @ tile[lo:].T
        else:
            lower = self._by_degree(tile, stop=self.degree - 1)
            for columns, factor, rest in self._leading_blocks(tile, lower, self.degree):
                sums[0][columns] += rest @ (coefficients * factor).T

    def unpack(self, sums: list[np.ndarray]) -> np.ndarray:
        """Turn accumulators into the sum of F(x) coefficients^T, shape (dim, k)."""
        if self.degree != 2:
            return sums[0]
        d, (totals, *blocks) = self.n_inputs, sums
        second_moments = np.zeros((len(totals), d, d))
        for (lo, hi), block in zip(self._row_blocks, blocks, strict=True):
            second_moments[:, lo:hi, lo:] = block.reshape(len(totals), hi - lo, d - lo)
        rows, columns = self._upper_triangle
        result = second_moments[:, rows, columns].T
        diagonal = rows == columns
        result[diagonal] = (result[diagonal] - totals) / np.sqrt(2)
        return result

    @cached_property
    def _upper_triangle(self) -> tuple[np.ndarray, np.ndarray]:
        return np.triu_indices(self.n_inputs)

    @cached_property
    def _row_blocks(self) -> list[tuple[int, int]]:
        count = max(1, round(self.n_inputs / BLOCK_ROWS))
        edges = np.linspace(0, self.n_inputs, count + 1).astype(int).tolist()
        return list(pairwise(edges))

    def _by_degree(self, tile: np.ndarray, stop: int | None = None) -> list[np.ndarray]:
        """Features of degree 0, 1, ..., `stop` of a tile, each of shape (number of features, m)."""
        stop = self.degree if stop is None else stop
        d, m = tile.shape
        by_degree = [np.ones((1, m), dtype=tile.dtype), tile]
        for degree in range(2, stop + 1):
            features = np.empty((comb(d + degree - 1, degree), m), dtype=tile.dtype)
            for columns, factor, rest in self._leading_blocks(tile, by_degree, degree):
                np.multiply(factor, rest, out=features[columns])
            by_degree.append(features)
        return by_degree[: stop + 1]

    @staticmethod
    def _leading_blocks(tile: np.ndarray, lower: list[np.ndarray], degree: int):
        """Blocks (rows of the features, one factor a sample, features of lower degree) whose products they are."""
        d = len(tile)
        # h_k = He_k/sqrt(k!) by its own recurrence: the factorial would overflow float32 early.
        hermite = [np.ones_like(tile), tile]
        for k in range(1, degree):
            scale, decay = tile.dtype.type(1 / np.sqrt(k + 1)), tile.dtype.type(np.sqrt(k))
            hermite.append(scale * (tile * hermite[k] - decay * hermite[k - 1]))
        start = 0
        for i in range(d):
            for power in range(degree, 0, -1):
                size = comb(d - i - 1 + degree - power - 1, degree - power) if power < degree else 1
                if size:
                    yield slice(start, start + size), hermite[power][i], lower[degree - power][-size:]
                    start += size
