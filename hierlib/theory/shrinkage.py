r"""What the first layer's sample tells about itself: noise bulk, leave-one-out features, alignments of outliers.

An eigenvector learned from n samples sees each of them larger than a fresh one. With :math:`s` the resolvent's trace
over n at its eigenvalue, :math:`v_\mu` the effective weight of a sample and :math:`\hat h_{-\mu}` the feature learned
without it, :math:`\hat h_\mu=\hat h_{-\mu}/(1-v_\mu s)`. All of this is known without a model of the target, so that no
second sample is needed. Not in the paper; the chapter *Visible Thresholds* derives it. Cost: O(n) a feature.
"""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
from scipy.special import eval_genlaguerre, gammaincinv, gammaln

from hierlib.checks import check_array, check_integer, check_real
from hierlib.engine.scaling import power_of_two
from hierlib.theory.bulk import Bulk
from hierlib.theory.remainder import RemainderLaw, remainder_coefficient
from hierlib.theory.weight_law import WeightLaw, empirical_law, joint_sample_law
from hierlib.theory.whitening import WhitenedBulk, check_above

__all__ = [
    "SampleBulk",
    "edge_distance",
    "effective_weights",
    "leave_one_out",
    "lower_harmonics",
    "observed_alignment",
    "shrink",
]

# The remainder of the population matrix is no semicircle: its ends lie farther out than its variance says. Doubling the
# variance covers them (measured at q = 2, d = 24 and 36, n = D/4 to 200 D, normalised or not, gamma = 0 to 0.8).
_END_VARIANCE = 2.0
_SMALLEST = 1e-6  # of an edge's s: eigenvalues that far out do not occur


def effective_weights(
    weights: np.ndarray,
    d: int,
    degree: int,
    squared_norms: np.ndarray | None = None,
    *,
    radius_variance: float = 2.0,
) -> np.ndarray:
    r"""Return the weights that the moment matrix gives to features of unit second moment.

    .. math:: v_\mu = w_\mu\,\frac{(\|x_\mu\|^2/d)^q}{\prod_{k<q}(1+2k/d)},

    with 1 in the place of the norm if the features are computed from :math:`\sqrt d\,x/\|x\|`.

    Parameters
    ----------
    weights : array_like, shape (n,)
        Weights w of the moment matrix (`hierlib.engine.moment.label_weights`).
    d, degree : int
        Input dimension and degree q of the features.
    squared_norms : array_like, shape (n,), optional
        The :math:`\|x_\mu\|^2`; by default the inputs are taken as normalised.
    radius_variance : float, default 2
        Variance of :math:`\|x\|^2/\sqrt d`, which stands in the place of the 2: that of Gaussian inputs.

    Returns
    -------
    ndarray, shape (n,)
        The v.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.shrinkage import effective_weights
    >>> effective_weights(np.array([1.0, -1.0]), 4, 2, np.array([4.0, 8.0])).round(3)
    array([ 0.667, -2.667])
    """
    weights = check_array("weights", weights, shape=(None,)).astype(float)
    d, degree = check_integer("d", d, low=1), check_integer("degree", degree, low=1)
    mean_power = np.prod(1 + check_real("radius_variance", radius_variance, low=0) * np.arange(degree) / d)
    if squared_norms is None:
        return weights / mean_power
    norms = check_array("squared_norms", squared_norms, shape=weights.shape).astype(float)
    return weights * (norms / d) ** degree / mean_power


def lower_harmonics(d: int, degree: int) -> float:
    r"""Return how far lower harmonics widen the bulk of noise where the degree is high for the dimension.

    Given :math:`\|x\|^2=2t`, features of degree q have the second moment

    .. math:: \rho_h = t^h\,L_p^{(a)}(t)^2\,\frac{p!\,\Gamma(d/2)}{\Gamma(a+p+1)}, \qquad
              a=h+\frac d2-1,\quad p=\frac{q-h}2,

    in the directions of harmonic degree h = q, q - 2, .... `effective_weights` has that of h = q, which nearly all
    directions have if d is large. The largest of them over that of h = q at :math:`\|x\|^2=d` bounds the rest.

    Parameters
    ----------
    d, degree : int
        Input dimension and degree q of the features.

    Returns
    -------
    float
        At least 1; 1 up to degree 2, at degree 3 from d = 4 on, and at degree 4 from d = 12 on.

    Examples
    --------
    >>> from hierlib.theory.shrinkage import lower_harmonics
    >>> [round(lower_harmonics(d, 4), 2) for d in (4, 8, 12)]
    [5.0, 1.75, 1.0]
    """
    d, degree = check_integer("d", d, low=1), check_integer("degree", degree, low=1)
    t = d / 2

    def second_moment(h: int) -> float:
        p, a = (degree - h) // 2, h + t - 1
        factor = np.exp(h * np.log(t) + gammaln(p + 1) + gammaln(t) - gammaln(a + p + 1))
        return float(factor * eval_genlaguerre(p, a, t) ** 2)

    # On a line there are no harmonics beyond degree 1.
    harmonics = [h for h in range(degree % 2, degree, 2) if h < 2 or d > 1]
    return max([1.0, *(second_moment(h) / second_moment(degree) for h in harmonics)])


