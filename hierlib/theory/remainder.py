r"""The population remainder: the full-rank part of the moment matrix that does not average out.

For each feature :math:`\tfrac12K_i=\tfrac12E[(\tilde h_i^2-1)\tilde F\tilde F^\top]-A_iA_i^\top` is a matrix whose
spectrum, as d grows, does not depend on the draw of :math:`A_i`. The chapter *Sharp Constants* derives it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import comb

import numpy as np
from scipy.linalg import eigh, eigh_tridiagonal

from hierlib.checks import check_integer

# With no more samples or dimensions all terms of an equation are floats; degrees that the Gauss rules resolve.
MAX_DIM, MAX_DEGREE = 10**18, 30
_ATOMS = 4  # the largest number with which the free cumulants of degree 2 are moments of a positive measure


@dataclass(frozen=True)
class RemainderLaw:
    r"""Spectrum of one feature's remainder, by its R-transform :math:`\mathcal R(g)=\sum_k\omega_kg/(1-t_kg)`.

    A sum of free Poisson laws. Its free cumulants are :math:`\sum_k\omega_kt_k^m`, m = 0, 1, ... for the second,
    the third, ...

    Attributes
    ----------
    masses, sizes : ndarray, shape (k,)
        The :math:`\omega_k` and :math:`t_k \ge 0`; no entries where there is no remainder.
    dim : int
        Number of dimensions, of which a share :math:`\omega_k/t_k^2` makes the k-th law.
    """

    masses: np.ndarray = field(default_factory=lambda: np.zeros(0))
    sizes: np.ndarray = field(default_factory=lambda: np.zeros(0))
    dim: int = 0

    @property
    def variance(self) -> float:
        """The second cumulant, c/D."""
        return float(self.masses.sum())

    def shift(self, g: np.ndarray, phi: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r"""Return :math:`\sum_j\varphi_j\mathcal R(\varphi_jg)` and its derivative, features as free of each other.

        Parameters
        ----------
        g : ndarray, shape (m,)
            Mean resolvent.
        phi, slope : ndarray, shapes (d1, m)
            The :math:`\varphi_j`, and their derivatives by `g`.
        """
        value, change = np.zeros((2, *np.shape(g)), dtype=phi.dtype)
        for mass, size in zip(self.masses[~self.rare], self.sizes[~self.rare], strict=True):
            inverse = 1 / (1 - size * g * phi)
            value += mass * np.sum(phi**2 * inverse, axis=0)
            change += mass * np.sum(phi * inverse * (2 * slope + size * phi * (phi + g * slope) * inverse), axis=0)
        return g * value, value + g * change

    @cached_property
    def numbers(self) -> np.ndarray:
        """Number of eigenvalues that each size adds to the spectrum, shape (k,)."""
        many = np.full(self.sizes.shape, np.inf)
        return np.divide(self.dim * self.masses, self.sizes**2, out=many, where=self.sizes > 0)

    @cached_property
    def rare(self) -> np.ndarray:
        """Sizes that make less than one eigenvalue: no part of the bulk, and counted apart; shape (k,)."""
        return self.numbers < 1

    def exhausted(self, g: np.ndarray, phi: np.ndarray) -> np.ndarray:
        """Whether `g` is past the pole of a size that is not rare: inside the bulk; shape (m,)."""
        return np.any(self.sizes[~self.rare].max(initial=0.0) * g * phi >= 1, axis=0)

    def count(self, g: np.ndarray, phi: np.ndarray) -> np.ndarray:
        """Count the eigenvalues of rare sizes that are expected beyond the level at `g`; shape (m,)."""
        sizes, numbers = self.sizes[self.rare, None, None], self.numbers[self.rare]
        return numbers @ np.sum(sizes * g * phi > 1, axis=1)


@lru_cache(maxsize=8)
def remainder_law(d: int, degree: int, dim: int) -> RemainderLaw:
    r"""Return the law of :math:`\tfrac12K_i` in `dim` dimensions.

    The variance is exact at any d. Degree 2 has the shape of the limit, by its first eight cumulants, brought to the
    sphere; a higher degree has the free Poisson law with the exact third cumulant.
    """
    # Negative only for d below 4, where the expansion means nothing.
    variance = max(0.0, remainder_coefficient(d, degree)) / dim
    if variance == 0:
        return RemainderLaw()
    if degree == 2:
        masses, sizes = _quadratic_atoms()
        # Eighth moments of the sphere over those of the normal law, and two features to norm 1.
        sizes = sizes * 2 / d * (d * (d + 2)) / ((d + 4) * (d + 6))
        return RemainderLaw(masses * (variance / masses.sum()), sizes, dim)
    return RemainderLaw(np.array([variance]), np.array([remainder_skewness(d, degree) / dim / variance]), dim)


def _quadratic_atoms() -> tuple[np.ndarray, np.ndarray]:
    r"""Masses and sizes for degree 2, up to the scale of each.

    In the eigenbasis of a symmetric A, with eigenvalues :math:`\alpha_a`, the map :math:`B\mapsto A^2B+B A^2+ABA` has
    the eigenvalues :math:`\alpha_a^2+\alpha_b^2+\alpha_a\alpha_b`, where both follow Wigner's semicircle.
    """
    order = 2 * _ATOMS + 1
    angle = np.pi * np.arange(1, 2 * order) / (2 * order)  # Gauss nodes of the semicircle, exact far beyond 2 * order
    x, weight = 2 * np.cos(angle), np.sin(angle) ** 2 / order
    values = x[:, None] ** 2 + x**2 + x[:, None] * x - 2
    moments = np.array([weight @ values**k @ weight for k in range(order + 1)])
    cumulants = np.zeros(order + 1)
    # m_n = sum_s kappa_s sum over i_1 + ... + i_s = n - s of m_{i_1} ... m_{i_s}.
    powers = [np.eye(1, order + 1)[0]]
    for _ in range(order):
        powers.append(np.convolve(powers[-1], moments)[: order + 1])
    for n in range(1, order + 1):
        cumulants[n] = moments[n] - sum(cumulants[s] * powers[s][n - s] for s in range(1, n))
    # Gauss quadrature of the measure whose moments are kappa_2, kappa_3, ...
    hankel = cumulants[2 + np.add.outer(np.arange(_ATOMS), np.arange(_ATOMS))]
    shifted = cumulants[3 + np.add.outer(np.arange(_ATOMS), np.arange(_ATOMS))]
    sizes, vectors = eigh(shifted, hankel)
    return (vectors.T @ hankel[:, 0]) ** 2, sizes


def remainder_coefficient(d: int, degree: int) -> float:
    r"""Return the coefficient of the population remainder, :math:`c=(E\,p_q(t)^4-3)/2`.

    Here `t` is the inner product of two random unit vectors in R^d and :math:`p_q` the polynomial of degree q
    orthonormal for its law: the kernel of the features of degree q on the sphere, over :math:`\sqrt D`.

    Parameters
    ----------
    d : int
        Input dimension, at least 2; at most 10**18.
    degree : int
        Degree q, from 1 to 30.

    Returns
    -------
    float
        0 for q = 1, where the features are Gaussian; tends to 6 and 45 for q = 2 and 3 as d grows.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from hierlib.theory.asymptotics import remainder_coefficient
    >>> [round(remainder_coefficient(100, q), 2) for q in (1, 2, 3)]
    [0.0, 5.33, 35.9]
    """
    d = check_integer("d", d, low=2, high=MAX_DIM)
    degree = check_integer("degree", degree, low=1, high=MAX_DEGREE)
    if degree == 1:
        return 0.0
    weights, polynomials = _gegenbauer(d, degree)
    return float(weights @ polynomials[degree] ** 4 - 3) / 2


def remainder_skewness(d: int, degree: int) -> float:
    r"""Return the coefficient of the remainder's third moment, :math:`c_3=\sum_{k\ge1}f_k^3/\sqrt{N_k}`.

    The :math:`f_k` are the coefficients of :math:`p_q^2` in the orthonormal :math:`p_k`, and :math:`N_k` counts the
    spherical harmonics of degree k. It is O(1/d), and 0 for degree 1.
    """
    if degree == 1:
        return 0.0
    weights, polynomials = _gegenbauer(d, degree)
    total = 0.0
    for k in range(2, 2 * degree + 1, 2):
        harmonics = comb(d + k - 1, k) - comb(d + k - 3, k - 2)  # exact, and beyond 64 bits for large d
        total += (weights @ (polynomials[degree] ** 2 * polynomials[k])) ** 3 / float(harmonics) ** 0.5
    return float(total)


def _gegenbauer(d: int, degree: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Gauss weights for the inner product of two random unit vectors, and p_0, ..., p_2q at its nodes."""
    # Gauss rule for (1 - t^2)^((d - 3)/2): exact to degree 4q + 1, and its recurrence gives the polynomials.
    count = 2 * degree + 1
    k = np.arange(2.0, count)
    squares = k * (k + d - 3) / ((2 * k + d - 2) * (2 * k + d - 4))
    off = np.sqrt(np.append(1 / d, squares))
    t, vectors = eigh_tridiagonal(np.zeros(count), off)
    polynomials = [np.ones(count), t / off[0]]
    for j in range(1, count - 1):
        polynomials.append((t * polynomials[j] - off[j - 1] * polynomials[j - 1]) / off[j])
    return vectors[0] ** 2, polynomials
