r"""Spectral density of a symmetric operator without forming it: stochastic Lanczos quadrature.

For a random unit vector v the measure :math:`\sum_j \langle v, u_j\rangle^2 \delta_{\lambda_j}` has the spectral
density as its mean, and m Lanczos steps give the m-point Gauss quadrature of it, exact for moments up to 2 m - 1. All
probe vectors go through the operator as one block, so that m steps cost m passes over the data whatever their number,
and memory for (m + 1) D numbers a probe (full reorthogonalisation: ghosts would count outliers twice).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import LinearOperator

from hierlib.checks import check_array, check_generator, check_integer, check_real
from hierlib.engine.krylov import checked_product
from hierlib.engine.scaling import column_norms

__all__ = ["SpectralMeasure", "lanczos_rules", "spectral_measure"]

# A product's part outside the Krylov space, over the product, that may be rounding.
_ROUNDING = 1e-13


@dataclass(frozen=True)
class SpectralMeasure:
    """Quadrature of the spectral density, one rule a probe vector.

    Attributes
    ----------
    nodes : ndarray, shape (n_probes, n_steps)
        Ritz values; where a Krylov space ends early, mean values of the probe with weight 0 fill the row.
    weights : ndarray, shape (n_probes, n_steps)
        Their weights; each row sums to 1.
    """

    nodes: np.ndarray
    weights: np.ndarray

    def density(self, points: np.ndarray, bandwidth: float) -> tuple[np.ndarray, np.ndarray]:
        """Smooth the measure with a Gaussian kernel.

        Parameters
        ----------
        points : array_like, shape (n_points,)
            Where to evaluate the density.
        bandwidth : float
            Standard deviation of the kernel, positive; features narrower than this or than the spacing of the nodes
            are not resolved.

        Returns
        -------
        mean : ndarray, shape (n_points,)
            Density, integrating to 1.
        standard_error : ndarray, shape (n_points,)
            Standard error of the mean over the probes.
        """
        points = check_array("points", points, shape=(None,))
        bandwidth = check_real("bandwidth", bandwidth, low=0, open_low=True)
        kernels = np.exp(-0.5 * ((points[:, None, None] - self.nodes) / bandwidth) ** 2)
        per_probe = (kernels * self.weights).sum(axis=2) / (bandwidth * np.sqrt(2 * np.pi))
        n_probes = len(self.nodes)
        return per_probe.mean(axis=1), per_probe.std(axis=1, ddof=1) / np.sqrt(n_probes)


def spectral_measure(
    operator: LinearOperator, *, rng: np.random.Generator, n_probes: int = 8, n_steps: int = 40
) -> SpectralMeasure:
    """Estimate the spectral density of a symmetric operator from products alone.

    Parameters
    ----------
    operator : LinearOperator or ndarray, shape (dim, dim)
        Real and symmetric.
    rng : numpy.random.Generator
        Draws the probe vectors, uniform on the sphere.
    n_probes : int, default 8
        Number of probe vectors, at least 2.
    n_steps : int, default 40
        Lanczos steps, between 1 and dim: the density is resolved to about its support over `n_steps`.

    Returns
    -------
    SpectralMeasure
        Nodes and weights of one quadrature rule a probe.

    Raises
    ------
    ValueError
        If an argument is out of range, or the operator returns NaN or infinite entries.

    References
    ----------
    Lin, Saad and Yang, Approximating spectral densities of large matrices, SIAM Review 58 (2016), arXiv:1308.5467.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.engine.density import spectral_measure
    >>> matrix = np.diag(np.r_[np.linspace(-1, 1, 200), 5.0])
    >>> measure = spectral_measure(matrix, rng=np.random.default_rng(0), n_steps=20)
    >>> measure.nodes.max(axis=1).round(3)
    array([5., 5., 5., 5., 5., 5., 5., 5.])
    """
    dim = operator.shape[0]
    n_probes = check_integer("n_probes", n_probes, low=2)
    n_steps = check_integer("n_steps", n_steps, low=1, high=dim)
    nodes, weights = lanczos_rules(operator, check_generator(rng).standard_normal((dim, n_probes)), n_steps=n_steps)
    return SpectralMeasure(nodes=nodes, weights=weights)


def lanczos_rules(operator: LinearOperator, start: np.ndarray, *, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Return a Gauss quadrature of the spectral measure of each start vector.

    Parameters
    ----------
    operator : LinearOperator or ndarray, shape (dim, dim)
        Real and symmetric.
    start : ndarray, shape (dim, n_probes)
        Vectors v; of a zero one all weight is at 0.
    n_steps : int
        Lanczos steps, between 1 and dim.

    Returns
    -------
    nodes, weights : ndarray, shape (n_probes, n_steps)
        Such that :math:`\sum_s w_sf(x_s)\approx v^\top f(A)v/\|v\|^2`, exact for polynomials f of degree below
        2 n_steps.

    Raises
    ------
    ValueError
        If the operator returns NaN or infinite entries.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.engine.density import lanczos_rules
    >>> nodes, weights = lanczos_rules(np.diag([1.0, 2.0, 4.0]), np.ones((3, 1)), n_steps=3)
    >>> round(float(np.sum(weights / nodes)), 3), round((1 + 1 / 2 + 1 / 4) / 3, 3)
    (0.583, 0.583)
    """
    dim, n_probes = start.shape
    norms = column_norms(start)
    vector = start / np.where(norms > 0, norms, 1.0)
    basis = np.empty((n_steps, dim, n_probes))
    diagonal, off_diagonal = np.empty((2, n_probes, n_steps))
    alive = np.ones(n_probes, dtype=bool)
    for step in range(n_steps):
        basis[step] = vector
        product = checked_product(operator, vector)
        diagonal[:, step] = np.where(alive, np.einsum("ip,ip->p", vector, product), diagonal[:, 0])
        largest = column_norms(product)
        for _ in range(2):
            overlaps = np.einsum("sip,ip->sp", basis[: step + 1], product, optimize=True)
            product = product - np.einsum("sip,sp->ip", basis[: step + 1], overlaps, optimize=True)
        norms = column_norms(product)
        # Rounding alone ends the Krylov space: a vector along it would not be orthogonal to the others.
        alive &= norms > _ROUNDING * largest
        off_diagonal[:, step] = np.where(alive, norms, 0.0)
        vector = product / np.where(alive, norms, np.inf)
    rules = [eigh_tridiagonal(a, b[:-1]) for a, b in zip(diagonal, off_diagonal, strict=True)]
    return np.array([nodes for nodes, _ in rules]), np.array([vectors[0] ** 2 for _, vectors in rules])
