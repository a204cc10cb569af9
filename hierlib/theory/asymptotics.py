r"""Sharp constants: eigenvalues, alignments and errors of the spectral estimator at finite n/D and finite d.

With :math:`v` the effective sample weight (`hierlib.theory.bulk`), :math:`\delta=n/(D-d_1)` and
:math:`\varphi_i(s)=E[(\tilde h_i^2-1)v/(1-vs)]`, feature i leaves the noise bulk where
:math:`1/(\delta s)=\varphi_i(s)`, at the eigenvalue :math:`\psi(s)=1/(\delta s)+E[v/(1-vs)]`. Two finite-d corrections
without a fitted constant are built in: the fluctuation of the radius of x, and the remainder of the population
matrix. None of this is in the paper; the chapter *Sharp Constants* derives it. Cost: O(d1), whatever d, q and n.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb
from typing import Any

import numpy as np
from scipy.special import gammaincinv, ndtr, ndtri, pdtr

from hierlib.checks import check_array, check_choice, check_integer, check_real
from hierlib.engine.moment import label_weights
from hierlib.theory.bulk import Bulk, build_model
from hierlib.theory.readout import in_sample_weights, readout_error
from hierlib.theory.remainder import MAX_DIM, remainder_coefficient
from hierlib.theory.shrinkage import effective_weights
from hierlib.theory.weight_law import Function, ScaledLaw, WeightLaw, empirical_law, exponent_of, sample_law
from hierlib.theory.whitening import WhitenedBulk, check_above, check_whiten

__all__ = [
    "Prediction",
    "TargetParameters",
    "bulk_density",
    "critical_sample_sizes",
    "noise_edges",
    "predict",
    "remainder_coefficient",
]


_QUANTILES, _QUANTILE_MASSES = (np.polynomial.legendre.leggauss(32) + np.array([[1.0], [0.0]])) / 2
_CERTAIN = 9.0  # standard deviations beyond which a normal variable does not reach: a probability of 1e-19


def _identity(t: np.ndarray) -> np.ndarray:
    return t


@dataclass(frozen=True)
class TargetParameters:
    r"""What `predict` needs to know of a target; a `HierarchicalTarget` has the same attributes.

    Parameters
    ----------
    weights : ndarray, shape (d1,)
        The second-layer weights, not zero; their squares sum to 1 in the paper.
    d, q : int
        Input dimension and degree of the Hermite features.
    link_function : callable, default the identity
        The readout g, vectorised.
    radius_variance : float, default 2
        Variance of :math:`\|x\|^2/\sqrt d`: 2 for Gaussian inputs, :math:`\kappa_4+2` for independent entries of
        another law, 0 on the sphere. Features of degree 1 do not depend on it.

    Examples
    --------
    >>> from hierlib.theory.asymptotics import TargetParameters
    >>> TargetParameters(weights=np.array([0.8, -0.6]), d=60, q=2).dim
    1830
    """

    weights: np.ndarray
    d: int
    q: int
    link_function: Function = _identity
    radius_variance: float = 2.0

    @property
    def dim(self) -> int:
        """Number D of Hermite features."""
        return comb(self.d + self.q - 1, self.q)


@dataclass(frozen=True)
class Prediction:
    r"""What `predict` returns; arrays with two columns hold (below, above) the bulk.

    Attributes
    ----------
    n : int
        Number of samples.
    strengths : ndarray, shape (d1,)
        Population eigenvalues :math:`\theta_i=E[v(\tilde h_i^2-1)]`.
    thresholds : ndarray, shape (d1,)
        Sample sizes :math:`n_i=(D-d_1)E[v^2]/\theta_i^2`, the threshold if n/D is large there.
    bulk_edges : ndarray, shape (2,)
        Ends of the bulk of noise eigenvalues. Where v is unbounded, noise eigenvalues lie beyond: see `noise_counts`.
    eigenvalues : ndarray, shape (d1, 2)
        Outlier of each feature on each side, NaN where there is none.
    outlier_alignments : ndarray, shape (d1, 2)
        :math:`\cos^2` between each outlier's eigenvector and :math:`A_i`, 0 where there is none.
    noise_counts : ndarray, shape (d1, 2)
        Expected number of noise eigenvalues that the estimator ranks before that outlier.
    retention : ndarray, shape (d1, 2)
        Probability that the estimator keeps the outlier: it is ranked among the first `n_features`.
    alignments : ndarray, shape (d1,)
        Expected :math:`\cos^2\theta_i` between :math:`A_i` and the kept subspace.
    mse_holdout, mse_same_sample : float
        Test error over Var y of the best scalar readout, second layer fitted on a fresh or on the same sample.
    axes : ndarray, shape (d1, d1), optional
        For a target whose label depends on the sign of single features: the orthonormal directions in their span that
        the moment matrix singles out, in columns, in the basis of the A_i. All arrays but `alignments` are then about
        these. None where they are the A_i themselves.
    """

    n: int
    strengths: np.ndarray
    thresholds: np.ndarray
    bulk_edges: np.ndarray
    eigenvalues: np.ndarray
    outlier_alignments: np.ndarray
    noise_counts: np.ndarray
    retention: np.ndarray
    alignments: np.ndarray
    mse_holdout: float
    mse_same_sample: float
    axes: np.ndarray | None = None


def predict(
    target: Any,
    n: int,
    label_transform: str | Function | None = None,
    radial: bool = True,
    *,
    remainder: bool = True,
    normalize: bool = False,
    ranking: str = "modulus",
    n_features: int | None = None,
    sample: np.ndarray | None = None,
    whiten: str | None = None,
) -> Prediction:
    r"""Predict the spectrum of the moment matrix, the alignments and the test errors at n samples.

    .. math::
        \psi(s) = \frac{1}{\delta s} + E\Bigl[\frac{v}{1-vs}\Bigr] + \sigma(s), \qquad
        \frac{1}{\delta s} = \varphi_i(s) + \tfrac{2c}{D}\,\delta s\,\varphi_i(s)^2, \qquad
        \cos^2\theta_i = \frac{|\psi'(s)|}{|\psi'(s)| + \chi_i(s)},

    with :math:`\sigma=\sum_j\varphi_j\mathcal R(\delta s\,\varphi_j)`, the R-transform of one feature's remainder
    (:math:`\mathcal R(g)=\tfrac cDg+\dots`); :math:`\chi_i` is the slope of
    :math:`E[\tilde h_i^2v/(1-vs)]+\sigma+\tfrac{2c}{D}\,\delta s\,\varphi_i^2`.

    Parameters
    ----------
    target : HierarchicalTarget, TargetParameters, TreeTarget or CompositeTarget
        Anything with attributes `weights`, `d`, `q` and `link_function`, or any function of the features with the
        attributes `n_features`, `d`, `q` and `label_features`; its directions count as orthonormal and spread over all
        entries. Its `dim` and `radius_variance`, if any, say what inputs of another law change.
    n : int
        Number of samples, at least 1; at most 10**18.
    label_transform : {"tanh"} or callable, optional
        Function of the standardised labels (mean 0, variance 1) whose values, centred, weight the moment matrix; by
        default the centred labels themselves.
    radial : bool, default True
        Keep the fluctuations of ||x||^2/d. False, or degree 1, gives the Gaussian-equivalent model.
    remainder : bool, default True
        Keep the part of the population matrix beyond its d1 spikes (to leading order in 1/D). Only with `radial`.
    normalize : bool, default False
        Features computed from sqrt(d) x/||x||.
    ranking : {"modulus", "edge"}, default "modulus"
        The estimator keeps the eigenvalues of largest modulus, or farthest outside the bulk.
    n_features : int, optional
        Number of directions kept, from 1 to D; d1 by default.
    whiten : {"sample"}, optional
        Relative to the second moments of the features in the same sample: the eigenvalues are those of
        :math:`\hat Cv=\lambda\hat Sv` (`hierlib.theory.whitening`). Needs n above D.
    sample : array_like, shape (n, d), optional
        Inputs of a sample: the prediction is then conditional on their hidden features, labels and norms, for which
        the target's own law stands otherwise. Needs a target that computes its features. Where v has heavy tails, a
        few samples decide what is found, and they differ from one data set to the next.

    Returns
    -------
    Prediction
        See its attributes.

    Raises
    ------
    ValueError
        If an argument is out of range, or a callable gives something else than finite values of the same shape.

    Notes
    -----
    Deterministic. Where v is bounded, numerical error of eigenvalues and alignments below 1e-3 (quadrature grids), of
    the two errors below 0.005 (2**12 to 2**14 Sobol points), but 0.03 where the link is steep (the quadratic one), so
    that rare labels make up the variance. With raw inputs, whose norm makes v unbounded, a finer quadrature of the
    radius has moved the alignment of a feature that competes with single samples by 0.2.

    Asymptotic error: O(D^(-2/3)) close to a threshold, where fluctuations of the edge decide; higher powers of 1/d,
    visible below d = 60 for q = 2.

    Labels that are another function of the features than the paper's are evaluated on 2**16 quasi-random points: errors
    of means over these move alignments by up to 0.005. Where signs of single features matter, the axes are those of the
    population matrix, which turn by some 0.01 up to the outliers. Labels without a bounded transform have heavy tails
    there; the law is cut at what two of n samples exceed, and alignments are good to one or two tenths. With q >= 2
    products of features in the label add to the remainder, and that is not counted: at d = 24 trees recover 0.1 less.

    Kept directions that no feature has taken are the outermost noise: `alignments` includes their share of each
    feature, d1/D far from its threshold and more close to it.

    Where v has unbounded support (unbounded labels, or the radius), single samples make outliers of their own. They
    are counted by n P(vs > 1) and taken as Poisson in `retention`. Those close to a feature's outlier share its
    eigenvector, whose weight is spread over a width of :math:`\cos^2\theta_i\,\pi E[\tilde h_i^2v\,\delta(1-vs)]`;
    `alignments` counts the part of it that is kept.

    References
    ----------
    This book, chapter *Sharp Constants*; not in the paper.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.asymptotics import TargetParameters, predict
    >>> weights = np.array([1.0, -0.8, 0.6]) / np.sqrt(2)
    >>> prediction = predict(TargetParameters(weights, d=60, q=2), n=40_000, label_transform=np.tanh)
    >>> prediction.alignments.round(2)
    array([0.85, 0.83, 0.75])
    """
    n = check_integer("n", n, low=1, high=MAX_DIM)
    check_choice("ranking", ranking, ("modulus", "edge"))
    whitened = check_whiten(whiten)
    options: dict[str, Any] = {"radial": radial, "remainder": remainder, "normalize": normalize}
    model = build_model(target, label_transform, whiten=whitened, **options)
    d1 = len(model.weights)
    if whitened:
        check_above(n, model.noise_dim + d1)
    kept = check_integer("n_features", d1 if n_features is None else n_features, low=1, high=model.noise_dim + d1)
    if sample is not None:
        law = _observed_law(
            target, n, label_transform, radial and model.degree > 1, normalize, sample, whitened, model.axes
        )
        model = replace(model, law=law, observed=True)
    law = model.law_at(n)
    bulk: Bulk = model.bulk(n)
    if isinstance(law, ScaledLaw):
        bulk = WhitenedBulk(law, bulk.delta, n, model.remainder)

    sides = [bulk.outliers(side) for side in (-1, 1)]
    roots = np.stack([s for s, _ in sides], axis=1)
    alignments = np.stack([alignment for _, alignment in sides], axis=1)
    exists = alignments > 0
    eigenvalues = np.full(roots.shape, np.nan)
    eigenvalues[exists] = bulk.levels(roots[exists])[0]
    edges = bulk.levels(np.array([bulk.edges[-1], bulk.edges[1]]))[0]

    # Ranked by distance from the edge of its side, or from 0.
    origin = edges if ranking == "edge" else np.zeros(2)
    score = np.abs(eigenvalues - origin)[exists]
    counts = np.full(roots.shape, np.inf)
    counts[exists] = sum(bulk.noise_count(side, origin[k] + side * score) for k, side in enumerate((-1, 1)))
    # An outlier shifts by cos^2 times the sum of h_i^2 v/(1 - vs) over the sample.
    width = alignments[exists] * bulk.level_noise(roots[exists])
    ahead = _ranks(score, width, min(kept, score.size))
    room = kept - 1.0 - np.arange(ahead.shape[1])
    retention = np.zeros(roots.shape)
    retention[exists] = np.sum(ahead * pdtr(room, counts[exists][:, None]), axis=1)
    # Eigenvectors of single samples close by mix with the feature's: parts of its weight lie farther in or out.
    share = np.zeros(roots.shape)
    for i, column, chances in zip(*np.nonzero(exists), ahead, strict=True):
        own = roots[i, column], eigenvalues[i, column], alignments[i, column]
        places, parts = bulk.spread(i, 2 * column - 1, *own)
        distance = np.abs(places - origin[column])
        below, above = (bulk.noise_count(side, origin[k] + side * distance) for k, side in enumerate((-1, 1)))
        share[i, column] = parts @ (pdtr(room, (below + above)[:, None]) @ chances)

    # The other directions kept are noise, from the outside in; close to its threshold a feature is partly in them.
    depth = _noise_depth(bulk, origin, kept - retention.sum())
    overlaps = np.sum(alignments * share, axis=1)
    for k, side in enumerate((-1, 1)):
        overlaps += bulk.edge_alignment(side, origin[k] + side * depth)
    overlaps = np.minimum(overlaps, 1.0)
    # No subspace of k dimensions overlaps with an orthonormal set by more than k.
    overlaps = overlaps * kept / max(kept, overlaps.sum())

    # The readout needs the features themselves: the first ones where several are as likely.
    found = np.zeros(roots.shape, dtype=bool)
    found[exists] = pdtr(kept - 1.0 - _positions(score), counts[exists]) > 0.5
    feature, column = np.nonzero(found)
    aligned, s = alignments[feature, column], roots[feature, column]
    # Features that are whitened by their sample are longer than those of unit directions, in both layers.
    size = bulk.sample_moments(feature, s, aligned) ** 2
    fresh = (law.label_reweighted - law.label_masses).sum(axis=1)[feature] * aligned / size
    same = in_sample_weights(law, feature, aligned, bulk.squared_resolvents(s)) / size
    # The upper one if they are the same up to rounding.
    wider = np.array([bulk.edges[1 if edges[1] > -edges[0] * (1 - 1e-9) else -1]])
    none = np.zeros(1, dtype=int), np.zeros(1)
    lost = in_sample_weights(law, *none, bulk.squared_resolvents(wider))
    lost = lost / bulk.sample_moments(none[0], wider, none[1]) ** 2
    return Prediction(
        n=n,
        strengths=np.ldexp(model.law.strengths, law.exponent),
        thresholds=model.limits,
        bulk_edges=np.ldexp(edges, law.exponent),
        eigenvalues=np.ldexp(eigenvalues, law.exponent),
        outlier_alignments=alignments,
        noise_counts=counts,
        retention=retention,
        alignments=overlaps if model.axes is None else model.axes**2 @ overlaps,
        mse_holdout=readout_error(model, feature, aligned, fresh, np.zeros(0)),
        mse_same_sample=readout_error(model, feature, aligned, same, np.repeat(lost, max(0, kept - len(feature)))),
        axes=model.axes,
    )


def _ranks(score: np.ndarray, width: np.ndarray, size: int) -> np.ndarray:
    """Return the probabilities that 0, 1, ..., size - 1 outliers are ranked before each, shape (k, size).

    Each has the normal law around its score with its width: outliers closer than that take turns, those of features
    with equal weights fairly. A sum over independent others, at quantiles of the outlier's own law.
    """
    quantiles = ndtri(_QUANTILES)
    reach = _CERTAIN * width + np.abs(quantiles).max() * width[:, None]
    near = np.abs(score - score[:, None]) < reach
    np.fill_diagonal(near, False)
    ranks = np.zeros((score.size, size))
    for i, others in enumerate(near):
        before = ndtr((score[others] - (score[i] + width[i] * quantiles)[:, None]) / width[others])
        law = np.zeros((_QUANTILES.size, before.shape[1] + 1))
        law[:, 0] = 1.0
        for chance in before.T[:, :, None]:
            moved = law * chance
            law -= moved
            law[:, 1:] += moved[:, :-1]
        # Those far ahead come first for certain, those far behind never.
        first = np.count_nonzero(score[~others] > score[i])
        ranks[i, first : first + law.shape[1]] = (_QUANTILE_MASSES @ law)[: max(0, size - first)]
    return ranks


def _positions(score: np.ndarray) -> np.ndarray:
    """Rank scores from the largest, 0, on; those that are the same up to rounding in their own order."""
    order = np.argsort(-score, kind="stable")
    group = np.cumsum(-np.diff(score[order], prepend=score[order[:1]]) > 1e-9 * score.max(initial=0.0))
    position = np.empty(score.size)
    position[order[np.lexsort((order, group))]] = np.arange(score.size)
    return position


def _observed_law(
    target: Any,
    n: int,
    transform: str | Function | None,
    radial: bool,
    normalize: bool,
    sample: np.ndarray,
    whiten: bool,
    axes: np.ndarray | None,
) -> WeightLaw:
    """Law of the effective weight over a sample."""
    if not hasattr(target, "latent"):
        msg = f"sample needs a target that computes its features, a HierarchicalTarget, got {type(target).__name__}."
        raise ValueError(msg)
    X = check_array("sample", sample, shape=(n, target.d)).astype(float)
    h, y = target.latent(X), target.label(X)
    if axes is not None:
        h = h @ axes
    masses = np.full(n, 1 / n)
    exponent = exponent_of("labels of sample", y, masses)
    y = np.ldexp(y, -exponent)
    norms, scale, v = np.sum(X**2, axis=1), np.ones(n), label_weights(y, transform)
    if transform is not None:
        exponent = exponent_of("label_transform", v, masses)
        v = np.ldexp(v, -exponent)
    if radial:
        spread = getattr(target, "radius_variance", 2.0)
        scale = effective_weights(scale, target.d, target.q, norms, radius_variance=spread)
    squares, labels = h.T**2 / scale, scale * (y - y.mean())
    if whiten:
        # Each sample its own atom: binned, the pairs (W, R) would be few to a cell.
        sizes = np.ones(n) if normalize else scale
        return ScaledLaw(v, masses, squares / n, labels / n, labels * squares / n, exponent, sizes)
    if radial:
        v = effective_weights(v, target.d, target.q, None if normalize else norms, radius_variance=spread)
    return replace(sample_law(v, labels, squares), exponent=exponent)


def _noise_depth(bulk: Bulk, origin: np.ndarray, count: float) -> float:
    """Score beyond which `count` noise eigenvalues are expected, both sides together."""
    edges = bulk.levels(np.array([bulk.edges[-1], bulk.edges[1]]))[0]
    high = 3 * np.abs(edges).max()
    low = -high
    for _ in range(50):
        middle = 0.5 * (low + high)
        found = sum(bulk.noise_count(s, origin[[k]] + s * middle)[0] for k, s in enumerate((-1, 1)))
        low, high = (middle, high) if found > count else (low, middle)
    return high


def critical_sample_sizes(
    target: Any,
    label_transform: str | Function | None = None,
    radial: bool = True,
    *,
    remainder: bool = True,
    normalize: bool = False,
) -> np.ndarray:
    r"""Return the sample size from which on each feature has an outlier, at the n/D where that happens.

    `Prediction.thresholds` is its limit for n/D large: there :math:`n_i=(D-d_1)E[v^2]/\theta_i^2`.

    Parameters
    ----------
    target, label_transform, radial, remainder, normalize
        As for `predict`.

    Returns
    -------
    ndarray, shape (d1,)
        Sample sizes, not rounded; infinite where the remainder hides the feature up to 100 times the largest limit.

    Raises
    ------
    ValueError
        As for `predict`.

    Notes
    -----
    Relative error about 1e-3: the excess over the threshold is interpolated on 48 sample sizes.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.asymptotics import TargetParameters, critical_sample_sizes
    >>> parameters = TargetParameters(np.array([0.8, -0.6]), d=10**4, q=1)
    >>> (critical_sample_sizes(parameters, label_transform=np.tanh) / parameters.dim).round(1)
    array([0.7, 0.8])
    """
    model = build_model(target, label_transform, radial=radial, remainder=remainder, normalize=normalize)
    limits = model.limits
    sizes = np.geomspace(limits.min() / 10, 100 * limits.max(), 48)
    visibility = np.array([model.bulk(n).visibility().max(axis=1) for n in sizes])
    excess = np.log(np.maximum(visibility, 1e-3))
    critical = np.full(len(limits), np.inf)
    for i, column in enumerate(excess.T):
        visible = np.flatnonzero(column > 0)
        if visible.size:
            # Interpolate where it first becomes visible: log visibility is nearly linear in log n.
            window = slice(max(0, visible[0] - 1), visible[0] + 1)
            critical[i] = np.exp(np.interp(0.0, column[window], np.log(sizes[window])))
    return critical


def bulk_density(
    target: Any,
    n: int,
    z: np.ndarray,
    label_transform: str | Function | None = None,
    radial: bool = True,
    *,
    remainder: bool = True,
    normalize: bool = False,
) -> np.ndarray:
    r"""Return the density of the noise eigenvalues, :math:`\rho(z)=-\pi^{-1}\delta\,\mathrm{Im}\,s(z+i0)`.

    It integrates to one over the D - d1 noise dimensions if there are as many samples. With fewer the matrix has a
    kernel, the share :math:`1-n/(D-d_1)` of the eigenvalues is 0, and the density, that of the others, integrates to
    :math:`n/(D-d_1)`. The smallest scale resolved is a millionth of the range of `z`.

    Parameters
    ----------
    target, n, label_transform, radial, remainder, normalize
        As for `predict`.
    z : array_like, shape (k,)
        Where to evaluate it, at least two different points.

    Returns
    -------
    ndarray, shape (k,)
        The density.

    Raises
    ------
    ValueError
        As for `predict`, or if `z` is not a finite vector with a positive range.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.asymptotics import TargetParameters, bulk_density
    >>> z = np.linspace(-1, 1, 101)
    >>> density = bulk_density(TargetParameters(np.array([0.8, -0.6]), d=60, q=2), 40_000, z, np.tanh)
    >>> round(float(np.trapezoid(density, z)), 2)
    1.0
    """
    z = check_array("z", z, shape=(None,))
    if not np.ptp(z) > 0:
        msg = f"z must hold at least two different points, got {z}."
        raise ValueError(msg)
    model = build_model(target, label_transform, radial=radial, remainder=remainder, normalize=normalize)
    bulk, exponent = model.bulk(check_integer("n", n, low=1, high=MAX_DIM)), model.law.exponent
    return np.ldexp(bulk.density(np.ldexp(z, -exponent)), -exponent)


def noise_edges(sample_weights: np.ndarray, dim: int, level: float = 0.99) -> np.ndarray:
    r"""Return the interval that holds every eigenvalue of pure noise with a given probability.

    Nothing is assumed of the target: the law of the effective weights is the sample's own. An eigenvalue of
    :math:`n^{-1}\sum_\mu v_\mu F_\mu F_\mu^\top` outside the interval is a feature; their number estimates d1 from
    the data.

    Parameters
    ----------
    sample_weights : array_like, shape (n,)
        The weights v of the samples: centred (transformed) labels, times :math:`r^{2q}` unless x is normalised.
    dim : int
        Number D of features of degree q.
    level : float, default 0.99
        Probability that noise alone stays inside, between 0 and 1.

    Returns
    -------
    ndarray, shape (2,)
        Lower and upper end.

    Raises
    ------
    ValueError
        If an argument is out of range, or the weights do not have both signs.

    Notes
    -----
    The ends of the bulk, or the outlier of the largest single weight where that is farther out, plus the
    Tracy-Widom quantile (approximated by a shifted gamma law, to 0.01) at the scale of the edge. The remainder of
    the population matrix is not included: with Hermite features of degree q >= 2 use it for n well below D^2.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.asymptotics import noise_edges
    >>> weights = np.tile([-1.0, 1.0], 2000)
    >>> noise_edges(weights, dim=100).round(2)
    array([-0.34,  0.34])
    """
    weights = check_array("sample_weights", sample_weights, shape=(None,)).astype(float)
    dim = check_integer("dim", dim, low=1, high=MAX_DIM)
    level = check_real("level", level, low=0, high=1, open_low=True, open_high=True)
    if not (weights.size and weights.min() < 0 < weights.max()):
        msg = "sample_weights must have both signs."
        raise ValueError(msg)
    n = len(weights)
    exponent = exponent_of("sample_weights", weights, np.full(n, 1 / n))
    weights = np.ldexp(weights, -exponent)
    bulk = Bulk(empirical_law(weights), n / dim, n)
    # Half of the risk on either side; the gamma law has the first three moments of Tracy and Widom's.
    quantile = 0.186054 * gammaincinv(46.446, 0.5 + 0.5 * level) - 9.84801
    ends = []
    for side, extreme in ((-1, weights.min()), (1, weights.max())):
        s = side * min(abs(bulk.edges[side]), 1 / abs(extreme))
        ends.append(bulk.levels(np.array([s]))[0][0] + side * quantile * bulk.edge_scales[side])
    return np.ldexp(ends, exponent)
