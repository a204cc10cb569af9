r"""The sharp theory over all sizes at once, as tables that a page can interpolate.

For Gaussian features and bounded labels everything depends on the weights, the link and :math:`\delta=n/(D-d_1)`.
Along the curve :math:`\delta_i(s)=1/(s\varphi_i(s))` of feature i the threshold is where :math:`\psi'(s)=0`; above it
alignment and eigenvalue are smooth functions of :math:`n_i/n`, which runs over (0, 1) whatever the parameters, so that
a handful of Chebyshev nodes an axis holds them all. Cost: one law of the labels a model, some 0.05 s.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from math import comb, floor
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy.interpolate import CubicSpline

from hierlib import theory
from hierlib.checks import check_array, check_choice, check_integer
from hierlib.model.target import LINKS
from hierlib.theory.asymptotics import TargetParameters
from hierlib.theory.bulk import Bulk, Model, build_model
from hierlib.theory.readout import readout_error
from hierlib.theory.weight_law import WeightLaw

__all__ = ["FeatureCurves", "explorer_tables", "feature_curves", "label_transform", "positive_weights"]

GAMMA_MAX, GAMMA_STEP = 1.2, 0.01
DELTA_MIN, DELTA_MAX = 2.0, 5000.0
_DIMENSIONS = (
    *range(10, 22, 2), 22, 25, 28, 32, 36, 40, 45, 50, 56, 60, 70, 80, 90, 100, 110, 120,
    140, 160, 180, 200, 225, 250, 280, 320, 360, 400,
)  # fmt: skip
_EPSILONS = tuple(k / 100 for k in range(20, 51, 2))
_LIMIT = 10**7  # a dimension in which neither d1 nor the fluctuations of an edge count
_MERGED = 4  # neighbouring atoms of the law of the labels that become one: moves results by less than 1e-3
_CURVE_POINTS, _EDGE_POINTS = 24, 120
_FEATURE_KNOTS = (1, 2, 4, 9, 20)  # for what varies slowly with d1


@dataclass(frozen=True)
class FeatureCurves:
    r"""What `feature_curves` returns.

    Attributes
    ----------
    thresholds : ndarray, shape (d1,)
        Samples per noise dimension, :math:`n_i/(D-d_1)`, from which on each feature has an outlier.
    alignments : ndarray, shape (d1, k)
        :math:`\cos^2\theta_i` at each ratio.
    eigenvalues : ndarray, shape (d1, k)
        The outliers there.
    """

    thresholds: np.ndarray
    alignments: np.ndarray
    eigenvalues: np.ndarray


def positive_weights(n_features: int, gamma: float) -> np.ndarray:
    r"""Return the weights :math:`\lambda_i=Z_\gamma i^{-\gamma}`, all positive, shape (n_features,).

    Examples
    --------
    >>> from hierlib.chapters.explorer import positive_weights
    >>> positive_weights(2, 1.0).round(3)
    array([0.894, 0.447])
    """
    norm = theory.normalization(n_features, gamma)
    return norm * np.arange(1, n_features + 1) ** -float(gamma)


def label_transform(link: str) -> str | None:
    """Return what bounds the labels of a link: nothing for "tanh", whose labels are bounded already.

    Examples
    --------
    >>> from hierlib.chapters.explorer import label_transform
    >>> label_transform("quadratic"), label_transform("tanh")
    ('tanh', None)
    """
    return None if check_choice("link", link, tuple(LINKS)) == "tanh" else "tanh"


def feature_curves(n_features: int, gamma: float, link: str, ratios: np.ndarray) -> FeatureCurves:
    r"""Compute thresholds, and alignments and eigenvalues at given :math:`n_i/n`, for positive weights.

    With :math:`a(s)=E[v/(1-vs)]` and :math:`\delta_i(s)=1/(s\varphi_i(s))`, feature i is at its threshold where
    :math:`s\,a'(s)=\varphi_i(s)`, and for smaller s

    .. math::
        \frac{n_i}{n} = \frac{s\,\varphi_i(s)}{s_i\,\varphi_i(s_i)}, \qquad \psi = \varphi_i+a, \qquad
        \cos^2\theta_i = \frac{\varphi_i/s-a'}{\varphi_i/s+\varphi_i'} .

    Parameters
    ----------
    n_features : int
        Number of features d1.
    gamma : float
        Exponent of the weights.
    link : {"identity", "tanh", "quadratic"}
        The readout; the labels are bounded by `label_transform`.
    ratios : array_like, shape (k,)
        Values of n_i/n, between 0 and 1.

    Returns
    -------
    FeatureCurves
        See its attributes.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    The limit D to infinity at fixed n/D of `hierlib.theory.asymptotics.predict` with ``ranking="edge"``, to 1e-3.

    References
    ----------
    This book, chapter *Sharp Constants*; not in the paper.

    Examples
    --------
    >>> from hierlib.chapters.explorer import feature_curves
    >>> curves = feature_curves(2, 0.4, "tanh", [0.1, 0.5])
    >>> curves.alignments.round(2)
    array([[0.81, 0.26],
           [0.85, 0.33]])
    """
    ratios = check_array("ratios", ratios, shape=(None,))
    if not ratios.size or np.any((ratios < 0) | (ratios > 1)):
        msg = f"ratios must lie between 0 and 1, at least one, got {ratios}."
        raise ValueError(msg)
    return _curves(_merge(_model(n_features, gamma, link).law), ratios)


def explorer_tables(max_features: int = 20) -> dict[str, Any]:
    r"""Tabulate all that the explorer page shows, for d1 up to `max_features`.

    Numbers of the kind that a slider stops at (D, d1, exponents) are listed; everything else is given on Chebyshev
    nodes of gamma, of :math:`n_i/n`, and of :math:`\delta^{-1/2}`, to be interpolated by the polynomial through them.

    Parameters
    ----------
    max_features : int, default 20
        Largest d1, between 2 and 20; the sliders' range of d ends where :math:`\sqrt d` reaches it.

    Returns
    -------
    dict
        Ready for `json.dumps`. A table is ``{"shape", "step", "data"}``: base64 of little-endian 16-bit integers in
        units of the step, which makes the text the same on every machine.

    Raises
    ------
    ValueError
        If `max_features` is out of range.

    Examples
    --------
    >>> from hierlib.chapters.explorer import explorer_tables
    >>> tables = explorer_tables(max_features=2)
    >>> tables["threshold"]["shape"]  # laws, pairs of d1 and feature, nodes of gamma
    [2, 3, 6]
    """
    max_features = check_integer("max_features", max_features, low=2, high=20)
    gammas = _nodes(6, 0.0, GAMMA_MAX)
    ratios = np.append(_nodes(5, 0.0, 1.0), 0.0)  # with the limit of many samples, which is exact
    scales = _nodes(7, DELTA_MAX**-0.5, DELTA_MIN**-0.5)
    counts = range(1, max_features + 1)
    laws = ("identity", "quadratic")  # with bounded labels, tanh has the moment matrix of the identity
    curves: list[Any] = []
    edges = np.empty((len(laws), max_features, gammas.size, scales.size, 2))
    for row, link in enumerate(laws):
        for d1 in counts:
            merged = [_merge(_model(d1, gamma, link).law) for gamma in gammas]
            edges[row, d1 - 1] = [_edges(law, scales) for law in merged]
            curves += [_curves(law, ratios) for law in merged]

    def by_feature(values: list[np.ndarray]) -> np.ndarray:
        """Stack arrays that start with d1 as (law, pair, gamma, ...)."""
        groups = [np.stack(values[k : k + gammas.size], axis=1) for k in range(0, len(values), gammas.size)]
        return np.concatenate(groups).reshape(len(laws), -1, *groups[0].shape[1:])

    return (
        _exact_tables(max_features)
        | _slow_tables((*(k for k in _FEATURE_KNOTS if k < max_features), max_features), scales)
        | {
            "links": [{"name": name, "law": int(name == "quadratic")} for name in LINKS],
            "delta_range": [DELTA_MIN, DELTA_MAX],
            "gamma_nodes": gammas.round(9).tolist(),
            "ratio_nodes": ratios.round(9).tolist(),
            "scale_nodes": scales.round(9).tolist(),
            "threshold": _encode(by_feature([np.log(c.thresholds) for c in curves]), 3e-4),
            "alignment": _encode(by_feature([c.alignments / (1 - ratios) for c in curves]), 1e-4),
            "eigenvalue": _encode(by_feature([c.eigenvalues for c in curves]), 1e-4),
            "edge": _encode(edges / scales[:, None], 2e-4),
        }
    )


def _model(n_features: int, gamma: float, link: str) -> Model:
    parameters = TargetParameters(positive_weights(n_features, gamma), d=_LIMIT, q=1, link_function=LINKS[link])
    return build_model(parameters, label_transform(link), radial=False, remainder=False, normalize=False)


def _merge(law: WeightLaw, size: int = _MERGED) -> WeightLaw:
    """Put neighbouring atoms together, keeping masses and means; empty ones are left where they are in the middle."""
    first = np.arange(0, law.values.size, size)
    masses = np.add.reduceat(law.masses, first)
    middle = np.add.reduceat(law.values, first) / np.add.reduceat(np.ones(law.values.size), first)
    return WeightLaw(
        np.divide(np.add.reduceat(law.masses * law.values, first), masses, out=middle, where=masses > 0),
        masses,
        np.add.reduceat(law.reweighted, first, axis=1),
        np.add.reduceat(law.label_masses, first),
        np.add.reduceat(law.label_reweighted, first, axis=1),
    )


def _bulk(law: WeightLaw, delta: float) -> Bulk:
    return Bulk(law, delta, delta * _LIMIT)


def _curves(law: WeightLaw, ratios: np.ndarray) -> FeatureCurves:
    bulk, index = _bulk(law, 1.0), np.arange(len(law.reweighted))
    end = 1 / law.values.max()
    s = end * np.linspace(1 / 250, 1, 250)
    _, slope, phi, _ = bulk.moments(s)
    beyond = s * slope > phi
    last = np.where(beyond.any(axis=1), beyond.argmax(axis=1), s.size - 1)
    low, high = s[np.maximum(last - 1, 0)], s[last]
    for _ in range(20):
        middle = 0.5 * (low + high)
        _, slope, phi, _ = bulk.moments(middle)
        past = middle * slope > phi[index, index]
        low, high = np.where(past, low, middle), np.where(past, middle, high)

    # Clustered at both ends, as the curves are read off by splines in n_i/n.
    fractions = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, _CURVE_POINTS + 1) / _CURVE_POINTS)
    s = low[:, None] * fractions
    a, slope, phi, phi_slope = (x.reshape(*x.shape[:-1], *s.shape) for x in bulk.moments(s.ravel()))
    own, own_slope = phi[index, index], phi_slope[index, index]
    inverse_delta = s * own
    ratio = inverse_delta / inverse_delta[:, -1:]
    cosine2 = (own / s - slope) / (own / s + own_slope)
    cosine2[:, -1] = 0.0
    one = np.ones((index.size, 1))
    return FeatureCurves(
        1 / inverse_delta[:, -1],
        _read(ratio, np.hstack([one, cosine2]), ratios),
        _read(ratio, np.hstack([law.strengths[:, None], own + a]), ratios),
    )


def _read(ratio: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate each row of `values`, given at 0 and at the row's ratios."""
    rows = zip(ratio, values, strict=True)
    return np.stack([CubicSpline(np.append(0.0, x), y)(at) for x, y in rows])


