r"""The law of the effective sample weight, computed deterministically.

The moment matrix is :math:`n^{-1}\sum_\mu v_\mu\tilde F_\mu\tilde F_\mu^\top` with effective weights
:math:`v=R\,(T(y)-\mathbb{E}T(y))`. Everything asymptotic depends on the law of `v` alone and on the laws of `v`
under the measures reweighted by each :math:`\tilde h_i^2`. The weighted chi-square sum
:math:`S=\sum_j\lambda_j\tilde h_j^2` comes from convolving exact cell masses (fast Fourier transform), the squared
radius from Gauss-Laguerre quadrature. Cost ``O(d1 * grid)``, whatever ``d`` and ``q``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.sparse import csc_array
from scipy.special import erfc

from hierlib.checks import check_callable

Function = Callable[[np.ndarray], np.ndarray]

_SUM_GRID = 2**14  # cells for S
WEIGHT_GRID = 2**11  # cells for v; halving both grids moves alignments by less than 1e-3
_RADIAL_NODES = 24  # up to d = 500; from there on the radius fluctuates so little that 8 do
_NEGLIGIBLE = 1e-15  # chance of a radius, and of S in and beyond a cell, that may be moved to the end of the grid
_LOG_TAIL = 37.0  # tails of S are kept down to exp(-37) ~ 1e-16, the rounding of the transform
_JOINT_GRID, _SIZE_GROUPS = 128, 24  # cells for W at each radius; groups of observed radii
_CONSTANT = 1e-9  # deviation over mean modulus: rounding of the mean, 1e-13, is then 1e-4 of what is left


def chi_square_sum_law(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Return the law of :math:`S=\sum_j\lambda_jh_j^2`, plain and reweighted by each :math:`h_i^2`.

    Parameters
    ----------
    weights : ndarray, shape (d1,)
        The :math:`\lambda_j`, of any sign, not zero.

    Returns
    -------
    support : ndarray, shape (m,)
        Grid of values of `S`.
    law : ndarray, shape (m,)
        Cell masses; mass and mean of every :math:`\lambda_jh_j^2` are exact, its variance to (grid step)^2/6.
    reweighted : ndarray, shape (d1, m)
        ``E[h_i**2; S in cell]``: the law with three degrees of freedom instead of one for feature `i`.
    """
    values, inverse, counts = np.unique(weights, return_inverse=True, return_counts=True)
    top = _extent(weights[weights > 0])
    bottom = _extent(-weights[weights < 0])
    step = (top + bottom) / (_SUM_GRID - 2)
    n_below = int(np.ceil(bottom / step))

    plain, biased = np.fft.rfft(_cell_masses(np.arange(_SUM_GRID) * step / np.abs(values)[:, None]), axis=-1)
    negative = values < 0
    plain[negative] = plain[negative].conj()
    biased[negative] = biased[negative].conj()
    total = np.prod(plain ** counts[:, None], axis=0)
    laws = np.fft.irfft(np.vstack([total, biased / plain * total]), n=_SUM_GRID, axis=1)
    laws = np.clip(np.roll(laws, n_below, axis=1), 0.0, None)
    return (np.arange(_SUM_GRID) - n_below) * step, laws[0], laws[1:][inverse]


