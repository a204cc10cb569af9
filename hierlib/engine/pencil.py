r"""Eigenpairs of the moment matrix relative to the second moments of the features in the same sample.

.. math:: \hat C v = \lambda\,\hat S v, \qquad \hat S = \frac1n\sum_\mu F_\mu F_\mu^\top, \qquad
          v_i^\top\hat Sv_j=\delta_{ij},

by Rayleigh-Ritz on a space that grows by residuals, as in `hierlib.engine.krylov`; one pass gives both products. No
matrix is inverted, so that the number of passes grows with the condition of :math:`\hat S`: some tens where n is many
times D and the features are near white, far more where inputs are correlated. Up to 1024 dimensions both matrices are
formed and the answer is exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh

from hierlib.checks import check_array, check_generator, check_integer, check_real
from hierlib.engine.krylov import MAX_COLUMNS, Eigenpairs, append_orthonormal, block_width, by_modulus
from hierlib.engine.moment import MomentOperator
from hierlib.engine.parallel import one_blas_thread
from hierlib.engine.scaling import column_norms

__all__ = ["leading_pencil"]

# Two matrices of this dimension take 16 MiB, and their eigenvectors about a second.
MAX_DENSE = 1024
# Share of the second moment of its features below which a direction is constant zero up to rounding.
NO_VARIANCE = 1e-15


def leading_pencil(
    operator: MomentOperator,
    k: int,
    *,
    rng: np.random.Generator,
    start: np.ndarray | None = None,
    tol: float = 1e-2,
    max_products: int = 60,
    rank: Callable[[np.ndarray], np.ndarray] = by_modulus,
) -> Eigenpairs:
    r"""Compute the k leading eigenpairs of :math:`\hat Cv=\lambda\hat Sv`.

    Directions in which all features of the sample vanish, such as the sum of the squares of normalised inputs, have
    no eigenvalue and are left out.

    Parameters
    ----------
    operator : MomentOperator
        The matrix :math:`\hat C` of more samples than dimensions.
    k : int
        Number of eigenpairs, between 1 and dim.
    rng : numpy.random.Generator
        Fills the start block.
    start : ndarray, shape (dim, any), optional
        Approximate eigenvectors to start from.
    tol : float, default 1e-2
        Largest residual :math:`\|\hat Cv-\lambda\hat Sv\|` over :math:`|\lambda_k|\,\|\hat Sv\|`, positive.
    max_products : int, default 60
        Largest number of passes.
    rank : callable, optional
        As for `hierlib.engine.krylov.largest_modulus`.

    Returns
    -------
    Eigenpairs
        Best ranked first; eigenvectors have unit second moment over the sample and are uncorrelated there.

    Raises
    ------
    ValueError
        If there are no more samples than dimensions, fewer than k directions in which features vary, or an argument
        is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib import HierarchicalTarget
    >>> from hierlib.engine.moment import MomentOperator
    >>> from hierlib.engine.pencil import leading_pencil
    >>> X, y = HierarchicalTarget(d=6, q=1, n_features=1, seed=0).sample(500, seed=1)
    >>> operator = MomentOperator((X, y), degree=1, dtype="float64")
    >>> pairs = leading_pencil(operator, 2, rng=np.random.default_rng(0))
    >>> h = X @ pairs.eigenvectors
    >>> bool(np.allclose(h.T @ h / 500, np.eye(2)))
    True
    """
    dim, n = operator.shape[0], len(operator.weights)
    if n <= dim:
        msg = (
            f"whiten='sample' needs more samples than the D = {dim} features, as their second moments are singular "
            f"otherwise, got n = {n}."
        )
        raise ValueError(msg)
    k = check_integer("k", k, low=1, high=dim)
    tol = check_real("tol", tol, low=0, open_low=True)
    max_products = check_integer("max_products", max_products, low=-(-k // block_width(k)))
    check_generator(rng)
    start = np.empty((dim, 0)) if start is None else check_array("start", start, shape=(dim, None))
    with one_blas_thread():
        if dim <= MAX_DENSE or max(MAX_COLUMNS * k, start.shape[1]) + block_width(k) >= dim:
            return _dense(operator, k, rank)
        return _search(operator, k, rng, start, tol, max_products, rank)


def _dense(operator: MomentOperator, k: int, rank: Callable[[np.ndarray], np.ndarray]) -> Eigenpairs:
    whitening = np.eye(operator.shape[0])
    null = [np.empty((len(whitening), 0))]
    # Twice: the rounding of second moments is the square of that of features, until these are nearly white.
    for whitened in (False, True):
        matrix, second = operator.dense_pencil(whitening if whitened else None)
        # Of features at unit size: what vanishes must not depend on the units of the inputs.
        size = np.sqrt(np.diag(second))
        inverse = np.divide(1.0, size, out=np.zeros(len(size)), where=size > 0)
        spectrum, rotation = np.linalg.eigh(inverse[:, None] * second * inverse)
        kept = spectrum > NO_VARIANCE * len(size)
        null.append(whitening @ (inverse[:, None] * rotation[:, ~kept]))
        step = inverse[:, None] * rotation[:, kept] / np.sqrt(spectrum[kept])
        whitening = whitening @ step
    if whitening.shape[1] < k:
        msg = f"n_features must be <= {whitening.shape[1]}, the directions in which features vary, got {k}."
        raise ValueError(msg)
    image = step.T @ matrix @ step
    eigenvalues, vectors = np.linalg.eigh((image + image.T) / 2)
    order = rank(eigenvalues)[:k]
    values, vectors = eigenvalues[order], vectors[:, order]
    residuals = column_norms(image @ vectors - vectors * values)
    vectors = whitening @ vectors
    # What they hold of directions in which nothing varies is arbitrary: none.
    constant = np.hstack(null)
    vectors -= constant @ np.linalg.lstsq(constant, vectors, rcond=None)[0]
    return Eigenpairs(values, vectors, residuals, 2, True)


def _search(
    operator: MomentOperator,
    k: int,
    rng: np.random.Generator,
    start: np.ndarray,
    tol: float,
    max_products: int,
    rank: Callable[[np.ndarray], np.ndarray],
) -> Eigenpairs:
    block = block_width(k)
    width = max(block, start.shape[1])
    most = max(MAX_COLUMNS * k + block, width)
    basis, images, seconds = (np.empty((operator.shape[0], most), order="F") for _ in range(3))
    # Into the range of the second moments, in which the residuals stay.
    filled = operator.pencil(rng.standard_normal((operator.shape[0], width - start.shape[1])))[1]
    old, size = 0, append_orthonormal(basis, 0, np.hstack([start, filled]), rng)
    for n_products in range(2, max(2, max_products) + 1):
        images[:, old:size], seconds[:, old:size] = operator.pencil(basis[:, old:size])
        used = basis[:, :size]
        projected, gram = used.T @ images[:, :size], used.T @ seconds[:, :size]
        values, rotation = eigh((projected + projected.T) / 2, (gram + gram.T) / 2)
        order = rank(values)[: k + block]
        leading, rotation = values[order], rotation[:, order]
        metric = seconds[:, :size] @ rotation
        defects = images[:, :size] @ rotation - metric * leading
        residuals = column_norms(defects)
        last = np.abs(leading[min(k, len(leading)) - 1])
        open_pairs = (residuals > tol * last * column_norms(metric)) | (len(leading) < k)
        converged = not open_pairs[:k].any()
        if converged or n_products >= max_products:
            break
        if size + block > most:
            mixing = np.linalg.qr(rotation)[0]
            for columns in (basis, images, seconds):
                columns[:, : len(leading)] = columns[:, :size] @ mixing
            size = len(leading)
        old, size = size, append_orthonormal(basis, size, defects[:, np.flatnonzero(open_pairs[:k])[:block]], rng)
    vectors = used @ rotation[:, :k]
    return Eigenpairs(leading[:k], vectors, residuals[:k], n_products, bool(converged))