def _edges(law: WeightLaw, scales: np.ndarray) -> np.ndarray:
    """Compute the ends of the bulk where 1/sqrt(delta) is in `scales`, shape (k, 2): there delta s^2 a'(s) = 1."""
    ends = []
    for limit in (law.values.min(), law.values.max()):
        s = np.linspace(0.002, 1.0, _EDGE_POINTS) / limit
        a, slope, _, _ = _bulk(law, 1.0).moments(s)
        # Up to the largest scale asked for: closer to the pole the smoothed kernel takes over.
        stop = int(np.argmax(s**2 * slope > scales.max() ** 2)) + 1
        s, a, slope = s[:stop], a[:stop], slope[:stop]
        ends.append(CubicSpline(np.abs(s) * np.sqrt(slope), s * slope + a)(scales))
    return np.stack(ends, axis=1)


def _exact_tables(max_features: int) -> dict[str, Any]:
    """List what the sliders choose among: dimensions, numbers of features, the paper's thresholds and rates."""
    dimensions = [d for d in _DIMENSIONS if d < (max_features + 1) ** 2]
    stops = np.arange(0, GAMMA_MAX + GAMMA_STEP / 2, GAMMA_STEP).round(2)
    nodes = _nodes(10, 0.0, GAMMA_MAX)
    order, tail, guide = [], [], []
    for d1 in range(1, max_features + 1):
        size = {"n_features": d1, "gamma": 0.0}
        sizes = [size | {"gamma": gamma} for gamma in nodes]
        index = np.arange(1, d1 + 1)
        order += [np.log([theory.recovery_threshold(index, dim=1, strict=False, **size) for size in sizes]).T]
        tail += [np.array([theory.weight_tail(np.arange(d1 + 1), **size) for size in sizes]).T]
        guide.append([_guide(d1, gamma) for gamma in stops])
    return {
        "d": dimensions,
        "q": [1, 2, 3],
        "eps": list(_EPSILONS),
        "gamma": stops.tolist(),
        "dim": [[comb(d + q - 1, q) for d in dimensions] for q in (1, 2, 3)],
        "n_features": [[floor(d**eps * (1 + 1e-12)) for eps in _EPSILONS] for d in dimensions],
        "fine_gamma_nodes": nodes.round(9).tolist(),
        "order": _encode(np.concatenate(order), 3e-4),
        "tail": _encode(np.concatenate(tail), 1e-4),
        "exponent": [None if gamma == 0 else round(theory.mse_exponent(gamma, strict=False), 6) for gamma in stops],
        "guide": guide,
    }