class SampleBulk:
    r"""The bulk of noise eigenvalues that a sample's own effective weights predict.

    .. math:: z = \psi(s) = \frac{D}{ns} + \frac1n\sum_\mu\frac{v_\mu}{1-v_\mu s} + \frac{n s}{D}\,\kappa(s), \qquad
              \kappa(s)=\frac{2c}{D\,\overline{v^2}}\Bigl(\frac1n\sum_\mu\frac{v_\mu^2}{1-v_\mu s}\Bigr)^2,

    where s is the trace of the resolvent over n, c is `hierlib.theory.asymptotics.remainder_coefficient`, and
    :math:`\kappa` is the size of the population matrix beyond its spikes. That depends on the target; by Bessel's
    inequality :math:`\sum_i\theta_i^2\le2\,E\,v^2`, so that what stands here is the largest it can be.

    Parameters
    ----------
    weights : array_like, shape (n,)
        Effective weights v, of both signs.
    d, degree : int
        Input dimension, and degree q of the features.
    dim : int, optional
        Number D of features, that of the Hermite features by default.
    sizes : array_like, shape (n,), optional
        `effective_weights` of ones. If given, the bulk is that of :math:`\hat Cv=\lambda\hat Sv`, whitened by the
        same sample (`hierlib.theory.whitening`); n is then above D.

    Attributes
    ----------
    dim : int
        Number D of features.
    n_samples : int
        Number n of samples.
    remainder : float
        The coefficient c.
    sizes : ndarray, shape (n,), or None
        The R of the samples, where the bulk is that of the whitened matrix.

    Raises
    ------
    ValueError
        If an argument is out of range or all weights have the same sign.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.shrinkage import SampleBulk
    >>> bulk = SampleBulk(np.tile([-1.0, 1.0], 2000), d=100, degree=1)
    >>> bulk.interval().round(2)
    array([-0.34,  0.34])
    """

    def __init__(
        self,
        weights: np.ndarray,
        d: int,
        degree: int,
        *,
        dim: int | None = None,
        sizes: np.ndarray | None = None,
    ) -> None:
        weights = check_array("weights", weights, shape=(None,))
        d, degree = check_integer("d", d, low=1), check_integer("degree", degree, low=1)
        if not (weights.size and weights.min() < 0 < weights.max()):
            msg = "weights must have both signs."
            raise ValueError(msg)
        self.dim, self.n_samples = dim or comb(d + degree - 1, degree), len(weights)
        self.sizes = sizes if sizes is None else check_array("sizes", sizes, shape=weights.shape).astype(float)
        if sizes is not None:
            check_above(self.n_samples, self.dim)
        # Negative only for d below 4, where the expansion means nothing.
        self.remainder = max(0.0, remainder_coefficient(d, degree)) if d > 1 else 0.0
        # At unit size: levels are homogeneous in the weights, and the moments of small or large ones are not finite.
        self._unit = power_of_two(weights)
        self._weights = weights.astype(float) / self._unit
        self._bulk = self._build(1.0)

    def _build(self, share: float) -> Bulk:
        """Bulk with the given multiple of the largest possible remainder."""
        if self.sizes is not None:
            return self._build_whitened(self.sizes, share)
        observed = empirical_law(self._weights)
        # A feature with h^2 - 1 proportional to v attains Bessel's bound: it stands for all that there are.
        likeness = observed.masses * (1 + np.sqrt(2 / observed.variance) * observed.values)
        law = WeightLaw(
            observed.values, observed.masses, likeness[None], observed.label_masses, likeness[None] * observed.values
        )
        semicircle = RemainderLaw(np.array([share * self.remainder / self.dim]), np.zeros(1))
        return Bulk(law, self.n_samples / self.dim, self.n_samples, semicircle)

    def _build_whitened(self, sizes: np.ndarray, share: float) -> WhitenedBulk:
        observed = joint_sample_law(self._weights / sizes, sizes)
        likeness = observed.masses * (1 + np.sqrt(2 / observed.variance) * observed.scale * observed.values)
        law = replace(observed, reweighted=likeness[None], label_reweighted=likeness[None] * observed.values)
        semicircle = RemainderLaw(np.array([share * self.remainder / self.dim]), np.zeros(1))
        return WhitenedBulk(law, self.n_samples / self.dim, self.n_samples, semicircle)

    @property
    def edges(self) -> np.ndarray:
        """Ends of the bulk with no remainder at all, shape (2,): the best guess where eigenvalues are ranked."""
        bulk = self._build(0.0)
        return self._unit * bulk.levels(np.array([bulk.edges[-1], bulk.edges[1]]))[0]

    def interval(self, level: float = 0.99) -> np.ndarray:
        r"""Return the ends of the interval that holds all noise eigenvalues with probability `level`.

        The ends of the bulk with :math:`2\kappa`, or the outlier of the largest single weight where that is farther
        out, plus the Tracy-Widom quantile (approximated by a shifted gamma law, to 0.01) at the scale of the edge.

        Parameters
        ----------
        level : float, default 0.99
            Between 0 and 1.

        Returns
        -------
        ndarray, shape (2,)
            Lower and upper end.
        """
        level = check_real("level", level, low=0, high=1, open_low=True, open_high=True)
        # Half of the risk on either side; the gamma law has the first three moments of Tracy and Widom's.
        quantile = 0.186054 * gammaincinv(46.446, 0.5 + 0.5 * level) - 9.84801
        bulk, ends = self._build(_END_VARIANCE), []
        for side, extreme in ((-1, self._weights.min()), (1, self._weights.max())):
            edge = bulk.edges[side]
            if isinstance(bulk, WhitenedBulk):
                end = bulk.levels(np.array([bulk.pole(side)]))[0][0]
                ends.append(end + side * quantile * bulk.edge_scales[side])
                continue
            s = side * min(abs(edge), 1 / abs(extreme))
            slopes = bulk.levels(edge * np.array([0.999, 1.0]))[1]
            # The edge fluctuates by (psi''/2)^(1/3) n^(-2/3).
            scale = np.cbrt(abs(slopes[1] - slopes[0]) / (0.002 * abs(edge))) * self.n_samples ** (-2 / 3)
            ends.append(bulk.levels(np.array([s]))[0][0] + side * quantile * scale)
        return self._unit * np.array(ends)

    def resolvent(self, eigenvalues: np.ndarray) -> np.ndarray:
        r"""Solve :math:`\psi(s)=z` outside the bulk; eigenvalues inside it get the s of the nearer edge.

        Parameters
        ----------
        eigenvalues : array_like, shape (k,)
            The z.

        Returns
        -------
        ndarray, shape (k,)
            The s, positive above the bulk and negative below it.
        """
        z = check_array("eigenvalues", eigenvalues, shape=(None,)).astype(float) / self._unit
        edges = np.array([self._bulk.edges[-1], self._bulk.edges[1]])
        edge = edges[(z > self._bulk.levels(edges)[0].mean()).astype(int)]
        low, high = np.full(len(z), _SMALLEST), np.ones(len(z))
        # |psi| falls from its pole at 0 to the edge: bisection in log |s|.
        for _ in range(50):
            middle = np.sqrt(low * high)
            beyond = np.sign(edge) * (self._bulk.levels(middle * edge)[0] - z) > 0
            low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
        return high * edge / self._unit

    def offsets(self, s: np.ndarray) -> np.ndarray:
        r"""Return :math:`b=\lambda s` of the whitened matrix at the entries of `s`, 0 without whitening."""
        if isinstance(self._bulk, WhitenedBulk):
            return self._bulk.offsets(np.asarray(s, dtype=float) * self._unit)
        return np.zeros(len(s))


