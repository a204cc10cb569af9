r"""Eigenpairs of largest modulus of a symmetric operator that is known by its products with blocks of vectors.

A Krylov space is grown by the residuals of the leading Ritz vectors that are not yet exact enough (Rayleigh-Ritz on the
whole space, thick restart when it is full). On a symmetric operator these residuals span what block Lanczos would add,
but a warm start needs no special case. Blocks are narrow, whatever the number of pairs: a space of given dimension is
worth most as powers of the operator. Each step costs one product with few columns, which is one pass over the data for
a `MomentOperator`, and O(D m b) operations for a basis of m columns and blocks of b.

In exact arithmetic a start of b columns leads to b eigenvectors of a repeated eigenvalue at most. Where as many Ritz
values agree within their errors, a second run from k columns finds the rest; elsewhere nothing is added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse.linalg import LinearOperator

from hierlib.checks import check_array, check_generator, check_integer, check_real
from hierlib.engine.parallel import one_blas_thread
from hierlib.engine.scaling import column_norms, power_of_two

__all__ = ["Eigenpairs", "block_width", "checked_product", "largest_modulus"]

# Columns a wanted pair before a restart: two dense arrays of shape (D, 10 k) bound the memory.
MAX_COLUMNS = 10
# Residuals below this many rounding errors of the operator's largest Ritz value are rounding.
ROUNDING_ERRORS = 64
# Tolerances before the last pair from which on a missing copy of an eigenvalue counts.
CLEARLY_AHEAD = 10
# Share of a column outside a basis below which it is taken for one inside.
SMALLEST_PART = 1e-8


@dataclass(frozen=True)
class Eigenpairs:
    r"""Approximate eigenpairs with what is needed to trust them.

    Attributes
    ----------
    eigenvalues : ndarray, shape (k,)
        Ritz values, best ranked first.
    eigenvectors : ndarray, shape (dim, k)
        Orthonormal Ritz vectors.
    residuals : ndarray, shape (k,)
        :math:`\|A v - \theta v\|`; each eigenvalue lies within its residual of an exact one.
    n_products : int
        Products with the operator.
    converged : bool
        Whether every residual met the tolerance.
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    residuals: np.ndarray
    n_products: int
    converged: bool