def _log_mgf(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return exponents t, and the logarithm of E exp(t S) there, for weights of which one is positive."""
    fraction = np.linspace(0.02, 0.98, 49)  # of the largest admissible exponent 1/(2 max weight)
    exponent = fraction / (2 * weights.max())
    return exponent, -0.5 * np.log1p(-2 * exponent * weights[:, None]).sum(axis=0)


def _extent(weights: np.ndarray) -> float:
    """Chernoff bound: the sum of `weights` times chi-squares exceeds this with probability < exp(-37)."""
    if weights.size == 0:
        return 0.0
    exponent, log_mgf = _log_mgf(weights)
    return float(np.min((log_mgf + _LOG_TAIL) / exponent))


def log_chances(weights: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Bound the logarithm of the probability of S at or beyond each point, on either side; shape (m,).

    Far out the masses of a cell are the rounding of a transform, and no criterion.
    """
    bounds = np.zeros(support.shape)
    for side in (-1, 1):
        if np.any(side * weights > 0):
            exponent, log_mgf = _log_mgf(side * weights)
            for t, value in zip(exponent, log_mgf, strict=True):
                np.minimum(bounds, value - t * side * support, out=bounds)
        else:
            bounds[side * support > 0.5 * (support[1] - support[0])] = -np.inf
    return bounds


def _cell_masses(x: np.ndarray) -> np.ndarray:
    """Masses on the equidistant rows of `x` (from 0) that keep the mean of a chi-square, of 1 and of 3 dof."""
    # Expected excess E[(X - x)_+]: its second difference is the mass under each hat function, and it decays,
    # so that tail masses do not cancel. Beyond the cut it is below the rounding of the transform.
    excess = np.zeros((2, *x.shape))
    near = x < 2 * _LOG_TAIL + 10
    z = x[near]
    density = np.sqrt(2 * z / np.pi) * np.exp(-z / 2)
    q1 = erfc(np.sqrt(z / 2))
    q3 = q1 + density
    excess[0, near] = q3 - z * q1
    excess[1, near] = 3 * (q3 + z / 3 * density) - z * q3
    slope = np.diff(excess, axis=-1) / x[:, 1:2]
    masses = np.zeros_like(excess)
    masses[..., 0] = 1 + slope[..., 0]
    masses[..., 1:-1] = np.diff(slope, axis=-1)
    return masses


def radial_rule(d: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss rule (nodes, weights) for the law of ||x||^2/d, a chi-square with `d` degrees of freedom over d."""
    k = np.arange(_RADIAL_NODES if d < 500 else 8)
    alpha = d / 2 - 1
    diagonal = 2 * k + alpha + 1
    off = np.sqrt(k[1:] * (k[1:] + alpha))
    nodes, vectors = eigh_tridiagonal(diagonal, off)
    return nodes * 2 / d, vectors[0] ** 2


@dataclass(frozen=True)
class WeightLaw:
    r"""Discrete law of the effective weight `v`, with what else the asymptotics need given `v`.

    Attributes
    ----------
    values, masses : ndarray, shape (m,)
        Atoms of `v` and their probabilities.
    reweighted : ndarray, shape (d1, m)
        :math:`E[\tilde h_i^2;v]`; each row sums to 1.
    label_masses, label_reweighted : ndarray, shapes (m,) and (d1, m)
        :math:`E[u;v]` and :math:`E[u\tilde h_i^2;v]` for the weight :math:`u=R(y-\mathbb{E}y)` of the second layer.
    exponent : int
        `values` are those of v over this power of two; see `exponent_of`.
    """

    values: np.ndarray
    masses: np.ndarray
    reweighted: np.ndarray
    label_masses: np.ndarray
    label_reweighted: np.ndarray
    exponent: int = 0

    @cached_property
    def excess(self) -> np.ndarray:
        r""":math:`E[\tilde h_i^2-1;v]`, shape (d1, m)."""
        return self.reweighted - self.masses

    @cached_property
    def stacked(self) -> np.ndarray:
        """`masses` above `excess`, shape (1 + d1, m)."""
        return np.vstack([self.masses, self.excess])

    @cached_property
    def strengths(self) -> np.ndarray:
        r""":math:`\theta_i=E[v(\tilde h_i^2-1)]`, shape (d1,)."""
        return self.excess @ self.values

    @cached_property
    def variance(self) -> float:
        """E[v^2]."""
        return float(self.masses @ self.values**2)


@dataclass(frozen=True)
class ScaledLaw(WeightLaw):
    r"""Joint law of the weight W of a label and of the squared size R of a sample's features over its mean.

    `values` are the W; expectations of the effective weight use v = R W.

    Attributes
    ----------
    scale : ndarray, shape (m,), or float
        The R.
    """

    scale: np.ndarray | float = 1.0

    @cached_property
    def strengths(self) -> np.ndarray:
        r""":math:`\theta_i=E[v(\tilde h_i^2-1)]`, shape (d1,)."""
        return self.excess @ (self.scale * self.values)

    @cached_property
    def variance(self) -> float:
        """E[v^2]."""
        return float(self.masses @ (self.scale * self.values) ** 2)


@dataclass(frozen=True)
class LabelGrid:
    r"""Joint law of the squared radius and :math:`S=\sum_j\lambda_j\tilde h_j^2`, with the label on each cell.

    Attributes
    ----------
    law, reweighted : ndarray, shapes (m,) and (d1, m)
        Masses of `S`, and :math:`E[\tilde h_i^2;S]`.
    scale, probability : ndarray, shape (k,)
        Nodes of :math:`R=r^{2q}/E\,r^{2q}` (mean 1) and their probabilities.
    mean_power : float
        :math:`E\,r^{2q}`, or 1 without radial fluctuations.
    relevant : ndarray of bool, shape (k, m)
        Cells that are not too improbable to matter.
    labels : ndarray, shape (k, m)
        :math:`y=g((RS-\sum_j\lambda_j)/\sqrt2)`, over a power of two.
    exponent : int
        That power; see `exponent_of`.
    """

    law: np.ndarray
    reweighted: np.ndarray
    scale: np.ndarray
    probability: np.ndarray
    mean_power: float
    relevant: np.ndarray
    labels: np.ndarray
    exponent: int = 0

    @property
    def masses(self) -> np.ndarray:
        """Probability of each cell, shape (k, m)."""
        return self.probability[:, None] * self.law

    @property
    def standardized(self) -> np.ndarray:
        """Labels of mean 0 and variance 1, what a label transform is applied to; shape (k, m)."""
        centred = self.labels - np.sum(self.masses * self.labels)
        return centred / np.sqrt(np.sum(self.masses * centred**2))


def label_grid(weights: np.ndarray, d: float, degree: int, link: Function, *, radial: bool) -> LabelGrid:
    """Tabulate the label; parameters are those of `hierlib.theory.asymptotics.predict`."""
    support, law, reweighted, chances = _remembered_sum_law(weights.tobytes())
    scale, probability, mean_power = np.ones(1), np.ones(1), 1.0
    if radial and degree > 1:
        scale, probability, mean_power = radial_scale(d, degree)
    labels = apply("link_function", link, (scale[:, None] * support - weights.sum()) / np.sqrt(2))
    exponent = exponent_of("link_function", labels, probability[:, None] * law)
    with np.errstate(divide="ignore"):  # the outermost nodes of the radius have no probability in floating point
        relevant = np.log(probability)[:, None] + chances > np.log(_NEGLIGIBLE)
    labels = np.ldexp(labels, -exponent)
    return LabelGrid(law, reweighted, scale, probability, mean_power, relevant, labels, exponent)


@lru_cache(maxsize=8)
def _remembered_sum_law(weights: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    values = np.frombuffer(weights)
    support, law, reweighted = chi_square_sum_law(values)
    return support, law, reweighted, log_chances(values, support)


def apply(name: str, function: Function, argument: np.ndarray) -> np.ndarray:
    """Apply a user's function and refuse anything but finite real values of the same shape."""
    check_callable(name, function)
    with np.errstate(all="ignore"):  # what is not finite is refused by name, in the place of numpy's warning
        values = np.asarray(function(argument))
    if values.shape != argument.shape:
        msg = f"{name} must map an array to finite values of the same shape, got {values.shape} from {argument.shape}."
        raise ValueError(msg)
    if values.dtype.kind not in "fiub":
        msg = f"{name} must map an array to finite values that are real numbers, got dtype {values.dtype}."
        raise ValueError(msg)
    if not np.isfinite(values).all():
        msg = f"{name} must map an array to finite values, got NaN or infinite ones."
        raise ValueError(msg)
    return values.astype(float)


def exponent_of(name: str, values: np.ndarray, masses: np.ndarray) -> int:
    """Return the power of two by which values are divided, so that the squares of their deviations are floats.

    A multiple of 64: it is 0, and nothing changes, for all but extreme scales. Values that are constant up to rounding
    are refused. First moments alone: squares could already be too large, or too small.
    """
    size, mean = np.sum(masses * np.abs(values)), np.sum(masses * values) / np.sum(masses)
    deviation = np.sum(masses * np.abs(values - mean))
    if not deviation > _CONSTANT * size:
        msg = f"{name} must not be constant, got {mean:g} everywhere up to rounding."
        raise ValueError(msg)
    return 64 * round(float(np.log2(deviation)) / 64)


def transformed_labels(cells: LabelGrid, transform: Function | None) -> np.ndarray | None:
    """Tabulate a transform of the standardised labels, shape (k, m); None without one."""
    return None if transform is None else apply("label_transform", transform, cells.standardized)


def weight_law(cells: LabelGrid, transformed: np.ndarray | None, *, normalize: bool) -> WeightLaw:
    r"""Return the law of :math:`v=R\,(T-E\,T)`; if `normalize`, 1/E[r^(2q)] stands in the place of R.

    T is what `transformed_labels` returns, or the label y where that is None.
    """
    masses, labels, scale, exponent = cells.masses, cells.labels, cells.scale[:, None], cells.exponent
    values = labels
    if transformed is not None:
        exponent = exponent_of("label_transform", transformed, masses)
        values = np.ldexp(transformed, -exponent)
    centred = values - np.sum(masses * values)
    v = centred / cells.mean_power if normalize else centred * scale
    u = scale * (labels - np.sum(masses * labels))

    grid, left, share = _split(v.ravel(), masses.ravel(), v[cells.relevant])
    laws = np.vstack([cells.law, cells.reweighted]).T
    # Column by column of `S`: where each radius sends this cell, left and right.
    places = np.stack([left, left + 1], axis=1).reshape(cells.scale.size, cells.law.size, 2).swapaxes(0, 1).ravel()
    starts = np.arange(0, places.size + 1, 2 * cells.scale.size)

    def collect(factor: np.ndarray) -> np.ndarray:
        """Sum `factor` times each law of `S` into the cells of `v`."""
        parts = np.stack([factor * (1 - share), factor * share], axis=1)
        data = parts.reshape(cells.scale.size, cells.law.size, 2).swapaxes(0, 1).ravel()
        return (csc_array((data, places, starts), shape=(grid.size, cells.law.size)) @ laws).T

    chance = np.repeat(cells.probability, cells.law.size)
    plain = collect(chance)
    labelled = plain * grid if transformed is None and not normalize else collect(chance * u.ravel())
    # With the cells that are empty, or nearly: which these are, rounding decides.
    return WeightLaw(grid, plain[0], plain[1:], labelled[0], labelled[1:], exponent)


def joint_law(cells: LabelGrid, transformed: np.ndarray | None, *, normalize: bool) -> ScaledLaw:
    r"""Return the joint law of :math:`W=T-E\,T` and R, with what `weight_law` says of T; R is 1 if `normalize`."""
    if normalize or cells.scale.size == 1:
        return unscaled(weight_law(cells, transformed, normalize=True), cells.mean_power)
    masses, exponent = cells.masses, cells.exponent
    values = cells.labels
    if transformed is not None:
        exponent = exponent_of("label_transform", transformed, masses)
        values = np.ldexp(transformed, -exponent)
    values = values - np.sum(masses * values)
    centred = cells.labels - np.sum(masses * cells.labels)
    pieces = []
    for k in np.flatnonzero(cells.relevant.any(axis=1)):
        relevant = values[k][cells.relevant[k]]
        if not np.ptp(relevant):
            # One weight at this radius: two cells of which one stays empty.
            relevant = np.append(relevant, [relevant[0] - 1.0, relevant[0] + 1.0])
        grid, left, share = _split(values[k], masses[k], relevant, _JOINT_GRID)
        laws = cells.probability[k] * np.vstack([cells.law, cells.reweighted])
        plain = np.array([_collect(row, left, share, grid.size) for row in laws])
        labelled = np.array([_collect(row * centred[k], left, share, grid.size) for row in laws])
        pieces.append((grid, plain, cells.scale[k] * labelled, np.full(grid.size, cells.scale[k])))
    grids, plain, labelled, scales = (np.concatenate(part, axis=-1) for part in zip(*pieces, strict=True))
    return ScaledLaw(grids, plain[0], plain[1:], labelled[0], labelled[1:], exponent, scales)


def unscaled(law: WeightLaw, factor: float = 1.0) -> ScaledLaw:
    """Return the law of `factor` times the weight, with features of the same size in each sample."""
    parts = {field.name: getattr(law, field.name) for field in fields(law)}
    return ScaledLaw(**parts | {"values": factor * law.values})


def radial_scale(d: float, degree: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return nodes and weights for R = r^(2q)/E[r^(2q)], and E[r^(2q)] (exactly prod_k (1 + 2k/d))."""
    nodes, probability = radial_rule(d)
    mean_power = float(np.prod(1 + 2 * np.arange(degree) / d))
    return nodes**degree / mean_power, probability, mean_power


def empirical_law(weights: np.ndarray, size: int = WEIGHT_GRID) -> WeightLaw:
    """Return the law of an observed sample of effective weights, binned like a computed one, without features."""
    masses = np.full(weights.size, 1 / weights.size)
    grid, left, share = _split(weights, masses, weights, size)
    law = _collect(masses, left, share, grid.size)
    kept = law > 0
    none = np.empty((0, np.count_nonzero(kept)))
    return WeightLaw(grid[kept], law[kept], none, law[kept] * grid[kept], none)


def sample_law(v: np.ndarray, u: np.ndarray, squares: np.ndarray) -> WeightLaw:
    r"""Return the law over a sample, given v, u and the :math:`\tilde h_i^2`, shapes (n,), (n,) and (d1, n)."""
    masses = np.full(v.size, 1 / v.size)
    grid, left, share = _split(v, masses, v)

    def collect(factor: np.ndarray) -> np.ndarray:
        return _collect(factor * masses, left, share, grid.size)

    plain = collect(np.ones(v.size))
    kept = plain > 0
    reweighted, labelled = (np.array([collect(row) for row in rows])[:, kept] for rows in (squares, squares * u))
    return WeightLaw(grid[kept], plain[kept], reweighted, collect(u)[kept], labelled)


def joint_sample_law(weights: np.ndarray, sizes: np.ndarray) -> ScaledLaw:
    """Return the joint law of observed W and R, without features: groups of equal count in R, each binned in W."""
    order = np.argsort(sizes, kind="stable")
    groups = [part for part in np.array_split(order, _SIZE_GROUPS) if len(part)] if np.ptp(sizes) else [order]
    laws = [empirical_law(weights[part], _JOINT_GRID if len(groups) > 1 else WEIGHT_GRID) for part in groups]
    shares = [len(part) / len(weights) for part in groups]
    values = np.concatenate([law.values for law in laws])
    masses = np.concatenate([share * law.masses for share, law in zip(shares, laws, strict=True)])
    scale = np.concatenate(
        [np.full(len(law.values), sizes[part].mean()) for part, law in zip(groups, laws, strict=True)]
    )
    none = np.empty((0, len(values)))
    return ScaledLaw(values, masses, none, masses * values, none, 0, scale)


def _collect(masses: np.ndarray, left: np.ndarray, share: np.ndarray, size: int) -> np.ndarray:
    """Sum masses into the cells of a grid that `_split` found for them."""
    return np.bincount(left, masses * (1 - share), size) + np.bincount(left + 1, masses * share, size)


def _split(
    v: np.ndarray, masses: np.ndarray, relevant: np.ndarray, size: int = WEIGHT_GRID
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grid for `v` (dense near 0, geometric in the tails), left cell of each value, share sent to the right.

    It ends with the `relevant` values: far tails of a steep link would stretch it.
    """
    scale = np.sqrt(np.sum(masses * v**2))
    low, high = np.arcsinh(relevant.min() / scale), np.arcsinh(relevant.max() / scale)
    grid = scale * np.sinh(np.linspace(low, high, size))
    clipped = np.clip(v, grid[0], grid[-1])
    left = np.clip(np.searchsorted(grid, clipped, side="right") - 1, 0, grid.size - 2)
    return grid, left, (clipped - grid[left]) / (grid[left + 1] - grid[left])