def _guide(n_features: int, gamma: float) -> float | None:
    """Logarithm of the power law (its complement to 1 below gamma = 1/2) at n = D; None where there is none."""
    if gamma in (0.0, 0.5):
        return None
    rate = theory.mse_rate(1, dim=1, n_features=n_features, gamma=gamma, strict=False)
    logarithm = np.log(rate) if gamma > 0.5 else np.log1p(-rate) if rate < 1 else -np.inf
    return round(float(logarithm), 4) if logarithm > -30 else None


def _slow_tables(knots: tuple[int, ...], scales: np.ndarray) -> dict[str, Any]:
    """Tabulate what varies slowly with d1: shape of the bulk and error of the readout."""
    gammas, positions = _nodes(4, 0.0, GAMMA_MAX), _nodes(7, 0.0, 1.0)
    # These come from quasi-random points: a polynomial would amplify their scatter, straight lines do not.
    gamma_knots, recovered = np.linspace(0.0, GAMMA_MAX, 5), np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 0.999])
    density = np.empty((2, len(knots), gammas.size, scales.size, 2, positions.size))
    # Exact for the identity, and where nothing is recovered.
    readout = np.tile(1 - recovered, (len(LINKS), len(knots), gamma_knots.size, 1))
    for column, d1 in enumerate(knots):
        for row, link in enumerate(("identity", "quadratic")):
            for node, gamma in enumerate(gammas):
                density[row, column, node] = _shapes(_merge(_model(d1, gamma, link).law, 16), scales, positions)
        for row, link in enumerate(LINKS):
            for node, gamma in enumerate(gamma_knots if link != "identity" else ()):
                readout[row, column, node, 1:] = _readout_errors(_model(d1, gamma, link), recovered[1:])
    return {
        "feature_knots": list(knots),
        "gamma_knots": gamma_knots.round(9).tolist(),
        "recovered_knots": recovered.tolist(),
        "coarse_gamma_nodes": gammas.round(9).tolist(),
        "position_nodes": positions.round(9).tolist(),
        "density": _encode(density, 3e-4),
        "readout": _encode(readout, 1e-4),
    }


