r"""First-order perturbation of eigenvectors, by resolvents, beside what Davis and Kahan give (paper, appendix C).

The moment matrix is signal plus noise, :math:`\hat C = C + \Delta` with :math:`C = \sum_i \theta_i u_i
u_i^\top` of rank d1. To first order an eigenvector leaves its :math:`u_k` in two ways (3.2): it mixes with
the other :math:`u_j`, and it leaks into the kernel of C,

.. math::
    \hat u_k = u_k + \sum_{j \ne k} \frac{u_j^\top \Delta u_k}{\theta_k - \theta_j}\, u_j
    + \frac{1}{\theta_k} P_{\mathrm{Ker}} \Delta u_k + O(\|\Delta\|^2).

Everything here takes dense symmetric arrays of side D and costs :math:`O(D^3)` (an eigendecomposition or a
solve), or less where said; D up to a few thousand.
"""

from __future__ import annotations

import numbers
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from hierlib.checks import check_array, check_integer, check_real

__all__ = [
    "EigenvalueShift",
    "FirstOrder",
    "MeanSquares",
    "convergence_radius",
    "davis_kahan_bound",
    "expected_first_order",
    "expected_shift",
    "first_order",
    "nearest_eigenvector",
    "neumann_series",
    "population_remainder",
    "resolvent",
    "spectral_gaps",
    "spectral_projector",
]


class FirstOrder(NamedTuple):
    """The two first-order terms of a perturbed eigenvector, each of shape (dim,); see `first_order`."""

    mixing: np.ndarray
    leakage: np.ndarray


class MeanSquares(NamedTuple):
    """Mean squared lengths of the two first-order terms, shape (n_features,); see `expected_first_order`."""

    mixing: np.ndarray
    leakage: np.ndarray


class EigenvalueShift(NamedTuple):
    """Mean shift of the signal eigenvalues by three causes, shape (n_features,) each; see `expected_shift`."""

    repulsion: np.ndarray
    round_trip: np.ndarray
    skewness: np.ndarray


def resolvent(matrix: ArrayLike, z: complex) -> np.ndarray:
    r"""Invert a shifted matrix, :math:`R(z) = (z I - M)^{-1}` (C.4).

    Parameters
    ----------
    matrix : array_like, shape (dim, dim)
        Symmetric matrix M.
    z : complex
        Point of the complex plane outside the spectrum; close to it the result loses one digit for
        each factor 10 between the distance to the spectrum and the norm of M.

    Returns
    -------
    ndarray of complex, shape (dim, dim)

    Raises
    ------
    ValueError
        If `matrix` is not a finite symmetric matrix, or `z` is exactly an eigenvalue.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.perturbation import resolvent
    >>> resolvent(np.diag([1.0, 3.0]), 2.0).real
    array([[ 1.,  0.],
           [ 0., -1.]])
    """
    matrix = _check_symmetric("matrix", matrix)
    z = _check_point(z)
    try:
        return np.linalg.inv(z * np.eye(len(matrix)) - matrix)
    except np.linalg.LinAlgError:
        msg = f"z must lie outside the spectrum of matrix, got the eigenvalue {z!r}."
        raise ValueError(msg) from None


def neumann_series(population: ArrayLike, noise: ArrayLike, z: complex, *, order: int) -> np.ndarray:
    r"""Sum the Neumann series of the perturbed resolvent up to a power of the noise (C.8).

    .. math:: \hat R(z) = (z I - C - \Delta)^{-1} = \sum_{l \ge 0} \bigl(R(z) \Delta\bigr)^l R(z).

    Parameters
    ----------
    population, noise : array_like, shape (dim, dim)
        Symmetric matrices :math:`C` and :math:`\Delta`.
    z : complex
        Point outside the spectrum of `population`.
    order : int
        Last power of the noise kept, at least 0.

    Returns
    -------
    ndarray of complex, shape (dim, dim)

    Raises
    ------
    ValueError
        If the matrices are not symmetric of the same shape, `z` is an eigenvalue, or `order` is negative.

    Notes
    -----
    Cost: one inverse and ``order`` products. The series converges if `convergence_radius` exceeds 1.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.perturbation import neumann_series
    >>> [float(neumann_series([[0.0]], [[1.0]], 2.0, order=order)[0, 0].real) for order in (0, 1, 2)]
    [0.5, 0.75, 0.875]
    """
    population, noise = _check_pair(population, noise)
    order = check_integer("order", order, low=0, high=10**6)
    base = resolvent(population, z)
    step = base @ noise
    total = base
    for _ in range(order):
        total = base + step @ total
    return total


