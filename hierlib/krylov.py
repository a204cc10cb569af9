r"""Eigenpairs of largest modulus of a symmetric operator that is known by its products with blocks of vectors.

A Krylov space is grown by the residuals of the leading Ritz vectors that are not yet exact enough (Rayleigh-Ritz on the
whole space, thick restart when it is full). On a symmetric operator these residuals span what block Lanczos would add,
but a warm start needs no special case. Blocks are narrow, whatever the number of pairs: a space of given dimension is
worth most as powers of the operator. Each step costs one product with few columns, which is one pass over the data for
a `MomentOperator`, and O(D m b) operations for a basis of m columns and blocks of b.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator

from hierlib._checks import check_array, check_integer, check_real
from hierlib._parallel import one_blas_thread

__all__ = ["Eigenpairs", "block_width", "largest_modulus"]

# Columns a wanted pair before a restart: two dense arrays of shape (D, 10 k) bound the memory.
MAX_COLUMNS = 10


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
) -> Eigenpairs:
    r"""Compute the k eigenpairs of largest modulus of a symmetric operator.

    Stops when :math:`\|A v_j - \theta_j v_j\| \le \mathrm{tol}\,|\theta_k|` for all j <= k: an eigenvector's angle to
    the exact one is then about tol times :math:`|\theta_k|` over its distance to the rest of the spectrum.

    Parameters
    ----------
    operator : LinearOperator or ndarray, shape (dim, dim)
        Symmetric.
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

    Returns
    -------
    Eigenpairs
        Best ranked first; ``converged`` is False if `max_products` ended the run.

    Raises
    ------
    ValueError
        If an argument is out of range or the operator is not square.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.krylov import largest_modulus
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
    max_products = check_integer("max_products", max_products, low=-(-k // block_width(k)))
    if start is not None:
        start = check_array("start", start, shape=(dim, None))
    with one_blas_thread():
        if MAX_COLUMNS * k + block_width(k) >= dim:
            return _dense(operator, k, rank)
        start = np.empty((dim, 0)) if start is None else start
        filled = rng.standard_normal((dim, max(block_width(k) - start.shape[1], 0)))
        return _iterate(operator, k, np.linalg.qr(np.hstack([start, filled]))[0], tol, max_products, rank)


def _iterate(operator, k: int, start: np.ndarray, tol: float, max_products: int, rank) -> Eigenpairs:
    block = block_width(k)
    most = max(MAX_COLUMNS * k + block, start.shape[1])
    # Columns are contiguous, and appended to without a copy of those before.
    basis, products = (np.empty((len(start), most), order="F") for _ in range(2))
    projected = np.empty((most, most))
    old, size = 0, start.shape[1]
    basis[:, :size] = start
    for n_products in range(1, max_products + 1):
        products[:, old:size] = operator @ basis[:, old:size]
        projected[:size, old:size] = basis[:, :size].T @ products[:, old:size]
        projected[old:size, :old] = projected[:old, old:size].T
        ritz_values, rotation = np.linalg.eigh(projected[:size, :size])
        order = rank(ritz_values)[: k + block]
        leading, rotation = ritz_values[order], rotation[:, order]
        vectors, images = basis[:, :size] @ rotation, products[:, :size] @ rotation
        defects = images - vectors * leading
        residuals = np.linalg.norm(defects, axis=0)
        open_pairs = residuals > tol * np.abs(leading[min(k, len(leading)) - 1])
        # Before there are k Ritz pairs the space has to grow even where they are exact.
        open_pairs |= len(leading) < k
        converged = not open_pairs[:k].any()
        if converged or n_products == max_products:
            break
        if size + block > most:
            size = len(leading)
            basis[:, :size], products[:, :size] = vectors, images
            projected[:size, :size] = np.diag(leading)
        grown = _orthonormalize(defects[:, np.flatnonzero(open_pairs[:k])[:block]], basis[:, :size])
        old, size = size, size + grown.shape[1]
        basis[:, old:size] = grown
    return Eigenpairs(leading[:k], vectors[:, :k], residuals[:k], n_products, bool(converged))


def _orthonormalize(block: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the part of a block outside the span of an orthonormal basis."""
    # Twice is enough: the second round removes what rounding left after the first.
    for _ in range(2):
        block = block - basis @ (basis.T @ block)
        block = np.linalg.qr(block)[0]
    return block


def _dense(operator: LinearOperator, k: int, rank: Callable[[np.ndarray], np.ndarray]) -> Eigenpairs:
    matrix = operator @ np.eye(operator.shape[0])
    eigenvalues, eigenvectors = np.linalg.eigh((matrix + matrix.T) / 2)
    order = rank(eigenvalues)[:k]
    values, vectors = eigenvalues[order], eigenvectors[:, order]
    residuals = np.linalg.norm(matrix @ vectors - vectors * values, axis=0)
    return Eigenpairs(values, vectors, residuals, 1, True)