def _shapes(law: WeightLaw, scales: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Logarithm of the density over a semicircle's square root, at edge * position**2 on either side of zero."""
    shapes = np.empty((scales.size, 2, positions.size))
    for row, scale in enumerate(scales):
        bulk = _bulk(law, scale**-2)
        low, high = bulk.levels(np.array([bulk.edges[-1], bulk.edges[1]]))[0]
        z = np.concatenate([low * positions**2, high * positions**2])
        root = np.sqrt((z - low) * (high - z))
        shapes[row] = np.log(bulk.density(z) * (high - low) ** 2 / root).reshape(2, -1)
    return shapes


def _readout_errors(model: Model, recovered: np.ndarray) -> np.ndarray:
    """Test error, second layer on fresh data, where the recovered share sum lambda_i^2 c_i^4 has given values."""
    curves = _curves(_merge(model.law), chebyshev.chebpts1(24) / 2 + 0.5)
    splines = [CubicSpline(chebyshev.chebpts1(24) / 2 + 0.5, row) for row in curves.alignments]
    deltas = np.geomspace(curves.thresholds.min(), 1e3 * curves.thresholds.max(), 400)
    ratios = np.minimum(curves.thresholds[:, None] / deltas, 1.0)
    aligned = np.stack([np.clip(spline(r), 0, 1) for spline, r in zip(splines, ratios, strict=True)])
    aligned[ratios == 1] = 0.0
    share = model.weights**2 @ aligned**2
    errors = np.empty(recovered.size)
    for k, target in enumerate(recovered):
        cosine2 = np.array([np.interp(target, share, row) for row in aligned])
        feature = np.flatnonzero(cosine2)
        strength = (model.law.label_reweighted - model.law.label_masses).sum(axis=1)
        errors[k] = readout_error(model, feature, cosine2[feature], (strength * cosine2)[feature], np.zeros(0))
    return errors


def _nodes(count: int, low: float, high: float) -> np.ndarray:
    """Chebyshev nodes of an interval; the polynomial through them is close to the best one."""
    return 0.5 * (low + high) + 0.5 * (high - low) * chebyshev.chebpts1(count)


def _encode(values: np.ndarray, step: float) -> dict[str, Any]:
    """Write an array as base64 of 16-bit integers in units of `step`."""
    integers = np.rint(values / step)
    if not np.all(np.abs(integers) < 2**15):
        msg = f"step {step} is too small for values up to {np.abs(values).max()}."
        raise ValueError(msg)
    text = base64.b64encode(integers.astype("<i2").tobytes()).decode()
    return {"shape": list(values.shape), "step": step, "data": text}