def convergence_radius(population: ArrayLike, noise: ArrayLike, z: complex) -> float:
    r"""Compute how far the noise can be scaled up before the Neumann series at z diverges.

    The series for :math:`C + t\Delta` converges exactly for :math:`|t| < 1/\rho(R(z)\Delta)`, with
    :math:`\rho` the spectral radius. The familiar condition :math:`\|\Delta\| < \mathrm{dist}(z,
    \mathrm{spec}\,C)` is sufficient only.

    Parameters
    ----------
    population, noise : array_like, shape (dim, dim)
        Symmetric matrices :math:`C` and :math:`\Delta`.
    z : complex
        Point outside the spectrum of `population`.

    Returns
    -------
    float
        The radius :math:`1/\rho(R(z)\Delta)`, infinite for zero noise; above 1 the series of the given
        noise converges.

    Raises
    ------
    ValueError
        If the matrices are not symmetric of the same shape, or `z` is an eigenvalue.

    Notes
    -----
    Cost: the eigenvalues of a general complex matrix, about ``25 * dim**3`` operations.

    Examples
    --------
    >>> from hierlib.theory.perturbation import convergence_radius
    >>> round(convergence_radius([[0.0]], [[0.5]], 2.0), 6)
    4.0
    """
    population, noise = _check_pair(population, noise)
    largest = float(np.abs(np.linalg.eigvals(resolvent(population, z) @ noise)).max())
    return 1 / largest if largest else np.inf


