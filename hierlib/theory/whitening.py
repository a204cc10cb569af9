r"""The spectrum of the moment matrix relative to the sample's own second moments: whitening by the same sample.

The generalised eigenproblem is :math:`\hat Cv=\lambda\hat Sv`, :math:`\hat S=\frac1n\sum_\mu F_\mu F_\mu^\top`. Its
eigenvalues are the :math:`\lambda` at which :math:`\frac1n\sum_\mu(W_\mu-\lambda)F_\mu F_\mu^\top` has the
eigenvalue 0, so that the theory of `hierlib.theory.bulk` holds with the weight :math:`v=R\,(W-\lambda)`, R the squared
size of the features of a sample over its mean, at the level 0. With :math:`x=R\,(Ws-b)`, :math:`b=\lambda s`, and
:math:`t=x/(1-x)`:

.. math::
    E[t]=-\frac1\delta,\qquad \lambda=\frac bs,\qquad
    E[(h_i^2-1)\,t]=\frac1\delta,\qquad
    \cos^2\theta_i=\frac{\delta^{-1}-E[t^2]}{\delta^{-1}-E[t^2]+E[h_i^2t^2]} .

Only the joint law of (W, h^2) is used, whatever the target. None of it is in the paper; the chapter *Other Inputs*
derives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hierlib.checks import check_array, check_choice, check_integer
from hierlib.theory.bulk import Bulk, pole_window, resolvent_kernels
from hierlib.theory.remainder import MAX_DIM, RemainderLaw
from hierlib.theory.weight_law import ScaledLaw, sample_law, unscaled

__all__ = ["WhitenedBulk", "WhitenedOutliers", "whitened_outliers"]

_COLUMNS = 16  # values of s evaluated together
_FIRST = 0.02  # first s of a table, over 1 / (size of the noise)
_STEP, _MOST_STEPS = 1.05, 400  # from one s of a table to the next, and their largest number
_NEWTON = 30  # steps for one b
_NODES = 129  # points on which a feature's equation is bracketed
_POLE = 0.0025  # in x: width over which a sample passes the pole


class WhitenedBulk(Bulk):
    r"""Noise eigenvalues of :math:`\hat Cv=\lambda\hat Sv`, and what a feature adds to them.

    Has the interface of `hierlib.theory.bulk.Bulk`: `s` runs over the same ranges, `levels` gives :math:`\lambda` and a
    slope that is negative outside the bulk. Derivatives by `s` that `moments` returns are at fixed :math:`\lambda`.

    Parameters
    ----------
    law : ScaledLaw
        Joint law of W and R.
    delta : float
        Samples per noise dimension, above 1.
    n : int
        Number of samples.
    remainder : RemainderLaw, optional
        The finite-d remainder of the population matrix; none by default.
    """

    law: ScaledLaw

    def __init__(self, law: ScaledLaw, delta: float, n: float, remainder: RemainderLaw | None = None) -> None:
        super().__init__(law, delta, n, remainder)
        self._scale = np.broadcast_to(np.asarray(law.scale, dtype=float), law.values.shape)

    def moments(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return a, a', phi and phi' of the weight R (W - lambda) at the entries of `s` and their lambda."""
        return self._moments(s, self.offsets(s))

    def offsets(self, s: np.ndarray) -> np.ndarray:
        r"""Return :math:`b=\lambda s` at the entries of `s`, between the ends of the bulk."""
        tables = self._tables
        sides = (np.interp(np.abs(s), *tables[side]) for side in (1, -1))
        return self._improve(s, np.where(s > 0, *sides))[0]

    def exponents(self, s: np.ndarray) -> np.ndarray:
        """Return x = R (W s - b), shape (m, k)."""
        return self._exponents(s, self.offsets(s))

    def _exponents(self, s: np.ndarray, b: np.ndarray) -> np.ndarray:
        return self._scale[:, None] * (self.law.values[:, None] * s - b)

    def _moments(self, s: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        masses, excess = self.law.masses, self.law.excess
        mean, square = np.empty((2, len(s)))
        signal, signal_square = np.empty((2, len(excess), len(s)))
        for start in range(0, len(s), _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            x = self._exponents(s[columns], b[columns])
            kernel, slope = resolvent_kernels(1 - x)
            t, squared = x * kernel, x**2 * slope
            mean[columns], square[columns] = masses @ t, masses @ squared
            # Less the mean of t: in a sample the mean of h^2 is not quite 1.
            signal[:, columns], signal_square[:, columns] = excess @ (t - mean[columns]), excess @ squared
        return mean / s, square / s**2, signal / s, signal_square / s**2

    def _improve(self, s: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, bool]:
        """Newton steps for E[t] = -1/delta, from a nearby b; return it, and whether they ended."""
        masses, step = self.law.masses, np.empty(len(s))
        for _ in range(_NEWTON):
            for start in range(0, len(s), _COLUMNS):
                columns = slice(start, start + _COLUMNS)
                x = self._exponents(s[columns], b[columns])
                kernel, slope = resolvent_kernels(1 - x)
                defect = masses @ (x * kernel) + 1 / self.delta
                if self.remainder.variance:
                    phi = self.law.excess @ (x * kernel - masses @ (x * kernel)) / s[columns]
                    at = s[columns]
                    defect += at * self.shift(at, phi, np.zeros(phi.shape))[0]
                # The mean falls as b grows, since x moves by -R; samples beyond the pole can turn that round.
                fall = (masses * self._scale) @ (kernel + x * slope)
                size = 1 + np.abs(b[columns])
                step[columns] = np.clip(defect / np.maximum(fall, 1e-3 / size**2), -0.2 * size, 0.2 * size)
            b = b + step
            if np.all(np.abs(step) <= 1e-12 * (1 + np.abs(b))):
                return b, True
        return b, bool(np.all(np.abs(step) <= 1e-6 * (1 + np.abs(b))))

    def _direction(self, s: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Differentiate b by s, shape (k,)."""
        x = self._exponents(s, b)
        kernel, slope = resolvent_kernels(1 - x)
        fall = self._scale[:, None] * (kernel + x * slope)
        return (self.law.masses * self.law.values) @ fall / (self.law.masses @ fall)

    def _levels(
        self, s: np.ndarray, a: np.ndarray, a_slope: np.ndarray, phi: np.ndarray, phi_slope: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return lambda, and psi' at fixed lambda, given the moments."""
        return self.offsets(s) / s, super()._levels(s, a, a_slope, phi, phi_slope)[1]

    @cached_property
    def _tables(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Values of |s| from 0 to beyond each edge, and the b there."""
        first = np.zeros(1)
        for _ in range(50):
            x = -first * self._scale
            first = first + (self.law.masses @ (x / (1 - x)) + 1 / self.delta) / (
                self.law.masses @ (self._scale / (1 - x) ** 2)
            )
        noise, many = self.noise, self.many
        deviation = np.sqrt(self.law.masses @ self.law.values**2)
        tables = {}
        for side in (-1, 1):
            places, values, step = [0.0], [first[0]], _STEP
            slope = self._direction(np.zeros(1), first)
            for _ in range(_MOST_STEPS):
                place = places[-1] * step if len(places) > 1 else _FIRST / noise
                s = np.array([side * place])
                moved = side * (place - places[-1])
                b, found = self._improve(s, values[-1] + moved * slope)
                # Past the edge, where many samples are beyond the pole, Newton's steps fall onto other solutions.
                if not found or abs(b[0] - values[-1] - moved * slope[0]) > abs(moved) * deviation:
                    step = 1 + (step - 1) / 5
                    if step < 1.001:
                        break
                    continue
                places.append(place)
                values.append(float(b[0]))
                slope = self._direction(s, b)
                a, a_slope, phi, phi_slope = self._moments(s, b)
                inside = super()._levels(s, a, a_slope, phi, phi_slope)[1][0] >= 0
                if inside or self._count_beyond(s, b)[0] > many:
                    break
            tables[side] = np.array(places), np.array(values)
        return tables

    def _edge(self, side: int) -> float:
        places, _ = self._tables[side]
        grid = places[-2:]
        for _ in range(3):
            grid = np.linspace(grid[0], grid[1], 20)
            slopes = self.levels(side * grid)[1]
            if (slopes < 0).all():
                return side * float(grid[-1])
            first = max(1, int(np.argmin(slopes < 0)))
            grid = grid[first - 1 : first + 1]
        low, high = slopes[first - 1], slopes[first]
        return side * float(grid[0] + low / (low - high) * (grid[1] - grid[0]))

    def tail_count(self, s: np.ndarray, side: int) -> np.ndarray:
        """Count the samples beyond the pole, n P(x > 1)."""
        return self._count_beyond(s, self.offsets(s))

    def pole(self, side: int) -> float:
        """Return the s at which the first sample reaches the pole, or the edge if that comes first."""
        edge = self.edges[side]
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = 0.5 * (low + high)
            passed = self.exponents(np.array([middle * edge])).max() > 1
            low, high = (low, middle) if passed else (middle, high)
        return high * edge

    def _count_beyond(self, s: np.ndarray, b: np.ndarray) -> np.ndarray:
        counts = np.empty(len(s))
        for start in range(0, len(s), _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            x = self._exponents(s[columns], b[columns])
            counts[columns] = self.n * (self.law.masses @ np.clip((x - 1) / _POLE, 0.0, 1.0))
        return counts

    def _squares(self, s: np.ndarray) -> np.ndarray:
        """Weigh atoms with R/(1 - x)^2, shape (m, k)."""
        return self._scale[:, None] * resolvent_kernels(1 - self.exponents(s))[1]

    def sample_moments(self, feature: np.ndarray, s: np.ndarray, aligned: np.ndarray) -> np.ndarray:
        r"""Second moment over the sample of each learned feature of unit direction, :math:`\hat A^\top\hat S\hat A`."""
        squares = self._squares(s)
        own = np.einsum("im,mi->i", self.law.reweighted[feature], squares)
        return (1 - aligned) * (self.law.masses @ squares) + aligned * own

    def squared_resolvents(self, s: np.ndarray) -> np.ndarray:
        """Evaluate 1/(1 - x)^2 on the atoms of the law, shape (k, m)."""
        return resolvent_kernels(1 - self.exponents(s))[1].T

    def level_noise(self, s: np.ndarray) -> np.ndarray:
        """Return the standard deviation of an outlier over its alignment: see `hierlib.theory.bulk.Bulk`."""
        x = self.exponents(s)
        kernel, _ = resolvent_kernels(1 - x)
        return np.sqrt(2 / self.n * (self.law.masses @ (x * kernel) ** 2)) / np.abs(s) / self._at_noise(s)

    def _at_noise(self, s: np.ndarray) -> np.ndarray:
        return self.law.masses @ self._squares(s)

    @cached_property
    def edge_scales(self) -> dict[int, float]:
        """Scale of the fluctuations of each edge."""
        scales = {}
        for side, edge in self.edges.items():
            s = edge * np.array([0.999, 1.0])
            slopes = self.levels(s)[1] / self._at_noise(s)
            curvature = abs(np.diff(slopes)[0] / (s[1] - s[0]))
            scales[side] = float((curvature / 2) ** (1 / 3) * (self.n * self.edge_factor(side)) ** (-2 / 3))
        return scales

    def edge_factor(self, side: int) -> float:
        """Return the eigenvalues that an edge gains over the imaginary part of n s."""
        return float(self._at_noise(np.array([self.edges[side]]))[0])

    def _widths(self, feature: int, s: np.ndarray) -> np.ndarray:
        kernel = pole_window(1 - self.exponents(s))
        return self.law.reweighted[feature] @ kernel / np.abs(s) / self._at_noise(s)

    def outliers(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the features' eigenvalues on one side: see `hierlib.theory.bulk.Bulk.outliers`."""
        nodes = np.linspace(0.0, self.edges[side], _NODES)[1:]
        above = self.delta * nodes * self.moments(nodes)[2] > self.level
        exists, feature = above.any(axis=1), np.arange(len(above))
        first = np.where(exists, above.argmax(axis=1), len(nodes) - 1)
        low, high = np.abs(nodes[first]) - np.abs(nodes[0]) * (1 - 1e-6), np.abs(nodes[first])
        for _ in range(40):
            middle = np.sqrt(low * high)
            phi = self.moments(side * middle)[2]
            below = self.delta * side * middle * phi[feature, feature] < self.level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        s = side * np.sqrt(low * high)
        psi_slope, response = self.slopes(s)
        alignment = psi_slope / (psi_slope - response)
        exists &= (response > 0) & (psi_slope < 0)
        return np.where(exists, s, np.nan), np.where(exists, alignment, 0.0)


@dataclass(frozen=True)
class WhitenedOutliers:
    r"""What `whitened_outliers` returns; arrays with two columns hold (below, above) the bulk.

    Attributes
    ----------
    edges : ndarray, shape (2,)
        Ends of the bulk of the generalised eigenvalues.
    eigenvalues : ndarray, shape (d1, 2)
        Outlier of each feature, NaN where there is none.
    alignments : ndarray, shape (d1, 2)
        :math:`\cos^2` between its eigenvector and the feature's direction, 0 where there is none.
    """

    edges: np.ndarray
    eigenvalues: np.ndarray
    alignments: np.ndarray


def whitened_outliers(weights: np.ndarray, squares: np.ndarray, n: int, dim: int) -> WhitenedOutliers:
    r"""Predict the generalised eigenproblem :math:`\hat Cv=\lambda\hat Sv` from samples of the law of (W, h^2).

    Parameters
    ----------
    weights : array_like, shape (m,)
        Draws of the weight W of a sample, a function of its label; centred here.
    squares : array_like, shape (m, d1)
        The :math:`h_i^2` of the same draws, of mean 1 each.
    n : int
        Number of samples that the spectrum is predicted for, above `dim`: it need not be m.
    dim : int
        Number D of features, above d1.

    Returns
    -------
    WhitenedOutliers
        Ends of the bulk, outliers and alignments.

    Raises
    ------
    ValueError
        If the shapes do not fit, the weights do not vary, or `n` is at most `dim`.

    Notes
    -----
    In the limit n, D large at fixed n/D, for weights without heavy tails. Of m draws the error is that of means of
    :math:`(h_i^2-1)W`. Cost: O(m d1).

    References
    ----------
    This book, chapter *Other Inputs*.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.whitening import whitened_outliers
    >>> h = np.random.default_rng(0).standard_normal((20_000, 1))
    >>> found = whitened_outliers(np.tanh((h[:, 0]**2 - 1) / np.sqrt(2)), h**2, n=12 * 300, dim=300)
    >>> found.alignments.round(1)
    array([[0. , 0.9]])
    """
    weights = check_array("weights", weights, shape=(None,)).astype(float)
    squares = check_array("squares", squares, shape=(len(weights), None)).astype(float)
    count = squares.shape[1]
    dim = check_integer("dim", dim, low=count + 1, high=MAX_DIM)
    n = check_above(n, dim)
    if not (weights.size and np.ptp(weights) > 0):
        msg = "weights must not be constant."
        raise ValueError(msg)
    if not count or squares.min() < 0 or not squares.mean(axis=0).all():
        msg = "squares must hold the squares of at least one feature, none of which is 0 everywhere."
        raise ValueError(msg)
    unit = float(np.std(weights))
    values = (weights - weights.mean()) / unit
    law = sample_law(values, values, squares.T / squares.mean(axis=0)[:, None])
    bulk = WhitenedBulk(unscaled(law), n / (dim - count), n)
    roots, alignments = (np.stack(parts, axis=1) for parts in zip(*map(bulk.outliers, (-1, 1)), strict=True))
    eigenvalues = np.full(roots.shape, np.nan)
    exists = alignments > 0
    eigenvalues[exists] = bulk.levels(roots[exists])[0]
    edges = bulk.levels(np.array([bulk.edges[-1], bulk.edges[1]]))[0]
    return WhitenedOutliers(unit * edges, unit * eigenvalues, alignments)


def check_whiten(whiten: str | None) -> bool:
    """Whether to whiten by the sample, or raise a ValueError."""
    return whiten is not None and check_choice("whiten", whiten, ("sample",)) == "sample"


def check_above(n: int, dim: int) -> int:
    """Return `n` if the second moments of as many samples have an inverse, or raise a ValueError."""
    n = check_integer("n", n, low=1, high=MAX_DIM)
    if n <= dim:
        msg = f"n must be above D = {dim} with whiten='sample', as the sample's second moments are singular, got {n}."
        raise ValueError(msg)
    return n
