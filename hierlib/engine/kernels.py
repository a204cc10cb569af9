r"""Products of a tile of samples with blocks of feature directions: the inner loop of every pass.

A tile is an array of inputs, shape (d, m), the m samples along the contiguous axis. A kernel knows the degree and the
number k of columns, lays these out once (`pack`), and adds :math:`F\,\mathrm{diag}(w)\,F^\top V` of a tile to sums in
float64 without forming the D x m features F. Both kernels rest on the same idea: features with leading index i are
:math:`x_i` times features of lower degree in the variables behind i, so that several leading indices and all columns
make one matrix product with the lower features, followed by a weighted sum over the indices.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from math import comb
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_cupy_array, is_torch_array, to_device

__all__ = ["GroupedKernel", "QuadraticKernel", "fill_degree", "lower_degrees", "tile_width", "to_numpy"]

# Numbers in a tile: 1 MiB in single precision, which leaves room for the products in a processor's caches.
TILE_NUMBERS = 2**18

# Rows of one matrix product: fewer leave the processor's multiply-add units waiting, more waste products below the
# diagonal of the triangle of index pairs.
PRODUCT_ROWS = 80
# A large product at once keeps an accelerator busy.
ACCELERATOR_ROWS = 2048


def tile_width(d: int) -> int:
    """Choose the number of samples of a tile of d inputs."""
    return max(256, min(2048, TILE_NUMBERS // d))


class QuadraticKernel:
    r"""Degree 2 on numpy arrays: :math:`\langle V, F(x)\rangle = x^\top M x - \mathrm{tr}\,M`, M upper triangular.

    Parameters
    ----------
    d, k : int
        Numbers of inputs and of columns.
    """

    def __init__(self, d: int, k: int) -> None:
        self.d, self.k = d, k
        rows = min(60, max(20, PRODUCT_ROWS // max(k, 1)))
        edges = np.linspace(0, d, max(1, round(d / rows)) + 1).astype(int).tolist()
        self.row_blocks = list(pairwise(edges))
        self.largest = k * max(hi - lo for lo, hi in self.row_blocks)

    @cached_property
    def triangle(self) -> tuple[np.ndarray, np.ndarray]:
        """Index pairs of the features: only products need these d^2 numbers, the layout of the blocks does not."""
        return np.triu_indices(self.d)

    def pack(self, V: np.ndarray) -> list[np.ndarray]:
        """Lay the columns of V, shape (dim, k), out: traces, and the rows of M in blocks."""
        d, k, (rows, columns) = self.d, self.k, self.triangle
        triangles = np.zeros((k, d, d), dtype=V.dtype)
        triangles[:, rows, columns] = np.where(rows == columns, V.T / np.sqrt(2), V.T)
        traces = np.trace(triangles, axis1=1, axis2=2).astype(V.dtype)
        return [traces, *(triangles[:, lo:hi, lo:].reshape(k * (hi - lo), d - lo) for lo, hi in self.row_blocks)]

    def zero_sums(self) -> list[np.ndarray]:
        """Float64 accumulators."""
        return [np.zeros(self.k), *(np.zeros((self.k * (hi - lo), self.d - lo)) for lo, hi in self.row_blocks)]

    def project(self, packed: list[np.ndarray], tile: np.ndarray) -> np.ndarray:
        """Inner products of the packed columns with the features of a tile: shape (k, m)."""
        return self._project(packed, tile, np.empty((self.largest, tile.shape[1]), dtype=tile.dtype))

    def add_product(
        self, sums: list[np.ndarray], packed: list[np.ndarray], tile: np.ndarray, weights: np.ndarray
    ) -> None:
        """Add the tile's F diag(weights) F^T V to the accumulators."""
        # One scratch array for all blocks, as fresh ones would come from the system page by page.
        scratch = np.empty((self.largest, tile.shape[1]), dtype=tile.dtype)
        self._add(sums, tile, self._project(packed, tile, scratch) * weights, scratch)

    def accumulate(self, sums: list[np.ndarray], tile: np.ndarray, coefficients: np.ndarray) -> None:
        """Add the features of a tile, weighted by each row of coefficients, shape (k, m), to the accumulators."""
        self._add(sums, tile, coefficients, np.empty((self.largest, tile.shape[1]), dtype=tile.dtype))

    def unpack(self, sums: list[np.ndarray]) -> np.ndarray:
        """Turn accumulators into an array of shape (dim, k)."""
        d, (totals, *blocks) = self.d, sums
        second_moments = np.zeros((self.k, d, d))
        for (lo, hi), block in zip(self.row_blocks, blocks, strict=True):
            second_moments[:, lo:hi, lo:] = block.reshape(self.k, hi - lo, d - lo)
        rows, columns = self.triangle
        result = second_moments[:, rows, columns].T
        diagonal = rows == columns
        result[diagonal] = (result[diagonal] - totals) / np.sqrt(2)
        return result

    def _project(self, packed: list[np.ndarray], tile: np.ndarray, scratch: np.ndarray) -> np.ndarray:
        traces, *blocks = packed
        projections = np.repeat(-traces[:, None], tile.shape[1], axis=1)
        for (lo, hi), block in zip(self.row_blocks, blocks, strict=True):
            products = np.matmul(block, tile[lo:], out=scratch[: len(block)]).reshape(self.k, hi - lo, -1)
            projections += np.einsum("kim,im->km", products, tile[lo:hi])
        return projections

    def _add(self, sums: list[np.ndarray], tile: np.ndarray, coefficients: np.ndarray, scratch: np.ndarray) -> None:
        totals, *blocks = sums
        totals += coefficients.sum(axis=1)
        for (lo, hi), block in zip(self.row_blocks, blocks, strict=True):
            scaled = scratch[: len(block)]
            np.multiply(coefficients[:, None], tile[lo:hi], out=scaled.reshape(self.k, hi - lo, -1))
            block += scaled @ tile[lo:].T