def spectral_projector(matrix: ArrayLike, *, center: float, radius: float, n_nodes: int = 64) -> np.ndarray:
    r"""Integrate the resolvent around a circle: the projector on the eigenvectors inside.

    .. math::
        P = \frac{1}{2\pi i} \oint R(z)\,dz \approx \frac{1}{N} \sum_{j < N} r e^{i\varphi_j} R(c + r
        e^{i\varphi_j}),
        \qquad \varphi_j = \frac{\pi (2j + 1)}{N}.

    Parameters
    ----------
    matrix : array_like, shape (dim, dim)
        Symmetric matrix.
    center : float
        Centre c of the circle, on the real axis.
    radius : float
        Radius r, positive.
    n_nodes : int, default 64
        Even number N of nodes of the trapezoidal rule, at least 2.

    Returns
    -------
    ndarray, shape (dim, dim)

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    The rule replaces the indicator of the disc by :math:`1/(1 + w^N)`, :math:`w = (\mu - c)/r`, at each
    eigenvalue :math:`\mu`: the error is :math:`|w|^{N}` inside and :math:`|w|^{-N}` outside, so it falls
    geometrically unless an eigenvalue is close to the circle. Cost: ``n_nodes / 2`` complex inverses (the
    nodes come in conjugate pairs).

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.perturbation import spectral_projector
    >>> spectral_projector(np.diag([1.0, 3.0]), center=3.0, radius=1.0).round(10) + 0.0
    array([[0., 0.],
           [0., 1.]])
    """
    matrix = _check_symmetric("matrix", matrix)
    center = check_real("center", center)
    radius = check_real("radius", radius, low=0, open_low=True)
    if check_integer("n_nodes", n_nodes, low=2, high=10**6) % 2:
        msg = f"n_nodes must be even, got {n_nodes!r}."
        raise ValueError(msg)
    total = np.zeros_like(matrix)
    for angle in np.pi * (2 * np.arange(n_nodes // 2) + 1) / n_nodes:
        step = radius * np.exp(1j * angle)
        total += (step * resolvent(matrix, center + step)).real
    return 2 * total / n_nodes


def spectral_gaps(eigenvalues: ArrayLike) -> np.ndarray:
    r"""Measure the distance from each signal eigenvalue to the rest of the spectrum, kernel included.

    .. math:: \mathrm{gap}_k = \min\Bigl(|\theta_k|, \min_{j \ne k} |\theta_k - \theta_j|\Bigr).

    Parameters
    ----------
    eigenvalues : array_like, shape (n_features,)
        Non-zero eigenvalues :math:`\theta_i` of the population matrix, in any order and of either sign.

    Returns
    -------
    ndarray, shape (n_features,)

    Raises
    ------
    ValueError
        If `eigenvalues` is not a finite vector.

    Examples
    --------
    >>> from hierlib.theory.perturbation import spectral_gaps
    >>> spectral_gaps([4.0, -3.0, 2.5])
    array([1.5, 3. , 1.5])
    """
    theta = _check_vector("eigenvalues", eigenvalues)
    distance = np.abs(theta[:, None] - theta)
    np.fill_diagonal(distance, np.abs(theta))
    return distance.min(axis=1)


def davis_kahan_bound(noise_norm: ArrayLike, gap: ArrayLike) -> np.ndarray:
    r"""Bound the angle of an eigenvector by the norm of the noise and the population gap alone.

    .. math:: \sin\angle(\hat u_k, u_k) \le \min\Bigl(1, \frac{2\|\Delta\|_{op}}{\mathrm{gap}_k}\Bigr).

    Parameters
    ----------
    noise_norm : array_like
        Operator norm of the noise.
    gap : array_like
        Distance from the population eigenvalue to the nearest other one, positive; broadcast against
        `noise_norm`.

    Returns
    -------
    ndarray
        Bounds on the sine, of the broadcast shape.

    Raises
    ------
    ValueError
        If a norm is negative or a gap is not positive.

    Notes
    -----
    The factor 2 is the price of a gap between population eigenvalues, rather than between a population and
    a sample eigenvalue as in the theorem's first form. It cannot be improved: noise a little above half the
    gap can exchange two eigenvectors.

    References
    ----------
    Davis and Kahan, SIAM J. Numer. Anal. 7 (1970) 1-46; Yu, Wang and Samworth, Biometrika 102 (2015) 315-323,
    Corollary 1.

    Examples
    --------
    >>> from hierlib.theory.perturbation import davis_kahan_bound
    >>> davis_kahan_bound(0.1, [1.0, 0.5, 0.1])
    array([0.2, 0.4, 1. ])
    """
    norm, distance = check_array("noise_norm", noise_norm, shape=None), check_array("gap", gap, shape=None)
    if not np.all(norm >= 0):
        msg = f"noise_norm must be >= 0, got {noise_norm!r}."
        raise ValueError(msg)
    if not np.all(distance > 0):
        msg = f"gap must be > 0, got {gap!r}."
        raise ValueError(msg)
    return np.minimum(1.0, 2 * norm / distance)


def first_order(eigenvalues: ArrayLike, eigenvectors: ArrayLike, noise: ArrayLike, k: int) -> FirstOrder:
    r"""Compute the two first-order terms by which noise moves an eigenvector (3.2).

    .. math::
        \text{mixing} = \sum_{j \ne k} \frac{u_j^\top \Delta u_k}{\theta_k - \theta_j}\, u_j, \qquad
        \text{leakage} = \frac{1}{\theta_k} \Bigl(I - \sum_j u_j u_j^\top\Bigr) \Delta u_k.

    Parameters
    ----------
    eigenvalues : array_like, shape (n_features,)
        Non-zero, distinct eigenvalues :math:`\theta_j` of the population matrix.
    eigenvectors : array_like, shape (n_features, dim)
        Their orthonormal eigenvectors :math:`u_j`, as rows; every other direction is in the kernel.
    noise : array_like, shape (dim, dim)
        Symmetric noise :math:`\Delta`.
    k : int
        Row of the eigenvector, ``0 <= k < n_features``.

    Returns
    -------
    FirstOrder
        Named tuple ``(mixing, leakage)``, orthogonal to each other and to :math:`u_k`, shape (dim,) each; the
        perturbed eigenvector is their sum with :math:`u_k`, up to :math:`O(\|\Delta\|^2)`.

    Raises
    ------
    ValueError
        If the shapes do not fit, the rows are not orthonormal, eigenvalue k is zero or not simple.

    Notes
    -----
    Cost: one product of `noise` with a vector, and ``n_features`` inner products.

    References
    ----------
    arXiv:2605.14567, (3.2) and (C.24).

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.perturbation import first_order
    >>> noise = np.array([[0.0, 0.1, 0.2], [0.1, 0.0, 0.0], [0.2, 0.0, 0.0]])
    >>> first_order([2.0, 1.0], np.eye(3)[:2], noise, 0)
    FirstOrder(mixing=array([0. , 0.1, 0. ]), leakage=array([0. , 0. , 0.1]))
    """
    theta = _check_vector("eigenvalues", eigenvalues)
    rows = check_array("eigenvectors", eigenvectors, shape=(len(theta), None))
    noise = _check_symmetric("noise", noise)
    if noise.shape[0] != rows.shape[1]:
        msg = f"noise must have shape {(rows.shape[1], rows.shape[1])}, got {noise.shape}."
        raise ValueError(msg)
    if not np.allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-8):
        msg = "eigenvectors must have orthonormal rows, got rows that are not."
        raise ValueError(msg)
    k = check_integer("k", k, low=0, high=len(theta) - 1)
    gaps = theta[k] - theta
    if theta[k] == 0 or np.count_nonzero(gaps == 0) > 1:
        msg = f"eigenvalues must be non-zero and simple at k = {k}, got {theta[k]:g}."
        raise ValueError(msg)
    moved = noise @ rows[k]
    inside = rows @ moved
    coefficients = np.divide(inside, gaps, out=np.zeros_like(gaps), where=gaps != 0)
    return FirstOrder(coefficients @ rows, (moved - inside @ rows) / theta[k])


def nearest_eigenvector(matrix: ArrayLike, reference: ArrayLike) -> np.ndarray:
    r"""Compute the unit eigenvector of a symmetric matrix that is closest to a reference.

    Of an eigenvalue that is repeated every unit vector of its eigenspace is an eigenvector; the closest one is the
    reference's projection.

    Parameters
    ----------
    matrix : array_like, shape (dim, dim)
        Symmetric matrix.
    reference : array_like, shape (dim,)
        Direction to follow.

    Returns
    -------
    ndarray, shape (dim,)
        The unit eigenvector with the largest inner product, which is not negative.

    Raises
    ------
    ValueError
        If `matrix` is not symmetric, `reference` is zero, or the shapes do not fit.

    Notes
    -----
    Neighbouring eigenvalues count as one if they differ by less than ``10 * dim * eps`` times the largest modulus, with
    eps the spacing of the matrix's floating-point numbers at 1: by as much a product that forms the matrix, and its
    decomposition, move them, and the matrix does not determine vectors within their common space.

    Examples
    --------
    >>> from hierlib.theory.perturbation import nearest_eigenvector
    >>> nearest_eigenvector([[0.0, 1.0], [1.0, 0.0]], [-1.0, 0.8]).round(3)
    array([-0.707,  0.707])
    """
    matrix = _check_symmetric("matrix", matrix)
    reference = check_array("reference", reference, shape=(len(matrix),))
    size = np.abs(reference).max()
    if not size > 0:
        msg = "reference must not be zero."
        raise ValueError(msg)
    values, vectors = np.linalg.eigh(matrix)
    products = (reference / size) @ vectors
    apart = np.diff(values) > 10 * len(matrix) * np.finfo(matrix.dtype).eps * np.abs(values).max()
    first = np.flatnonzero(np.append(True, apart))  # of each eigenspace
    best = np.argmax(np.add.reduceat(products**2, first))
    space = slice(first[best], [*first, len(matrix)][best + 1])
    nearest = vectors[:, space] @ products[space]
    return nearest / np.linalg.norm(nearest)


def expected_first_order(weights: ArrayLike, *, n: float, dim: int) -> MeanSquares:
    r"""Compute the mean squared lengths of the two terms for the moment matrix of the Gaussian-equivalent model.

    For :math:`y = \sum_i \lambda_i (h_i^2 - 1)/\sqrt2` with independent standard normal features, and
    :math:`\theta_i = \sqrt2\,\lambda_i`,

    .. math::
        \mathbb{E}\|\text{mixing}_k\|^2 &= \frac1n \sum_{j \ne k}
        \frac{1 + 4\lambda_j^2 + 4\lambda_k^2 + 4\lambda_j\lambda_k}{2(\lambda_k - \lambda_j)^2}, \\
        \mathbb{E}\|\text{leakage}_k\|^2 &= \frac{D - d_1}{n}\, \frac{1 + 4\lambda_k^2}{2\lambda_k^2}.

    The numerators are :math:`\mathbb{E}[y^2 h_j^2 h_k^2]` and :math:`\mathbb{E}[y^2 h_k^2]`. Leakage sums
    over all D directions what mixing sums over the few near neighbours, which is why small gaps hardly
    matter.

    Parameters
    ----------
    weights : array_like, shape (n_features,)
        Signed weights :math:`\lambda_i`, non-zero, distinct, of unit norm.
    n : float
        Sample size, positive, in samples.
    dim : int
        Dimension D of the feature space, at least ``n_features``.

    Returns
    -------
    MeanSquares
        Named tuple ``(mixing, leakage)``, shape (n_features,) each; exact at every n and D.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    arXiv:2605.14567, (3.2) for the terms; their mean squares: this book.

    Examples
    --------
    >>> from hierlib.theory.perturbation import expected_first_order
    >>> expected_first_order([0.8, -0.6], n=1000, dim=102)
    MeanSquares(mixing=array([0.00078571, 0.00078571]), leakage=array([0.278125  , 0.33888889]))
    """
    weights, n, dim = _check_moment_model(weights, n, dim)
    gaps = weights[:, None] - weights
    ratio = np.divide(_mixed_moments(weights), 2 * gaps**2, out=np.zeros_like(gaps), where=gaps != 0)
    leakage = (dim - len(weights)) * (1 + 4 * weights**2) / (2 * weights**2)
    return MeanSquares(ratio.sum(axis=1) / n, leakage / n)


def expected_shift(weights: ArrayLike, *, n: float, dim: int) -> EigenvalueShift:
    r"""Compute by how much noise moves the signal eigenvalues of the Gaussian-equivalent moment matrix, in the mean.

    In the setting of `expected_first_order`, with :math:`m = D - d_1` directions of the kernel,

    .. math::
        \text{repulsion}_k &= \frac1n \sum_{j \ne k}
        \frac{1 + 4\lambda_j^2 + 4\lambda_k^2 + 4\lambda_j\lambda_k}{\theta_k - \theta_j}, \\
        \text{round trip}_k &= \frac mn\, \frac{1 + 4\lambda_k^2}{\theta_k}, \\
        \text{skewness}_k &= \Bigl(\frac mn\Bigr)^2\, \frac{\mathbb{E}[y^3 h_k^2]}{\theta_k^2}, \qquad
        \mathbb{E}[y^3 h_k^2] = 2\sqrt2 \sum_j \lambda_j^3 + 3\sqrt2\,\lambda_k + 12\sqrt2\,\lambda_k^3.

    The first two are the second order of perturbation theory, through the other signal directions and through the
    kernel; the third is the third order, to leading order in m. The first order has mean zero.

    Parameters
    ----------
    weights : array_like, shape (n_features,)
        Signed weights :math:`\lambda_i`, non-zero, distinct, of unit norm.
    n : float
        Sample size, positive, in samples.
    dim : int
        Dimension D of the feature space, at least ``n_features``.

    Returns
    -------
    EigenvalueShift
        Named tuple ``(repulsion, round_trip, skewness)``, shape (n_features,) each; their sum is the shift up to
        order :math:`(D/n)^3/\theta_k^3`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    From this book.

    Examples
    --------
    >>> from hierlib.theory.perturbation import expected_shift
    >>> expected_shift([0.8, -0.6], n=1000, dim=102).round_trip.round(4)
    array([ 0.3147, -0.2876])
    """
    weights, n, dim = _check_moment_model(weights, n, dim)
    theta = np.sqrt(2) * weights
    gaps = theta[:, None] - theta
    kernel = (dim - len(weights)) / n
    third = 2 * np.sqrt(2) * np.sum(weights**3) + 3 * np.sqrt(2) * weights + 12 * np.sqrt(2) * weights**3
    repulsion = np.divide(_mixed_moments(weights), gaps, out=np.zeros_like(gaps), where=gaps != 0).sum(axis=1) / n
    return EigenvalueShift(repulsion, kernel * (1 + 4 * weights**2) / theta, kernel**2 * third / theta**2)


def population_remainder(directions: ArrayLike, weights: ArrayLike) -> LinearOperator:
    r"""Build the difference between the population moment matrix and its rank-d1 form, degree 2 (Lemma C.1).

    A direction :math:`A_i` of the space of Hermite features of degree 2 is a symmetric d by d matrix of
    unit Frobenius norm, :math:`\langle A_i, F(x)\rangle = (x^\top A_i x - \mathrm{tr} A_i)/\sqrt2`. For the
    identity link :math:`\mathbb{E}\hat C = \sum_i \sqrt2\,\lambda_i A_i A_i^\top + K`, with the fourth
    cumulants of quadratic forms in

    .. math::
        K : B \mapsto 2\sqrt2 \sum_i \lambda_i \bigl(A_i^2 B + B A_i^2 + A_i B A_i\bigr).

    Parameters
    ----------
    directions : array_like, shape (n_features, dim)
        Unit vectors in the order of `HermiteFeatures`, ``dim = d (d + 1) / 2``.
    weights : array_like, shape (n_features,)
        Signed weights :math:`\lambda_i`.

    Returns
    -------
    scipy.sparse.linalg.LinearOperator, shape (dim, dim)
        K, symmetric, exact at every d; zero in the Gaussian-equivalent model.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``dim`` is no triangular number.

    Notes
    -----
    Cost of a product: ``n_features + 2`` products of d by d matrices. For random directions :math:`A_i^2
    \approx I/d`, so K is of order :math:`\sqrt{d_1}/d`, with a constant well above 1.

    References
    ----------
    arXiv:2605.14567, Lemma C.1, which bounds it; the closed form: this book.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.perturbation import population_remainder
    >>> (population_remainder([[1.0]], [1.0]) @ np.array([1.0])).round(4)  # (60/4 - 3)/sqrt(2)
    array([8.4853])
    """
    rows = check_array("directions", directions, shape=(None, None))
    weights = check_array("weights", weights, shape=(len(rows),))
    dim = rows.shape[1]
    d = int((np.sqrt(8 * dim + 1) - 1) / 2)
    if d * (d + 1) // 2 != dim:
        msg = f"directions must have d (d + 1) / 2 columns for some integer d, got {dim}."
        raise ValueError(msg)
    upper = np.triu_indices(d)
    # x_i x_j with i < j is the matrix with both entries 1 / sqrt(2): Frobenius norm 1.
    scale = np.where(upper[0] == upper[1], 1.0, np.sqrt(0.5))

    def as_matrices(vectors: np.ndarray) -> np.ndarray:
        matrices = np.zeros((*vectors.shape[:-1], d, d))
        matrices[..., upper[0], upper[1]] = matrices[..., upper[1], upper[0]] = vectors * scale
        return matrices

    forms = as_matrices(rows)
    weighted = weights[:, None, None] * forms
    squares = (weighted @ forms).sum(axis=0)

    def matvec(vector: np.ndarray) -> np.ndarray:
        matrix = as_matrices(np.ravel(vector))
        sandwich = (weighted @ matrix @ forms).sum(axis=0)
        image = 2 * np.sqrt(2.0) * (squares @ matrix + matrix @ squares + sandwich)
        return image[upper] / scale

    return LinearOperator((dim, dim), matvec=matvec, rmatvec=matvec, dtype=float)


def _mixed_moments(weights: np.ndarray) -> np.ndarray:
    """Compute E[y^2 h_j^2 h_k^2] for j != k under the identity link, shape (n_features, n_features)."""
    square = 4 * weights**2
    return 1 + square[:, None] + square + 4 * np.outer(weights, weights)


def _check_moment_model(weights: ArrayLike, n: float, dim: int) -> tuple[np.ndarray, float, int]:
    weights = _check_vector("weights", weights)
    n = check_real("n", n, low=0, open_low=True)
    dim = check_integer("dim", dim, low=len(weights), high=10**60)
    if not weights.all() or len(np.unique(weights)) < len(weights):
        msg = f"weights must be non-zero and distinct, got {weights}."
        raise ValueError(msg)
    if not np.isclose(weights @ weights, 1.0, atol=1e-8):
        msg = f"weights must have norm 1, got {np.linalg.norm(weights):g}."
        raise ValueError(msg)
    return weights, n, dim


def _check_vector(name: str, value: ArrayLike) -> np.ndarray:
    vector = check_array(name, value, shape=(None,))
    if not vector.size:
        msg = f"{name} must hold at least one number, got none."
        raise ValueError(msg)
    return vector


def _check_point(z: Any) -> complex:
    if not isinstance(z, bool | np.bool_) and isinstance(z, numbers.Complex):
        with suppress(OverflowError):
            point = complex(z)
            if np.isfinite(point):
                return point
    msg = f"z must be a finite complex number, got {type(z).__name__}."
    raise ValueError(msg)


def _check_symmetric(name: str, value: ArrayLike) -> np.ndarray:
    array = check_array(name, value, shape=(None, None))
    if array.shape[0] != array.shape[1] or not len(array):
        msg = f"{name} must be square and not empty, got shape {array.shape}."
        raise ValueError(msg)
    # Products such as F.T @ F are symmetric up to rounding only, and may have been taken in float32.
    if not np.allclose(array, array.T, rtol=0, atol=1e-6 * float(np.abs(array).max())):
        msg = f"{name} must be symmetric, got entries that differ by {np.abs(array - array.T).max():.3g}."
        raise ValueError(msg)
    return array


def _check_pair(population: ArrayLike, noise: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    population = _check_symmetric("population", population)
    noise = _check_symmetric("noise", noise)
    if noise.shape != population.shape:
        msg = f"noise must have shape {population.shape}, got {noise.shape}."
        raise ValueError(msg)
    return population, noise
