r"""The noise bulk of the moment matrix, and the eigenvalues that features push out of it.

Everything here is a function of the law of the effective weight (`hierlib.theory.weight_law`) and of n/D: the chapter
*Sharp Constants* derives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import comb
from typing import Any

import numpy as np

from hierlib.checks import check_array, check_callable, check_choice, check_integer, check_real
from hierlib.theory.remainder import MAX_DEGREE, MAX_DIM, RemainderLaw, remainder_law
from hierlib.theory.weight_law import (
    WEIGHT_GRID,
    Function,
    LabelGrid,
    ScaledLaw,
    WeightLaw,
    joint_law,
    label_grid,
    label_points,
    transformed_labels,
    weight_law,
)

_WINDOW = 0.03  # half-width, in 1 - v s, of the smoothed pole
_SCAN = 100  # points on which an edge is bracketed
_ROWS = 16  # values of s evaluated together
_CAUCHY = np.tan(np.pi * (np.arange(0.5, 32) / 32 - 0.5))  # equally probable values
_OUTSIDE = np.append(np.geomspace(1e-3, 0.999, 200), 1.0)  # values of s outside an edge, over that of the edge
_HEIGHTS = 45  # above the real axis, at which the density is continued from far away
_HASHED = 512  # one label in so many tells tables apart, before all are compared
_CELL = 0.0025  # of the tail of v, over v: about a step of its grid
_TABLE = 129  # points on which phi_i is tabulated between 0 and an edge
_MOST_FEATURES = 4096  # of a composition: they are coordinates of quasi-random points
_WEIGHT_RANGE = (1e-100, 1e100)  # squares are floats


def resolvent_kernels(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Evaluate the principal value of 1/x, smoothed over :math:`|x|\lesssim 0.03`, and minus its derivative.

    The few samples that sit at the pole :math:`vs=1` are outliers of the bulk on their own (an O(1/n) effect on
    everything else); the odd kernel :math:`x^3/(x^4+w^4)` removes them and departs from 1/x by :math:`(w/x)^4`.
    """
    slope = x * x
    inverse = slope * slope
    inverse += _WINDOW**4
    np.divide(1, inverse, out=inverse)
    slope *= inverse
    value = x * slope
    inverse *= -4 * _WINDOW**4
    inverse += 1
    slope *= inverse
    return value, slope


def pole_window(x: np.ndarray) -> np.ndarray:
    r"""Evaluate :math:`\pi` times a smoothed delta function of x, the imaginary part that belongs to the pole."""
    return np.sqrt(np.pi / 2) / _WINDOW * np.exp(-0.5 * (x / _WINDOW) ** 2)