def edge_distance(eigenvalues: np.ndarray, interval: np.ndarray) -> np.ndarray:
    """Distance of eigenvalues from an interval, each from its own end; negative inside.

    Parameters
    ----------
    eigenvalues : array_like, shape (k,)
        Eigenvalues.
    interval : array_like, shape (2,)
        Lower and upper end.

    Returns
    -------
    ndarray, shape (k,)
        The distances.

    Examples
    --------
    >>> from hierlib.theory.shrinkage import edge_distance
    >>> edge_distance([-3.0, 0.0, 2.5], [-1.0, 2.0])
    array([ 2. , -1. ,  0.5])
    """
    eigenvalues = check_array("eigenvalues", eigenvalues, shape=(None,))
    lower, upper = check_array("interval", interval, shape=(2,))
    return np.maximum(lower - eigenvalues, eigenvalues - upper)


def leave_one_out(
    h: np.ndarray,
    weights: np.ndarray,
    s: np.ndarray,
    sizes: np.ndarray | None = None,
    offsets: np.ndarray | None = None,
) -> np.ndarray:
    r"""Turn the features of the samples that they were learned from into those of fresh samples.

    .. math:: \hat h_{-\mu} = (1 - v_\mu s + R_\mu b)\,\hat h_\mu ,

    with b = 0 unless the features were whitened by the sample.

    Parameters
    ----------
    h : ndarray, shape (n, k)
        Learned features :math:`\hat h` of the sample.
    weights : ndarray, shape (n,)
        Effective weights v.
    s : ndarray, shape (k,)
        `SampleBulk.resolvent` at the eigenvalues.
    sizes, offsets : ndarray, shapes (n,) and (k,), optional
        The R, and `SampleBulk.offsets` at `s`, of features that were whitened by the sample.

    Returns
    -------
    ndarray, shape (n, k)
        What features learned without the sample in question would give there.

    Notes
    -----
    Up to relative fluctuations of order :math:`(D/n^2)^{1/2}` and 1/d. Where features have close eigenvalues, removing
    a sample also rotates them into one another, by O(1/n) in all.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.shrinkage import leave_one_out
    >>> leave_one_out(np.array([[2.0], [3.0]]), np.array([0.5, 0.0]), np.array([0.4]))
    array([[1.6],
           [3. ]])
    """
    factors = 1 - np.asarray(weights, dtype=float)[:, None] * s
    if sizes is not None and offsets is not None:
        factors = factors + np.asarray(sizes, dtype=float)[:, None] * offsets
    return np.asarray(h) * factors