def block_width(k: int) -> int:
    """Columns of one product on the way to k pairs: two, and more for more than fourteen pairs.

    Fewer need more products, more need more columns in all. On the spectrum of a moment matrix at d = 90 with nine
    features (the weakest 1.15 times the bulk edge) one, two, three and four columns took 35, 25, 21 and 19 products.
    """
    return max(2, k // 5)


def by_modulus(eigenvalues: np.ndarray) -> np.ndarray:
    """Rank eigenvalues by modulus, largest first: ndarray of int, shape of the input."""
    return np.argsort(-np.abs(eigenvalues), kind="stable")


def largest_modulus(
    operator: LinearOperator,
    k: int,
    *,
    rng: np.random.Generator,
    start: np.ndarray | None = None,
    tol: float = 1e-2,
    max_products: int = 60,
    rank: Callable[[np.ndarray], np.ndarray] = by_modulus,
    rounding: float = 2.0**-52,
) -> Eigenpairs:
    r"""Compute the k eigenpairs of largest modulus of a symmetric operator.

    Stops when :math:`\|A v_j - \theta_j v_j\| \le \mathrm{tol}\,|\theta_k|` for all j <= k: an eigenvector's angle to
    the exact one is then about tol times :math:`|\theta_k|` over its distance to the rest of the spectrum. Eigenvalues
    that are zero up to the rounding of the products meet the tolerance as such.

    Parameters
    ----------
    operator : LinearOperator or ndarray, shape (dim, dim)
        Real and symmetric.
    k : int
        Number of eigenpairs, between 1 and dim.
    rng : numpy.random.Generator
        Fills the start block.
    start : ndarray, shape (dim, any), optional
        Approximate eigenvectors to start from, all of them at once, filled up to a block with random ones.
    tol : float, default 1e-2
        Relative residual, positive.
    max_products : int, default 60
        Largest number of products with the operator, each with `block_width` columns: at least k columns in all.
    rank : callable, optional
        Order of preference: maps Ritz values to their indices, best first. By default by modulus.
    rounding : float, default 2**-52
        Relative rounding error of a product with the operator.

    Returns
    -------
    Eigenpairs
        Best ranked first; ``converged`` is False if `max_products` ended the run, or the second one for copies.

    Raises
    ------
    ValueError
        If an argument is out of range, or the operator is not square or returns NaN or infinite entries.

    Notes
    -----
    All copies of a repeated eigenvalue are found, unless they lie within 10 tol of the last one. Eigenvalues that are
    hardly more than tol apart can be taken for one another. Ritz vectors are orthonormal to rounding at any rank.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.engine.krylov import largest_modulus
    >>> matrix = np.diag(np.r_[3.0, -4.0, np.linspace(-1, 1, 98)])
    >>> pairs = largest_modulus(matrix, 2, rng=np.random.default_rng(0), tol=1e-6)
    >>> pairs.eigenvalues.round(6), pairs.converged
    (array([-4.,  3.]), True)
    """
    dim = operator.shape[0]
    if operator.shape != (dim, dim):
        msg = f"operator must be square, got shape {operator.shape}."
        raise ValueError(msg)
    k = check_integer("k", k, low=1, high=dim)
    tol = check_real("tol", tol, low=0, open_low=True)
    rounding = check_real("rounding", rounding, low=0)
    max_products = check_integer("max_products", max_products, low=-(-k // block_width(k)))
    check_generator(rng)
    start = np.empty((dim, 0)) if start is None else check_array("start", start, shape=(dim, None))
    search = _Search(operator, k, tol, rank, rounding, rng)
    with one_blas_thread():
        if max(MAX_COLUMNS * k, start.shape[1]) + block_width(k) >= dim:
            return _dense(operator, k, rank)
        width = max(block_width(k), start.shape[1])
        filled = rng.standard_normal((dim, width - start.shape[1]))
        pairs = search.run(np.hstack([start, filled]), max_products, block_width(k))
        left = max_products - pairs.n_products
        if not left or not pairs.converged or not search.may_hide_copies(pairs, width):
            return pairs
        again = search.run(rng.standard_normal((dim, k)), left, k)
        found = again if again.converged else replace(pairs, converged=False)
        return replace(found, n_products=pairs.n_products + again.n_products)


def checked_product(operator: LinearOperator, block: np.ndarray) -> np.ndarray:
    """Multiply a block by an operator that must return finite real numbers.

    Parameters
    ----------
    operator : LinearOperator or ndarray, shape (dim, dim)
        The operator.
    block : ndarray, shape (dim, m)
        Columns.

    Returns
    -------
    ndarray, shape (dim, m)
        The product.

    Raises
    ------
    ValueError
        If the product is complex or has NaN or infinite entries.
    """
    product = check_array("operator @ columns", operator @ block, shape=block.shape, finite=False)
    if not np.isfinite(product).all():
        msg = "operator must return finite numbers, got NaN or infinite entries in a product."
        raise ValueError(msg)
    return product


@dataclass(frozen=True)
class _Search:
    operator: LinearOperator
    k: int
    tol: float
    rank: Callable[[np.ndarray], np.ndarray]
    rounding: float
    rng: np.random.Generator

    def run(self, start: np.ndarray, max_products: int, block: int) -> Eigenpairs:
        """Iterate from some columns, at most `block` more a product."""
        k = self.k
        most = max(MAX_COLUMNS * k + block, start.shape[1])
        # Columns are contiguous, and appended to without a copy of those before.
        basis, products = (np.empty((len(start), most), order="F") for _ in range(2))
        projected = np.empty((most, most))
        old, size = 0, append_orthonormal(basis, 0, start, self.rng)
        for n_products in range(1, max_products + 1):
            products[:, old:size] = checked_product(self.operator, basis[:, old:size])
            projected[:size, old:size] = basis[:, :size].T @ products[:, old:size]
            projected[old:size, :old] = projected[:old, old:size].T
            ritz_values, rotation = np.linalg.eigh(projected[:size, :size])
            order = self.rank(ritz_values)[: k + block]
            leading, rotation = ritz_values[order], rotation[:, order]
            vectors, images = basis[:, :size] @ rotation, products[:, :size] @ rotation
            defects = images - vectors * leading
            residuals = column_norms(defects)
            tolerance = max(self.tol * np.abs(leading[min(k, len(leading)) - 1]), self._noise(ritz_values))
            open_pairs = residuals > tolerance
            # Before there are k Ritz pairs the space has to grow even where they are exact.
            open_pairs |= len(leading) < k
            converged = not open_pairs[:k].any()
            if converged or n_products == max_products:
                break
            if size + block > most:
                size = len(leading)
                basis[:, :size], products[:, :size] = vectors, images
                projected[:size, :size] = np.diag(leading)
            old, size = (
                size,
                append_orthonormal(basis, size, defects[:, np.flatnonzero(open_pairs[:k])[:block]], self.rng),
            )
        return Eigenpairs(leading[:k], vectors[:, :k], residuals[:k], n_products, bool(converged))

    def may_hide_copies(self, pairs: Eigenpairs, width: int) -> bool:
        """Whether `width` values agree within their errors, and rank before the last: a repeated eigenvalue may."""
        unit = power_of_two(pairs.eigenvalues)
        values, errors = pairs.eigenvalues / unit, pairs.residuals / unit
        distances = np.abs(values[:, None] - values)
        reach = errors[:, None] + errors + self._noise(values)
        # The error of a Ritz value is its residual squared over the distance to the rest of the spectrum.
        gaps = np.where(distances > reach, distances, np.inf).min(axis=1)
        squares = 4 * (errors[:, None] ** 2 + errors**2)
        agree = distances <= np.minimum(reach, squares / gaps[:, None] + self._noise(values))
        weakened = values - np.sign(values) * CLEARLY_AHEAD * self.tol * np.abs(values[-1])
        ahead = np.array([self.rank(unit * np.array([values[-1], value]))[0] == 1 for value in weakened])
        return bool(np.any(ahead & (agree.sum(axis=1) >= width)))

    def _noise(self, values: np.ndarray) -> float:
        return ROUNDING_ERRORS * self.rounding * np.abs(values).max()


def append_orthonormal(basis: np.ndarray, size: int, block: np.ndarray, rng: np.random.Generator) -> int:
    """Extend the `size` orthonormal columns of a basis by those of a block, or random ones where these add nothing."""
    before, grown = basis[:, :size], size + block.shape[1]
    block = block / power_of_two(block, axis=0)
    while True:
        columns, triangle = np.linalg.qr(block - before @ (before.T @ block))
        inside = np.abs(np.diag(triangle)) <= SMALLEST_PART * np.linalg.norm(block, axis=0)
        if not inside.any():
            break
        block[:, inside] = rng.standard_normal((len(block), inside.sum()))
    if size:
        # Twice is enough: the second round removes what rounding left after the first.
        columns = np.linalg.qr(columns - before @ (before.T @ columns))[0]
    basis[:, size:grown] = columns
    return grown


def _dense(operator: LinearOperator, k: int, rank: Callable[[np.ndarray], np.ndarray]) -> Eigenpairs:
    matrix = checked_product(operator, np.eye(operator.shape[0]))
    eigenvalues, eigenvectors = np.linalg.eigh((matrix + matrix.T) / 2)
    order = rank(eigenvalues)[:k]
    values, vectors = eigenvalues[order], eigenvectors[:, order]
    residuals = column_norms(matrix @ vectors - vectors * values)
    return Eigenpairs(values, vectors, residuals, 1, True)