class GroupedKernel:
    r"""Any degree, on arrays of any library with the array API.

    Features with leading index i, repeated p times, are :math:`\mathrm{He}_p(x_i)/\sqrt{p!}` times the last features of
    degree q - p. A group of leading indices shares the longest of these; rows that need fewer are filled with zeros.

    Parameters
    ----------
    d, degree, k : int
        Numbers of inputs, degree q, number of columns.
    rows : int, optional
        Rows of one matrix product, about. More would fill more places with zeros.
    """

    def __init__(self, d: int, degree: int, k: int, rows: int = PRODUCT_ROWS // 2) -> None:
        self.d, self.degree, self.k = d, degree, k
        self.dim = comb(d + degree - 1, degree)
        starts = {}
        start = 0
        for i in range(d):
            for power in range(degree, 0, -1):
                starts[i, power] = start
                start += _rest(d, degree, i, power)
        # (power, first and last leading index, feature of each row and column or dim for none)
        self.groups: list[tuple[int, int, int, np.ndarray]] = []
        size = max(1, rows // max(k, 1))
        for power in range(1, degree):
            for lo in range(0, d - 1, size):
                hi, width = min(lo + size, d - 1), _rest(d, degree, lo, power)
                features = np.full((hi - lo, width), self.dim)
                for i in range(lo, hi):
                    count = _rest(d, degree, i, power)
                    features[i - lo, width - count :] = starts[i, power] + np.arange(count)
                self.groups.append((power, lo, hi, features))
        self.powers = np.array([starts[i, degree] for i in range(d)])

    def pack(self, V: np.ndarray, like: Any = None) -> list:
        """Lay the columns of V, shape (dim, k), out, in the library and on the device of `like` if given."""
        padded = np.vstack([V, np.zeros((1, self.k), dtype=V.dtype)])
        blocks = [padded[f].transpose(2, 0, 1).reshape(-1, f.shape[1]) for *_, f in self.groups]
        blocks.append(padded[self.powers].T)
        return [_place(np.ascontiguousarray(block), like) for block in blocks]

    def zero_sums(self, like: Any = None) -> list:
        """Float64 accumulators, in the library and on the device of `like` if given."""
        shapes = [*((self.k * f.shape[0], f.shape[1]) for *_, f in self.groups), (self.k, self.d)]
        return [_place(np.zeros(shape), like) for shape in shapes]

    def project(self, packed: list, tile: Any) -> Any:
        """Inner products of the packed columns with the features of a tile: shape (k, m)."""
        return self._project(packed, *lower_degrees(tile, self.degree))

    def add_product(self, sums: list, packed: list, tile: Any, weights: Any) -> None:
        """Add the tile's F diag(weights) F^T V to the accumulators."""
        hermite, lower = lower_degrees(tile, self.degree)
        self._add(sums, hermite, lower, self._project(packed, hermite, lower) * weights)

    def accumulate(self, sums: list, tile: Any, coefficients: Any) -> None:
        """Add the features of a tile, weighted by each row of coefficients, shape (k, m), to the accumulators."""
        self._add(sums, *lower_degrees(tile, self.degree), coefficients)

    def _add(self, sums: list, hermite: list, lower: list, coefficients: Any) -> None:
        xp = array_namespace(coefficients)
        for j, (power, lo, hi, features) in enumerate(self.groups):
            rest = lower[self.degree - power][-features.shape[1] :, :]
            scaled = xp.reshape(coefficients[:, None, :] * hermite[power][lo:hi, :], (self.k * (hi - lo), -1))
            sums[j] += xp.astype(scaled @ rest.T, sums[j].dtype)
        sums[-1] += xp.astype(coefficients @ hermite[self.degree].T, sums[-1].dtype)

    def unpack(self, sums: list) -> np.ndarray:
        """Turn accumulators into a numpy array of shape (dim, k)."""
        result = np.empty((self.dim, self.k))
        for block, (*_, features) in zip(sums, self.groups, strict=False):
            used = features < self.dim
            result[features[used]] = to_numpy(block).reshape(self.k, *features.shape)[:, used].T
        result[self.powers] = to_numpy(sums[-1]).T
        return result

    def _project(self, packed: list, hermite: list, lower: list) -> Any:
        xp = array_namespace(hermite[1])
        projections = packed[-1] @ hermite[self.degree]
        for block, (power, lo, hi, features) in zip(packed, self.groups, strict=False):
            products = block @ lower[self.degree - power][-features.shape[1] :, :]
            products = xp.reshape(products, (self.k, hi - lo, -1))
            # In place: a fresh array of this size would come from the system page by page.
            products *= hermite[power][lo:hi, :]
            projections += xp.sum(products, axis=1)
        return projections


def lower_degrees(tile: Any, degree: int) -> tuple[list, list]:
    r"""Normalised Hermite polynomials of each input up to `degree`, and the features of all degrees below it.

    Parameters
    ----------
    tile : array, shape (d, m)
        Inputs.
    degree : int
        Degree q.

    Returns
    -------
    hermite : list of array, each of shape (d, m)
        :math:`h_p(x_i) = \mathrm{He}_p(x_i)/\sqrt{p!}` for p = 0, ..., q; the number 1 for p = 0.
    lower : list of array, each of shape (number of features, m)
        Features of degree 0, ..., q - 1.
    """
    xp = array_namespace(tile)
    d, m = tile.shape
    hermite: list = [1.0, tile]
    for p in range(1, degree):
        # By the recurrence of h_p itself: the factorial would overflow float32 early.
        hermite.append((tile * hermite[p] - p**0.5 * hermite[p - 1]) / (p + 1) ** 0.5)
    lower = [xp.ones_like(tile[:1, :]), tile][:degree]
    for q in range(2, degree):
        features = xp.empty((comb(d + q - 1, q), m), dtype=tile.dtype, device=device(tile))
        fill_degree(features, hermite, lower)
        lower.append(features)
    return hermite, lower


def fill_degree(features: Any, hermite: list, lower: list) -> None:
    """Write the features of degree q = len(lower) into an array of shape (number of features, m)."""
    d, q, start = hermite[1].shape[0], len(lower), 0
    for i in range(d):
        for power in range(q, 0, -1):
            size = _rest(d, q, i, power)
            if size:
                features[start : start + size, :] = hermite[power][i, :] * lower[q - power][-size:, :]
                start += size


def to_numpy(array: Any) -> np.ndarray:
    """Bring an array of any library to numpy, in double precision if numpy has not its type of number."""
    if is_torch_array(array) and str(array.dtype) == "torch.bfloat16":
        array = array.double()
    if is_cupy_array(array) or is_torch_array(array):
        array = to_device(array, "cpu")
    return np.asarray(array)


def _rest(d: int, degree: int, i: int, power: int) -> int:
    """Count the features of a degree that start with index i exactly `power` times."""
    return comb(d - i - 2 + degree - power, degree - power) if power < degree and i < d - 1 else int(power == degree)


def _place(array: np.ndarray, like: Any) -> Any:
    return array if like is None else array_namespace(like).asarray(array, device=device(like))