def observed_alignment(
    h: np.ndarray, weights: np.ndarray, s: np.ndarray, dim: int, remainder: float = 0.0
) -> np.ndarray:
    r"""Estimate how well each learned direction is aligned with a true one, from its own sample.

    .. math:: 1-\cos^2\theta_i = \delta s_i^2\,\frac1n\sum_\mu v_\mu^2\hat h_{i\mu}^2
              + \frac cD\Bigl(2+\sum_j\frac{s_i^2}{s_j^2}\Bigr), \qquad \delta=n/D .

    Parameters
    ----------
    h : array_like, shape (n, k)
        Learned features of the sample, computed like those of the moment matrix (from the same x, and divided by the
        root of their second moment).
    weights : array_like, shape (n,)
        Effective weights v.
    s : array_like, shape (k,)
        `SampleBulk.resolvent` at the eigenvalues.
    dim : int
        Number D of features.
    remainder : float, default 0.0
        The coefficient c, `hierlib.theory.asymptotics.remainder_coefficient`; 0 for Gaussian features.

    Returns
    -------
    ndarray, shape (k,)
        Squared cosines, cut at 0 and 1.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes differ.
    """
    h = check_array("h", h, shape=(None, None)).astype(float)
    weights = check_array("weights", weights, shape=h.shape[:1]).astype(float)
    s = check_array("s", s, shape=h.shape[1:]).astype(float)
    # Weights and s have inverse units.
    unit = power_of_two(weights)
    weights, s = weights / unit, s * unit
    dim = check_integer("dim", dim, low=1)
    remainder = check_real("remainder", remainder, low=0)
    return alignment_of_moment(np.mean((weights[:, None] * h) ** 2, axis=0), s, len(h) / dim, remainder / dim)


def alignment_of_moment(moment: np.ndarray, s: np.ndarray, delta: float, share: float) -> np.ndarray:
    r"""Compute `observed_alignment` from :math:`\frac1n\sum_\mu v_\mu^2\hat h_{i\mu}^2`, n/D and c/D."""
    population = share * (2 + s**2 * np.sum(1 / s**2))
    return np.clip(1 - delta * s**2 * moment - population, 0.0, 1.0)


def shrink(s: np.ndarray, alignments: np.ndarray, delta: float) -> np.ndarray:
    r"""Shrink eigenvalues to what a fresh sample would show.

    .. math:: c_i^2\theta_i = \frac{c_i^2}{\delta s_i} .

    Parameters
    ----------
    s : array_like, shape (k,)
        `SampleBulk.resolvent` at the eigenvalues.
    alignments : array_like, shape (k,)
        The :math:`c_i^2`, `observed_alignment`.
    delta : float
        n/D.

    Returns
    -------
    ndarray, shape (k,)
        Shrunk eigenvalues.

    Notes
    -----
    Exact for many samples per dimension, where :math:`E[(h_i^2-1)v/(1-vs)]` tends to :math:`\theta_i`.
    """
    alignments = check_array("alignments", alignments, shape=(None,)).astype(float)
    s = check_array("s", s, shape=alignments.shape).astype(float)
    return alignments / (check_real("delta", delta, low=0, open_low=True) * s)