class Bulk:
    r"""The noise bulk at aspect ratio :math:`\delta` and what a feature adds to it.

    With `s` the (n-scaled) Stieltjes transform, :math:`a(s)=E[v/(1-vs)]` and
    :math:`\varphi_i(s)=E[(\tilde h_i^2-1)v/(1-vs)]`, an eigenvalue outside the bulk sits at

    .. math:: \psi(s) = \frac{1}{\delta s} + a(s) + \sum_j\varphi_j\mathcal R(\delta s\,\varphi_j),

    with the R-transform of the population remainder, and feature `i` has one where
    :math:`1/(\delta s)=\varphi_i(s)+2(c/D)\,\delta s\,\varphi_i(s)^2`. Positive `s` is above the bulk, negative below.

    Parameters
    ----------
    law : WeightLaw
        Law of the effective weight.
    delta : float
        Samples per noise dimension, n/(D - d1).
    n : int
        Number of samples: it decides which tail of `v` is populated.
    remainder : RemainderLaw, optional
        The finite-d remainder of the population matrix; none by default.
    """

    def __init__(self, law: WeightLaw, delta: float, n: float, remainder: RemainderLaw | None = None) -> None:
        self.law = law
        self.delta = delta
        self.n = n
        self.remainder = remainder or RemainderLaw()

    @cached_property
    def edges(self) -> dict[int, float]:
        """Values of s at the lower (-1) and the upper (1) end of the bulk."""
        return {side: self._edge(side) for side in (-1, 1)}

    def moments(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return a, a', phi and phi' at the entries of `s`: shapes (k,), (k,), (d1, k), (d1, k)."""
        v = self.law.values
        value, slope = np.empty((2, len(s), len(v)))
        # A few rows at a time stay in the processor's cache.
        for start in range(0, len(s), _ROWS):
            rows = slice(start, start + _ROWS)
            kernel, kernel_slope = resolvent_kernels(1 - s[rows, None] * v)
            np.multiply(kernel, v, out=value[rows])
            np.multiply(kernel_slope, v**2, out=slope[rows])
        value, slope = self.law.averages(value.T), self.law.averages(slope.T)
        return value[0], slope[0], value[1:], slope[1:]

    def levels(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return psi and psi' at the entries of `s`; psi' is negative outside the bulk."""
        return self._levels(s, *self.moments(s))

    def _levels(
        self, s: np.ndarray, a: np.ndarray, a_slope: np.ndarray, phi: np.ndarray, phi_slope: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return psi and psi' at the entries of `s`, given the moments there."""
        shift, shift_slope = self.shift(s, phi, phi_slope)
        slope = a_slope + shift_slope - 1 / (self.delta * s**2)
        slope[self.remainder.exhausted(self.delta * s, phi)] = np.inf
        return 1 / (self.delta * s) + a + shift, slope

    def shift(self, s: np.ndarray, phi: np.ndarray, phi_slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Level shift by the population remainder, and its derivative."""
        value, slope = self.remainder.shift(self.delta * s, phi, phi_slope / self.delta)
        return value, self.delta * slope

    def spread(
        self, feature: int, side: int, s: float, level: float, alignment: float
    ) -> tuple[np.ndarray, np.ndarray]:
        r"""Return the places over which the weight of an outlier, at `level`, is spread, and the part at each.

        A feature's own level :math:`E[\tilde h_i^2v/(1-vs)]` has the imaginary part
        :math:`\pi E[\tilde h_i^2|v|\,\delta(1-vs)]`: samples at the pole have eigenvalues there, each of which shifts
        the feature's by a random amount, and the sum of the shifts has Cauchy's law. Farther out samples are fewer.
        """
        levels, _ = self._beyond[side]
        width = self._widths(feature, np.array([s]))
        if width < 1e-9 * abs(level):
            return np.array([level]), np.ones(1)
        places = level + side * alignment * width * _CAUCHY
        outer = _CAUCHY > 0
        reached = np.interp(side * places[outer], side * levels[::-1], _OUTSIDE[::-1]) * self.edges[side]
        parts = np.full(places.shape, 1 / places.size)
        parts[outer] *= np.minimum(self._widths(feature, reached) / width, 1)
        return np.append(places, level), np.append(parts, 1 - parts.sum())

    def _widths(self, feature: int, s: np.ndarray) -> np.ndarray:
        """Imaginary part of a feature's level at the entries of `s`, averaged over the window of the pole."""
        kernel = pole_window(1 - self.law.values * s[:, None])
        return kernel @ (self.law.reweighted[feature] * np.abs(self.law.values))

    def tail_count(self, s: np.ndarray, side: int) -> np.ndarray:
        """Count the samples beyond the pole, n P(v s > 1): each makes a noise eigenvalue farther out than psi(s).

        The mean over the width of a cell above 1/|s|: continuous, though the law has atoms and 1/|s| may be one.
        """
        order = np.argsort(-side * self.law.values)
        values, masses = side * self.law.values[order], self.law.masses[order]
        tails = np.cumsum([np.append(0.0, masses), np.append(0.0, masses * values)], axis=1)
        low = 1 / np.abs(s)
        high = low * (1 + _CELL)
        mass, first = tails[:, np.searchsorted(-values, [-low, -high])]
        # The mean of P(v > x) from low to high, by its integrals E[(v - x)_+] from either end on.
        return self.n * ((first[0] - low * mass[0]) - (first[1] - high * mass[1])) / (high - low)

    @property
    def many(self) -> float:
        """Samples beyond the pole from which on they are called a bulk, and no outliers."""
        return min(max(20, 4 * len(self.law.reweighted)), 0.05 * self.n)

    @property
    def noise(self) -> float:
        """Size of noise and remainder together, times delta: the s of the bulk are of the order of its inverse."""
        spikes = self.remainder.variance * np.sum(self.law.strengths**2)
        return float(np.sqrt(self.delta * (self.law.variance + self.delta * spikes)))

    def _edge(self, side: int) -> float:
        """Smallest |s| at which psi' vanishes, or at which the samples beyond the pole have become many."""
        order = np.argsort(-side * self.law.values)
        # Masses of samples add up to round numbers, which rounding must not decide.
        many = self.n * np.cumsum(self.law.masses[order]) > self.many * (1 + 1e-9)
        limit = side * self.law.values[order][np.argmax(many)]
        grid = np.geomspace(min(0.02 / self.noise, 0.1 / limit), 1 / limit, _SCAN)
        slopes = self.levels(side * grid)[1]
        if (slopes < 0).all():
            return side / limit
        for _ in range(3):
            first = int(np.argmin(slopes < 0))
            grid = np.linspace(grid[first - 1], grid[first], 20)
            slopes = self.levels(side * grid)[1]
        first = int(np.argmin(slopes < 0))
        part = slopes[first - 1] / (slopes[first - 1] - slopes[first])
        return side * float(grid[first - 1] + part * (grid[first] - grid[first - 1]))

    @property
    def level(self) -> float:
        """Value of delta s phi_i(s) at a feature's eigenvalue: the root of x + 2 (c/D) x^2 = 1."""
        return 2 / (1 + float(np.sqrt(1 + 8 * self.remainder.variance)))

    def visibility(self) -> np.ndarray:
        """Return delta s phi_i(s) at the edges over `level`, shape (d1, 2): above 1 where there is an outlier."""
        edges = np.array([self.edges[-1], self.edges[1]])
        return self.delta * edges * self.moments(edges)[2] / self.level

    @cached_property
    def edge_scales(self) -> dict[int, float]:
        """Scale of the Tracy-Widom fluctuations of each edge, (|psi''|/2)^(1/3) n^(-2/3)."""
        scales = {}
        for side, edge in self.edges.items():
            s = edge * np.array([0.999, 1.0])
            curvature = abs(np.diff(self.levels(s)[1])[0] / (s[1] - s[0]))
            scales[side] = float((curvature / 2) ** (1 / 3) * self.n ** (-2 / 3))
        return scales

    def noise_count(self, side: int, z: np.ndarray) -> np.ndarray:
        """Count the noise eigenvalues expected beyond `z` on one side.

        Outside the bulk they are single samples; inside, close to the edge, they follow its square-root density.
        """
        levels, counts = self._beyond[side]
        distance = np.maximum(side * (levels[-1] - z), 0.0)
        inside = 2 / (3 * np.pi) * (distance / self.edge_scales[side]) ** 1.5
        # From the edge (where psi is extremal) to large eigenvalues: increasing, as interpolation asks.
        return inside + np.interp(side * z, side * levels[::-1], counts[::-1])

    @cached_property
    def _beyond(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Levels from far out to the edge of each side, at `_OUTSIDE`, and the noise eigenvalues beyond them."""
        beyond = {}
        for side, edge in self.edges.items():
            s = edge * _OUTSIDE
            moments = self.moments(s)
            counts = self.tail_count(s, side) + self.remainder.count(self.delta * s, moments[2])
            beyond[side] = self._levels(s, *moments)[0], counts
        return beyond

    def edge_factor(self, side: int) -> float:
        """Return the eigenvalues that an edge gains over the imaginary part of n s: 1, without whitening."""
        return 1.0

    def level_noise(self, s: np.ndarray) -> np.ndarray:
        """Return the standard deviation of the sample mean of h_i^2 v/(1 - vs); the variance of h_i^2 is 2."""
        kernel, _ = resolvent_kernels(1 - s[:, None] * self.law.values)
        return np.sqrt(2 / self.n * ((self.law.values * kernel) ** 2 @ self.law.masses))

    def squared_resolvents(self, s: np.ndarray) -> np.ndarray:
        """Evaluate 1/(1 - vs)^2 on the atoms of the law, shape (k, m)."""
        return resolvent_kernels(1 - s[:, None] * self.law.values)[1]

    def sample_moments(self, feature: np.ndarray, s: np.ndarray, aligned: np.ndarray) -> np.ndarray:
        """Return the square of what divides features of unit directions in the estimator: 1, without whitening."""
        return np.ones(len(s))

    def edge_alignment(self, side: int, z: float) -> np.ndarray:
        r"""Squared cosine of each feature with the bulk's eigenvectors between its edge and `z`, shape (d1,).

        The resolvent of feature i is :math:`\delta s/a_i(s)` with :math:`a_i=1-x_i-2(c/D)x_i^2` and
        :math:`x_i=\delta s\varphi_i`. Inside the bulk, near its edge, :math:`s=s_\pm\mp i\eta` with
        :math:`z=\psi(s_\pm)\mp|\psi''|\eta^2/2`, and the spectral weight of i down to `z` is the integral of

        .. math:: \frac{\delta|\psi''|}{\pi}\,\frac{\eta^2\,(a_i-s_\pm a_i')}{a_i^2+\eta^2a_i'^2}.
        """
        edge = np.array([self.edges[side]])
        level = float(self.levels(edge)[0][0])
        factor = self.edge_factor(side)
        curvature = 2 * self.edge_scales[side] ** 3 * self.n**2 * factor**2
        eta = np.sqrt(2 * max(side * (level - z), 0.0) / curvature)
        _, _, phi, phi_slope = (part[..., 0] for part in self.moments(edge))
        x, x_slope = self.delta * edge * phi, self.delta * (phi + edge * phi_slope)
        a = 1 - x - 2 * self.remainder.variance * x**2
        a = np.where(np.abs(a) < 1e-9, 1e-9, a)
        a_slope = -x_slope * (1 + 4 * self.remainder.variance * x)
        t = eta * np.abs(a_slope / a)
        # (t - arctan t)/t^3, by its series where that would cancel.
        shape = np.where(t < 0.02, 1 / 3 - t**2 / 5, (t - np.arctan(t)) / np.maximum(t, 0.02) ** 3)
        return self.delta * factor * curvature / np.pi * (a - edge * a_slope) * eta**3 / a**2 * shape

    def density(self, z: np.ndarray) -> np.ndarray:
        """Density of the noise eigenvalues at `z`, per unit and per dimension."""
        heights = np.ptp(z) * np.geomspace(10, 1e-6, _HEIGHTS)
        # A few rows at a time stay in the processor's cache.
        blocks = [self._density(z[start : start + _ROWS], heights) for start in range(0, len(z), _ROWS)]
        return np.concatenate(blocks)

    def _density(self, z: np.ndarray, heights: np.ndarray) -> np.ndarray:
        """Continue psi(s) = z + i height from one height to the next, by a Newton step each and some at the last."""
        s = 1 / (self.delta * (z + 1j * heights[0]))
        for height in np.append(heights, 3 * [heights[-1]]):
            value, slope = self._cell_kernels(s[:, None])
            value, slope = self.law.averages(value.T), self.law.averages(slope.T)
            shift, shift_slope = self.shift(s, value[1:], slope[1:])
            psi = 1 / (self.delta * s) + value[0] + shift
            psi_slope = slope[0] + shift_slope - 1 / (self.delta * s**2)
            s = s - (psi - z - 1j * height) / psi_slope
        # The kernel of fewer samples than dimensions, smoothed to this height like the rest, is no part of the density.
        kernel = max(0.0, 1 - self.delta) * (-1 / (z + 1j * heights[-1])).imag
        return np.maximum(-self.delta * s.imag - kernel, 0.0) / np.pi

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Both ends of each atom spread over the step of its grid: with few samples the density follows that of v."""
        values, deviation = self.law.values, np.sqrt(self.law.variance)
        ends = np.arcsinh(values[[0, -1]] / deviation)
        step = np.ptp(ends) / (WEIGHT_GRID - 1) * np.hypot(values, deviation)
        return values - step / 2, values + step / 2

    def _cell_kernels(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return v/(1 - vs) and its derivative at complex s, shape (k, 1), averaged over each cell of v: (k, m)."""
        first, last = self._cells
        # With 1 - vs at either end in real parts: complex logarithms and divisions are several times slower.
        low, high = 1 - s.real * first, 1 - s.real * last
        low_imaginary, high_imaginary = -s.imag * first, -s.imag * last
        low_square, high_square = low**2 + low_imaginary**2, high**2 + high_imaginary**2
        logarithm, inverse = np.empty((2, *low.shape), dtype=complex)
        logarithm.real = 0.5 * np.log(low_square / high_square)
        logarithm.imag = np.arctan2(
            low_imaginary * high - low * high_imaginary, low * high + low_imaginary * high_imaginary
        )
        square = low_square * high_square
        inverse.real = (low * high - low_imaginary * high_imaginary) / square
        inverse.imag = -(low * high_imaginary + low_imaginary * high) / square
        mean = logarithm / ((last - first) * s)  # of 1/(1 - vs)
        return (mean - 1) / s, (inverse - 2 * mean + 1) / s**2

    def outliers(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the features' eigenvalues on one side of the bulk.

        Returns
        -------
        s : ndarray, shape (d1,)
            Root of the feature's equation outside the bulk, NaN if there is none.
        alignment : ndarray, shape (d1,)
            Squared cosine with the feature's direction, 0 if there is none.
        """
        edge = self.edges[side]
        nodes = np.linspace(0.0, edge, _TABLE)
        _, _, phi, phi_slope = self.moments(nodes)
        feature = np.arange(len(phi))
        above = self.delta * nodes * phi > self.level
        exists = above.any(axis=1)

        def excess(s: np.ndarray) -> np.ndarray:
            """Return delta s phi_i(s) minus its level at each feature's own s, by cubic Hermite interpolation."""
            step = nodes[1]
            left = np.minimum((s / step).astype(int), _TABLE - 2)
            t = s / step - left
            f0, f1 = phi[feature, left], phi[feature, left + 1]
            g0, g1 = phi_slope[feature, left] * step, phi_slope[feature, left + 1] * step
            rise = f1 - f0
            value = f0 + t * (g0 + t * (3 * rise - 2 * g0 - g1 + t * (g0 + g1 - 2 * rise)))
            return self.delta * s * value - self.level

        # One root or none where v is bounded: the feature's own level less psi rises strictly from s = 0 to the edge.
        # Samples beyond the pole can turn it back; the outlier is then the first root, the farthest out.
        first = np.where(exists, above.argmax(axis=1), _TABLE - 1)
        low, high = np.log(np.maximum(np.abs(nodes[first - 1]), abs(edge) * 1e-11)), np.log(np.abs(nodes[first]))
        for _ in range(45):
            middle = 0.5 * (low + high)
            below = excess(side * np.exp(middle)) < 0
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        s = side * np.exp(0.5 * (low + high))
        psi_slope, response = self.slopes(s)
        alignment = psi_slope / (psi_slope - response)
        # Not positive where the samples at the smoothed pole carry the feature: they keep it to themselves.
        exists &= response > 0
        return np.where(exists, s, np.nan), np.where(exists, alignment, 0.0)

    def slopes(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return psi' and the slope of each feature's own level where its eigenvalue is: shapes (d1,)."""
        moments = self.moments(s)
        _, psi_slope = self._levels(s, *moments)
        _, a_slope, phi, phi_slope = moments
        _, shift_slope = self.shift(s, phi, phi_slope)
        own, own_slope = np.diagonal(phi), np.diagonal(phi_slope)
        # The remainder couples A_i three times as strongly to its own feature as a generic direction is.
        coupling = 2 * self.remainder.variance * self.delta * (own**2 + 2 * s * own * own_slope)
        return psi_slope, own_slope + coupling + a_slope + shift_slope


@dataclass(frozen=True)
class Model:
    r"""A target seen through one choice of options: the part of a prediction that does not depend on n.

    `d` is that of the radius: :math:`\|x\|^2/d` varies like a chi-square's of so many degrees of freedom. A target is
    `composed` where the label is no function of the sum that `weights` define, but any function `link` of the features:
    `weights` are then the strengths, and where signs of single features matter, everything is along the columns of
    `axes`. A law that is `observed` is that of one sample.
    """

    weights: np.ndarray
    cells: LabelGrid
    law: WeightLaw
    noise_dim: int
    remainder: RemainderLaw
    link: Function
    degree: int
    d: float
    composed: bool = False
    axes: np.ndarray | None = None
    observed: bool = False

    @property
    def limits(self) -> np.ndarray:
        """Thresholds n_i = (D - d1) E[v^2] / theta_i^2 of the limit n/D large, shape (d1,).

        Whitened by the sample, D - d1 more.
        """
        with np.errstate(divide="ignore"):  # infinite where the label shows nothing of a feature
            limits = self.noise_dim * self.law.variance / self.law.strengths**2
        return limits + self.noise_dim if isinstance(self.law, ScaledLaw) else limits

    def bulk(self, n: float) -> Bulk:
        """Return the bulk at sample size n."""
        bulk = Bulk(self.law_at(n), n / self.noise_dim, n, self.remainder)
        if not self.composed:
            return bulk
        # A tree may have many leaves, and those that have not left the bulk are noise like any other direction.
        inside = np.count_nonzero((bulk.visibility() <= 1).all(axis=1))
        return Bulk(bulk.law, n / (self.noise_dim + inside), n, self.remainder) if inside else bulk

    def law_at(self, n: float) -> WeightLaw:
        """Return the law that n samples show: without what is too rare, which rules the heavy tails of compositions."""
        return self.law.within_reach(n) if self.composed and not self.observed else self.law


@dataclass(frozen=True, eq=False)
class _Table:
    """What a law is computed from. Equal tables hold equal numbers, whatever functions these came from."""

    key: tuple[bytes, float, int, int, str]
    cells: LabelGrid
    transformed: np.ndarray | None

    def __hash__(self) -> int:
        return hash((self.key, self.cells.labels.ravel()[::_HASHED].tobytes()))

    def __eq__(self, other: object) -> bool:
        # The other arrays of the cells follow from the key: weights, d, degree, exponent, points.
        if not isinstance(other, _Table) or self.key != other.key:
            return False
        if self.transformed is None or other.transformed is None:
            same = self.transformed is other.transformed
        else:
            same = np.array_equal(self.transformed, other.transformed)
        return same and np.array_equal(self.cells.labels, other.cells.labels)


@lru_cache(maxsize=8)
def _remembered_law(table: _Table, normalize: bool, whiten: bool) -> WeightLaw:
    return (joint_law if whiten else weight_law)(table.cells, table.transformed, normalize=normalize)


def build_model(
    target: Any,
    transform: str | Function | None,
    *,
    radial: bool,
    remainder: bool,
    normalize: bool,
    whiten: bool = False,
) -> Model:
    """Tabulate a target and a transform. The law of these values is remembered; the functions may change.

    If `whiten`, the law is that of W and R for `hierlib.theory.whitening.WhitenedBulk`.
    """
    composed = _is_composition(target)
    weights, d, degree, function = (_check_composition if composed else _check_target)(target)
    # A target with other inputs than Gaussian ones says so: fewer features, or a radius that fluctuates otherwise.
    spread = check_real("radius_variance", getattr(target, "radius_variance", 2.0), low=0)
    noise_dim = check_integer("dim", getattr(target, "dim", comb(d + degree - 1, degree)), low=1) - len(weights)
    hermite, radial = radial, radial and spread > 0
    radius_d = d if spread == 2 else 2 * d / (spread or 2.0)
    if noise_dim < 1:
        name = "n_features" if composed else "weights"
        msg = f"{name} must number fewer than D = {noise_dim + len(weights)}, got {len(weights)}."
        raise ValueError(msg)
    if noise_dim > MAX_DIM:
        msg = f"d and q must give D <= {MAX_DIM}, got d = {d}, q = {degree}."
        raise ValueError(msg)
    if isinstance(transform, str):
        check_choice("label_transform", transform, ("tanh",))
        transform = np.tanh
    points = axes = None
    if composed:
        points = label_points(function, len(weights), radius_d, degree, radial=radial)
        cells = points.cells
    else:
        cells = label_grid(weights, radius_d, degree, function, radial=radial)
    transformed = transformed_labels(cells, transform)
    along, laid_out = cells, "grid"
    if points is not None:
        laid_out = "even" if points.even else "mirrored"
        axes = points.principal_axes(transformed)
        if axes is not None:
            along = points.along(axes)
    table = _Table((weights.tobytes(), radius_d, degree, cells.exponent, laid_out), along, transformed)
    rest = remainder_law(d, degree, noise_dim) if hermite and remainder else RemainderLaw()
    law = _remembered_law(table, bool(normalize), bool(whiten))
    if not composed:
        return Model(weights, cells, law, noise_dim, rest, function, degree, radius_d)
    return Model(law.strengths, cells, law, noise_dim, rest, function, degree, radius_d, composed, axes)


def _is_composition(target: Any) -> bool:
    """Whether a target says its label as a function of the features and not by weights and link."""
    return hasattr(target, "label_features") and not hasattr(target, "link_function")


def _check_composition(target: Any) -> tuple[np.ndarray, int, int, Function]:
    """Return a place for each feature, d, q and the label's function of any target that has them."""
    missing = [name for name in ("n_features", "d", "q") if not hasattr(target, name)]
    if missing:
        msg = f"target must have the attributes n_features, d, q and label_features, got a {type(target).__name__}."
        raise ValueError(msg)
    count = check_integer("n_features", target.n_features, low=1, high=_MOST_FEATURES)
    d = check_integer("d", target.d, low=2, high=MAX_DIM)
    degree = check_integer("q", target.q, low=1, high=MAX_DEGREE)
    if degree > 1 and not getattr(target, "random_directions", True):
        msg = (
            "directions must be drawn at random for a prediction at q >= 2: features along given ones, such as those "
            f"of rank one, need not be nearly Gaussian; got given ones and q = {degree}."
        )
        raise ValueError(msg)
    return np.zeros(count), d, degree, check_callable("label_features", target.label_features)


def _check_target(target: Any) -> tuple[np.ndarray, int, int, Function]:
    """Return weights, d, q and link of anything that has them."""
    missing = [name for name in ("weights", "d", "q", "link_function") if not hasattr(target, name)]
    if missing:
        msg = f"target must have the attributes weights, d, q and link_function, got a {type(target).__name__}."
        raise ValueError(msg)
    weights = check_array("weights", target.weights, shape=(None,)).astype(float)
    size = np.abs(weights)
    if not weights.size or size.min() < _WEIGHT_RANGE[0] or size.max() > _WEIGHT_RANGE[1]:
        low, high = _WEIGHT_RANGE
        msg = f"weights must hold at least one number and no zero, {low:g} to {high:g} in size, got {weights}."
        raise ValueError(msg)
    d = check_integer("d", target.d, low=2, high=MAX_DIM)
    degree = check_integer("q", target.q, low=1, high=MAX_DEGREE)
    return weights, d, degree, check_callable("link_function", target.link_function)
