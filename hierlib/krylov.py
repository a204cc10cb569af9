r"""Eigenpairs of largest modulus of a symmetric operator that is known by its products with blocks of vectors.

A Krylov space is grown by the residuals of the leading Ritz vectors that are not yet exact enough (Rayleigh-Ritz on the
whole space, thick restart when it is full). On a symmetric operator these residuals span what block Lanczos would add,
but a warm start needs no special case. Blocks are narrow, whatever the number of pairs: a space of given dimension is
worth most as powers of the operator. Each step costs one product with four columns, which is one pass over the data for
a `MomentOperator`, and O(D m^2) operations for a basis of m columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator

from hierlib._checks import check_array, check_integer, check_real
from hierlib._parallel import one_blas_thread

__all__ = ["Eigenpairs", "largest_modulus"]

# Columns a product: fewer need more passes over the data, more need more columns in all (measured: half as many columns
# in all as blocks of k + 2 at d = 120 with eleven features).
BLOCK = 4
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
        Approximate eigenvectors to start from, all of them at once, filled up to four columns with random ones.
    tol : float, default 1e-2
        Relative residual, positive.
    max_products : int, default 60
        Largest number of products with the operator, at least k/4 (each adds four columns to the space).
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
    max_products = check_integer("max_products", max_products, low=-(-k // BLOCK))
    if start is not None:
        start = check_array("start", start, shape=(dim, None))
    with one_blas_thread():
        if MAX_COLUMNS * k + BLOCK >= dim:
            return _dense(operator, k, rank)
        start = np.empty((dim, 0)) if start is None else start
        filled = rng.standard_normal((dim, max(BLOCK - start.shape[1], 0)))
        return _iterate(operator, k, np.linalg.qr(np.hstack([start, filled]))[0], tol, max_products, rank)


def _iterate(operator, k: int, basis: np.ndarray, tol: float, max_products: int, rank) -> Eigenpairs:
    products = np.empty((len(basis), 0))
    for n_products in range(1, max_products + 1):
        products = np.hstack([products, operator @ basis[:, products.shape[1] :]])
        ritz_values, rotation = np.linalg.eigh(basis.T @ products)
        order = rank(ritz_values)[: k + BLOCK]
        leading, rotation = ritz_values[order], rotation[:, order]
        vectors = basis @ rotation
        defects = products @ rotation - vectors * leading
        residuals = np.linalg.norm(defects, axis=0)
        open_pairs = residuals > tol * np.abs(leading[min(k, len(leading)) - 1])
        converged = len(leading) >= k and not open_pairs[:k].any()
        if converged or n_products == max_products:
            break
        if basis.shape[1] + BLOCK > MAX_COLUMNS * k + BLOCK:
            basis, products = vectors, products @ rotation
        # Before there are k Ritz pairs the space has to grow even where they are exact.
        grow = np.flatnonzero(open_pairs | (len(leading) < k))[:BLOCK]
        basis = np.hstack([basis, _orthonormalize(defects[:, grow], basis)])
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
