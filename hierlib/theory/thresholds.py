r"""The paper's thresholds and counts of recovered features, with the exact finite sums beside every limit.

For the target with weights :math:`\lambda_i = \pm Z_\gamma i^{-\gamma}`, :math:`i \le d_1`, in a feature
space of dimension :math:`D`, feature :math:`i` is recovered from :math:`n_i \asymp
D\,i^{2\gamma}/Z_\gamma^2` samples on (2.10), so :math:`m_n` features are known at :math:`n` samples
(Corollary 3.1); what the others cost is the matter of `hierlib.theory.rates`. Everything is a closed form or
a sum over :math:`d_1` terms; no simulation, no estimator.

Constants. The paper fixes orders of magnitude, and its :math:`n_i` has constant 1. With ``sharp=True`` the
constants are those of the limit :math:`D \to \infty`, then :math:`n/D \to \infty`, for the link and the
label transform both the identity (this book): thresholds become :math:`D/\theta_i^2 = D\,i^{2\gamma}/(2
Z_\gamma^2)`, half the paper's, with :math:`\theta_i = \sqrt2\,\lambda_i` the eigenvalues of
:math:`\mathbb{E}\hat C`. Other links and finite :math:`n/D` are the matter of :mod:`hierlib.theory.asymptotics`.

Assumptions. A function named after a theorem raises a ValueError where the theorem does not apply;
``strict=False`` evaluates the formula all the same.

References
----------
arXiv:2605.14567, sections 2-3 and appendices C-D.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import zeta

from hierlib.checks import check_array, check_integer, check_real

__all__ = [
    "alignment_error",
    "decade_slopes",
    "eigengap",
    "eigenvalue",
    "noise_norm",
    "normalization",
    "normalization_rate",
    "recovered_count",
    "recovered_count_rate",
    "recovery_threshold",
    "visible_stretch",
]

Link = str | Callable[..., Any]

# Sums over features take arrays of that length; powers of an index and of gamma are floats, and so is D.
MAX_FEATURES, MAX_GAMMA, MAX_DIM = 10**8, 15.0, 10**60


def normalization(n_features: int, gamma: float) -> float:
    r"""Compute the constant :math:`Z_\gamma` that gives the weights unit norm.

    .. math:: Z_\gamma = \Bigl(\sum_{i \le d_1} i^{-2\gamma}\Bigr)^{-1/2}.

    Parameters
    ----------
    n_features : int
        Number of features :math:`d_1 \ge 1`.
    gamma : float
        Decay exponent :math:`\gamma \ge 0` of the weights.

    Returns
    -------
    float
        :math:`Z_\gamma \in (0, 1]`, the exact finite sum.

    Raises
    ------
    ValueError
        If an argument is out of range.

    See Also
    --------
    normalization_rate : its limit for many features.

    Examples
    --------
    >>> from hierlib.theory import normalization
    >>> round(normalization(2, 1.0) ** -2, 6), normalization(4, 0.0)
    (1.25, 0.5)
    """
    n_features, gamma = check_model(n_features, gamma)
    return float(tail_sums(n_features, gamma)[0] ** -0.5)


def normalization_rate(n_features: int, gamma: float) -> float:
    r"""Evaluate the limit of :math:`Z_\gamma` for many features.

    .. math::
        Z_\gamma \simeq \begin{cases} \sqrt{1 - 2\gamma}\; d_1^{\gamma - 1/2} & \gamma < 1/2, \\
        (\log d_1 + \gamma_E)^{-1/2} & \gamma = 1/2, \\ \zeta(2\gamma)^{-1/2} & \gamma > 1/2, \end{cases}

    with :math:`\gamma_E` Euler's constant and :math:`\zeta` Riemann's function. Delocalised weights share the
    variance among all features; localised ones leave most of it with the first few.

    Parameters
    ----------
    n_features : int
        Number of features :math:`d_1 \ge 1`.
    gamma : float
        Decay exponent :math:`\gamma \ge 0`.

    Returns
    -------
    float
        The limit; its relative error is :math:`O(d_1^{-|2\gamma - 1|})`, so it is poor near :math:`\gamma =
        1/2`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from hierlib.theory import normalization, normalization_rate
    >>> [round(normalization(d1, 0.2) / normalization_rate(d1, 0.2), 3) for d1 in (10, 1000, 100000)]
    [1.079, 1.005, 1.0]
    """
    n_features, gamma = check_model(n_features, gamma)
    if gamma < 0.5:
        return float(np.sqrt(1 - 2 * gamma) * n_features ** (gamma - 0.5))
    if gamma == 0.5:
        return float((np.log(n_features) + np.euler_gamma) ** -0.5)
    return float(zeta(2 * gamma) ** -0.5)


def eigenvalue(i: ArrayLike, *, n_features: int, gamma: float) -> Any:
    r"""Compute the modulus of the population eigenvalue of a feature.

    .. math:: |\theta_i| = \sqrt2\,|\lambda_i| = \sqrt2\,Z_\gamma\,i^{-\gamma}.

    It belongs to :math:`\mathbb{E}\hat C = \sum_i \theta_i A_i A_i^\top` for the identity link,
    :math:`\theta_i = \mathbb{E}[y((h_i)^2 - 1)]`; it is exact for Gaussian features, and up to
    :math:`O(1/d)` for Hermite features (Lemma C.1).

    Parameters
    ----------
    i : array_like of int
        Feature indices, ``1 <= i <= n_features``.
    n_features, gamma
        As in `normalization`.

    Returns
    -------
    float or ndarray
        Same shape as `i`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from hierlib.theory import eigenvalue
    >>> eigenvalue([1, 2, 4], n_features=4, gamma=0.0).round(4)
    array([0.7071, 0.7071, 0.7071])
    """
    n_features, gamma = check_model(n_features, gamma)
    index = check_indices("i", i, n_features)
    return restore_shape(np.sqrt(2.0) * normalization(n_features, gamma) * index ** (-gamma), i)


def eigengap(k: ArrayLike, *, n_features: int, gamma: float) -> Any:
    r"""Compute the distance from the eigenvalue of feature k to the nearest other one, all signs equal.

    .. math:: \mathrm{gap}_k = \theta_k - \theta_{k+1} \simeq \sqrt2\,\gamma Z_\gamma k^{-\gamma - 1},

    and :math:`\min(\theta_{d_1 - 1} - \theta_{d_1}, \theta_{d_1})` for the last feature, whose other
    neighbour is the kernel. Equal signs are the worst case: an opposite sign only moves an eigenvalue
    further away. Dividing by it rather than by :math:`\theta_k` is what costs the Davis-Kahan bound a
    factor :math:`k/\gamma`.

    Parameters
    ----------
    k : array_like of int
        Feature indices, ``1 <= k <= n_features``.
    n_features, gamma
        As in `normalization`.

    Returns
    -------
    float or ndarray
        Same shape as `k`; zero for ``gamma = 0`` and more than one feature, where all eigenvalues coincide.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory import eigengap, eigenvalue
    >>> k = np.array([1, 10, 100])
    >>> (eigengap(k, n_features=1000, gamma=0.8) * k / eigenvalue(k, n_features=1000, gamma=0.8)).round(3)
    array([0.426, 0.734, 0.793])
    """
    n_features, gamma = check_model(n_features, gamma)
    index = check_indices("k", k, n_features)
    spectrum = np.append(eigenvalue(np.arange(1, n_features + 1), n_features=n_features, gamma=gamma), 0.0)
    down = spectrum[:-1] - spectrum[1:]
    up = np.append(np.inf, down[:-1])
    return restore_shape(np.minimum(down, up)[index.astype(int) - 1], k)


def noise_norm(n: ArrayLike, *, dim: int, sharp: bool = False) -> Any:
    r"""Evaluate the size of the noise in the moment matrix (Lemma C.2).

    .. math:: \|\Delta\|_{op} \lesssim \sqrt{D/n}.

    With ``sharp=True``, :math:`2\sqrt{D/n}`: for :math:`D \to \infty`, then :math:`n/D \to \infty`, and
    unit label variance :math:`\Delta = \hat C - \mathbb{E}\hat C` has the spectrum of a Gaussian symmetric
    matrix with entries of variance :math:`1/n`.

    Parameters
    ----------
    n : array_like
        Sample sizes, positive, in samples.
    dim : int
        Dimension :math:`D` of the feature space.
    sharp : bool, default False
        Use the sharp constant 2 instead of the paper's order.

    Returns
    -------
    float or ndarray
        Same shape as `n`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    At finite ``n / dim`` heavy-tailed labels (the identity link) push the largest eigenvalues further out.

    Examples
    --------
    >>> from hierlib.theory import noise_norm
    >>> noise_norm([100, 400], dim=100)
    array([1. , 0.5])
    """
    dim = check_integer("dim", dim, low=1, high=MAX_DIM)
    size = check_samples(n)
    return restore_shape((2.0 if sharp else 1.0) * np.sqrt(dim / size), n)


def recovery_threshold(
    i: ArrayLike,
    *,
    dim: int,
    n_features: int,
    gamma: float,
    sharp: bool = False,
    link: Link = "identity",
    strict: bool = True,
) -> Any:
    r"""Compute the sample size from which a feature is recovered (2.10).

    .. math:: n_i = D\,i^{2\gamma}/Z_\gamma^2.

    Parameters
    ----------
    i : array_like of int
        Feature indices, ``1 <= i <= n_features``; 1 is the strongest.
    dim : int
        Dimension :math:`D` of the feature space (:math:`\binom{d+q-1}{q}` for degree q in d inputs).
    n_features : int
        Number of features :math:`d_1`.
    gamma : float
        Decay exponent of the weights.
    sharp : bool, default False
        False: the paper's order, constant 1. True: the sharp limit :math:`D\,i^{2\gamma}/(2 Z_\gamma^2)`,
        exact for :math:`D \to \infty`, then :math:`n/D \to \infty`, identity link and label transform.
    link : str or callable, default "identity"
        The readout, as in `HierarchicalTarget`; only whether it is the identity matters here.
    strict : bool, default True
        Raise outside Assumption 3.1; False returns the formula anyway.

    Returns
    -------
    float or ndarray
        Thresholds in samples (not rounded), same shape as `i`.

    Raises
    ------
    ValueError
        If an argument is out of range; if `sharp` is asked for another link; in strict mode, if ``gamma =
        0``, or if ``gamma >= 1/2`` with another link than the identity.

    References
    ----------
    arXiv:2605.14567, (2.10), Assumption 3.1, Theorem 3.1; the sharp constant: this book.

    Examples
    --------
    >>> from hierlib.theory import recovery_threshold
    >>> recovery_threshold([1, 2], dim=100, n_features=2, gamma=1.0)
    array([125., 500.])
    >>> recovery_threshold([1, 2], dim=100, n_features=2, gamma=1.0, sharp=True)
    array([ 62.5, 250. ])
    """
    dim = check_integer("dim", dim, low=1, high=MAX_DIM)
    n_features, gamma = check_model(n_features, gamma)
    index = check_indices("i", i, n_features)
    check_assumption(gamma, link, sharp=sharp, strict=strict)
    return restore_shape(
        threshold_constant(sharp) * dim * index ** (2 * gamma) / normalization(n_features, gamma) ** 2, i
    )


def alignment_error(
    k: ArrayLike,
    n: ArrayLike,
    *,
    dim: int,
    n_features: int,
    gamma: float,
    sharp: bool = False,
    link: Link = "identity",
    strict: bool = True,
) -> Any:
    r"""Evaluate how far a recovered feature still is from its target (Theorem 3.1).

    The paper's order of :math:`1 - |\cos\theta_k|` is :math:`D k^{2\gamma}/(n Z_\gamma^2) = n_k/n`. With
    ``sharp=True`` it is the squared length of the first-order leakage into the kernel, halved:

    .. math::
        1 - |\cos\theta_k| \simeq \frac{D}{2n} \frac{\mathbb{E}[y^2 h_k^2]}{\theta_k^2}
        = \frac{D}{n} \Bigl( \frac{k^{2\gamma}}{4 Z_\gamma^2} + 1 \Bigr).

    The term 1 is the feature's own share of the label variance, :math:`\mathbb{E}[y^2 h_k^2] = 1 +
    4\lambda_k^2`. It bends the power law :math:`k^{2\gamma}` for the strongest features.

    Parameters
    ----------
    k : array_like of int
        Feature indices, ``1 <= k <= n_features``.
    n : array_like
        Sample sizes, in samples; broadcast against `k`.
    dim, n_features, gamma, sharp, link, strict
        As in `recovery_threshold`.

    Returns
    -------
    float or ndarray
        The leading order, of the broadcast shape of `k` and `n`.

    Raises
    ------
    ValueError
        If an argument is out of range; in strict mode also if a sample size lies below its feature's
        threshold (of the same `sharp`), where the expansion does not hold, or outside Assumption 3.1.

    References
    ----------
    arXiv:2605.14567, Theorem 3.1 and (C.24); the constants: this book.

    Examples
    --------
    >>> from hierlib.theory import alignment_error
    >>> alignment_error([1, 2], 10_000, dim=100, n_features=2, gamma=1.0)
    array([0.0125, 0.05  ])
    >>> alignment_error([1, 2], 10_000, dim=100, n_features=2, gamma=1.0, sharp=True).round(6)
    array([0.013125, 0.0225  ])
    """
    n_features, gamma = check_model(n_features, gamma)
    check_indices("k", k, n_features)
    threshold = recovery_threshold(
        k, dim=dim, n_features=n_features, gamma=gamma, sharp=sharp, link=link, strict=strict
    )
    size = check_samples(n)
    if strict and np.any(size < threshold):
        msg = (
            "n must be at least the recovery threshold of its feature "
            f"(smallest n {size.min():g}, largest threshold {np.max(threshold):g}); strict=False waives this."
        )
        raise ValueError(msg)
    # threshold = D / theta^2 if sharp, hence D (1 / (4 lambda^2) + 1) = threshold / 2 + D.
    error = (threshold / 2 + dim) / size if sharp else threshold / size
    return restore_shape(error, k, n)


def recovered_count(
    n: ArrayLike,
    *,
    dim: int,
    n_features: int,
    gamma: float,
    sharp: bool = False,
    link: Link = "identity",
    strict: bool = True,
) -> Any:
    r"""Count the features recovered at a sample size, :math:`m_n = \#\{i \le d_1 : n_i \le n\}`.

    Parameters
    ----------
    n : array_like
        Sample sizes, positive, in samples.
    dim, n_features, gamma, sharp, link, strict
        As in `recovery_threshold`.

    Returns
    -------
    int or ndarray of int
        Counts from 0 to `n_features`, same shape as `n`: a staircase.

    Raises
    ------
    ValueError
        As `recovery_threshold`.

    References
    ----------
    arXiv:2605.14567, Corollary 3.1 (the staircase behind it; Figure 4 right).

    Examples
    --------
    >>> from hierlib.theory import recovered_count
    >>> recovered_count([100, 125, 499, 500], dim=100, n_features=2, gamma=1.0)
    array([0, 1, 1, 2])
    """
    size = check_samples(n)
    threshold = recovery_threshold(
        np.arange(1, check_integer("n_features", n_features, low=1, high=MAX_FEATURES) + 1),
        dim=dim,
        n_features=n_features,
        gamma=gamma,
        sharp=sharp,
        link=link,
        strict=strict,
    )
    # A threshold passed back as n must count as reached although pow may round differently for arrays.
    count = np.searchsorted(threshold * (1 - 1e-12), size, side="right")
    return int(count[0]) if np.ndim(n) == 0 else count.reshape(np.shape(n))


def recovered_count_rate(
    n: ArrayLike,
    *,
    dim: int,
    n_features: int,
    gamma: float,
    sharp: bool = False,
    link: Link = "identity",
    strict: bool = True,
) -> Any:
    r"""Evaluate the smooth inverse of the thresholds (Corollary 3.1).

    .. math:: m_n \asymp (Z_\gamma^2 n/D)^{1/(2\gamma)}.

    Parameters
    ----------
    n : array_like
        Sample sizes, positive, in samples.
    dim, n_features, gamma, sharp, link, strict
        As in `recovery_threshold`; with ``sharp=True`` :math:`(2 Z_\gamma^2 n/D)^{1/(2\gamma)}`.

    Returns
    -------
    float or ndarray
        A real number of features, same shape as `n`; `recovered_count` is its integer part between the
        first and the last threshold.

    Raises
    ------
    ValueError
        As `recovery_threshold`; for ``gamma = 0`` always (one common cliff, no inverse); in strict mode also
        outside ``n_1 <= n <= n_{d1}``, where the count is 0 or `n_features`.

    References
    ----------
    arXiv:2605.14567, Corollary 3.1.

    Examples
    --------
    >>> from hierlib.theory import recovered_count_rate
    >>> recovered_count_rate([125, 500], dim=100, n_features=2, gamma=1.0)
    array([1., 2.])
    """
    size = check_samples(n)
    n_features, gamma = check_model(n_features, gamma)
    check_decay(gamma)
    first, last = recovery_threshold(
        np.array([1, n_features]),
        dim=dim,
        n_features=n_features,
        gamma=gamma,
        sharp=sharp,
        link=link,
        strict=strict,
    )
    if strict:
        # Same rounding allowance as recovered_count.
        check_window(size, first * (1 - 1e-12), last * (1 + 1e-12))
    return restore_shape((size / first) ** (1 / (2 * gamma)), n)


def decade_slopes(n: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    r"""Compute the exponent that a curve shows over a decade of sample sizes, around each size that allows it.

    .. math:: \log_{10} f\bigl(\sqrt{10}\,n\bigr) - \log_{10} f\bigl(n/\sqrt{10}\bigr),

    with `f` interpolated linearly between the logarithms.

    Parameters
    ----------
    n : array_like, shape (k,)
        Sample sizes, increasing, over more than a decade.
    values : array_like, shape (k,)
        The curve there, positive.

    Returns
    -------
    centres, slopes : ndarray, shape (m,)
        The sizes with half a decade on either side, at least one, and the slopes.

    Raises
    ------
    ValueError
        If the sizes do not increase, reach no decade around one of them, or a value is not positive.

    References
    ----------
    This book.

    Examples
    --------
    >>> from hierlib.theory import decade_slopes
    >>> n = np.array([10, 100, 1000])
    >>> decade_slopes(n, 5 * n**-0.5)
    (array([100.]), array([-0.5]))
    """
    size, curve = check_samples(n), check_positive("values", "numbers", values)
    if size.ndim != 1 or size.shape != curve.shape or np.any(np.diff(size) <= 0):
        msg = f"n must increase and have one size for each of the values, got {n!r} for {np.shape(values)} values."
        raise ValueError(msg)
    log_n, log_f = np.log10(size), np.log10(curve)
    inside = (log_n >= log_n[0] + 0.5) & (log_n <= log_n[-1] - 0.5)
    if not inside.any():
        msg = f"n must hold sizes with half a decade on either side, got {size[0]:g} to {size[-1]:g}."
        raise ValueError(msg)
    low, high = (np.interp(log_n[inside] + shift, log_n, log_f) for shift in (-0.5, 0.5))
    return size[inside], high - low


def visible_stretch(n: ArrayLike, values: ArrayLike, exponent: float, *, tolerance: float = 0.1) -> tuple[float, float]:
    r"""Find the longest stretch of sample sizes over which a curve shows the exponent of a power law.

    A size belongs to it if the slope over the decade around it (`decade_slopes`) differs from the exponent by less than
    the tolerance, :math:`|\text{slope}/\text{exponent} - 1| <` `tolerance`.

    Parameters
    ----------
    n, values : array_like, shape (k,)
        As in `decade_slopes`; the stretch is found to the spacing of the sizes.
    exponent : float
        The exponent, not zero.
    tolerance : float, default 0.1
        Largest relative difference, positive.

    Returns
    -------
    first, last : float
        Its ends, as sample sizes; the same twice, where the slope is closest, if the exponent is shown nowhere.

    Raises
    ------
    ValueError
        As `decade_slopes`; also if the exponent is zero or the tolerance not positive.

    References
    ----------
    This book.

    Examples
    --------
    >>> from hierlib.theory import visible_stretch
    >>> n = np.geomspace(1, 1e6, 13)
    >>> first, last = visible_stretch(n, 1 / n + 1e-3, -1.0)
    >>> round(first, 1), round(last, 1)
    (3.2, 31.6)
    """
    tolerance = check_real("tolerance", tolerance, low=0, open_low=True)
    if not check_real("exponent", exponent):
        msg = "exponent must not be zero."
        raise ValueError(msg)
    centres, slopes = decade_slopes(n, values)
    difference = np.abs(slopes / exponent - 1)
    shown = np.concatenate([[False], difference < tolerance, [False]])
    turns = np.flatnonzero(np.diff(shown)).reshape(-1, 2)
    nearest = int(np.argmin(difference))
    first, end = max(turns, key=lambda turn: centres[turn[1] - 1] / centres[turn[0]], default=(nearest, nearest + 1))
    return float(centres[first]), float(centres[end - 1])


def threshold_constant(sharp: bool) -> float:
    return 0.5 if sharp else 1.0


def tail_sums(n_features: int, gamma: float) -> np.ndarray:
    """Unnormalised tails sum_{i > m} i^(-2 gamma) for m = 0 ... n_features."""
    terms = np.arange(n_features, 0, -1, dtype=float) ** (-2 * gamma)
    # Summed from the small end: a tail of 1e-12 keeps its digits.
    return np.append(0.0, np.cumsum(terms))[::-1]


def check_model(n_features: int, gamma: float) -> tuple[int, float]:
    n_features = check_integer("n_features", n_features, low=1, high=MAX_FEATURES)
    return n_features, check_real("gamma", gamma, low=0, high=MAX_GAMMA)


def check_decay(gamma: float) -> None:
    check_real("gamma", gamma, low=0, high=MAX_GAMMA, open_low=True)


def check_assumption(gamma: float, link: object, *, sharp: bool, strict: bool) -> None:
    """Refuse what Assumption 3.1 leaves out."""
    if not (callable(link) or isinstance(link, str)):
        msg = f"link must be a name or a callable, got {link!r}."
        raise ValueError(msg)
    identity = isinstance(link, str) and link == "identity"
    if sharp and not identity:
        msg = f"sharp must be False unless link='identity', got link={link!r} (see hierlib.theory.asymptotics)."
        raise ValueError(msg)
    waiver = "strict=False returns the formula anyway."
    if strict and gamma == 0:
        msg = f"gamma must be > 0 under Assumption 3.1, got {gamma!r}; {waiver}"
        raise ValueError(msg)
    if strict and gamma >= 0.5 and not identity:
        msg = f"gamma must be < 1/2 under Assumption 3.1 (ii) for link={link!r}, got {gamma!r}; {waiver}"
        raise ValueError(msg)


def check_indices(name: str, value: ArrayLike, n_features: int, *, low: int = 1) -> np.ndarray:
    index = np.atleast_1d(check_array(name, value, shape=None))
    if np.asarray(value).dtype.kind not in "iu" or np.any(index < low) or np.any(index > n_features):
        msg = f"{name} must hold integers >= {low} and <= n_features = {n_features}, got {value!r}."
        raise ValueError(msg)
    return index


def check_samples(n: ArrayLike) -> np.ndarray:
    return check_positive("n", "sample sizes", n)


def check_positive(name: str, kind: str, value: ArrayLike) -> np.ndarray:
    array = np.atleast_1d(check_array(name, value, shape=None)).astype(float)
    if np.asarray(value).dtype.kind == "b" or not np.all(array > 0):
        msg = f"{name} must hold positive finite {kind}, got {value!r}."
        raise ValueError(msg)
    return array


def check_window(size: np.ndarray, low: float, high: float) -> None:
    if np.any(size <= low) or np.any(size >= high):
        msg = (
            f"n must lie between {low:.6g} and {high:.6g}, where the power law can hold, "
            f"got {size.min():.6g} to {size.max():.6g}; strict=False returns the formula anyway."
        )
        raise ValueError(msg)


def restore_shape(result: np.ndarray, *arguments: ArrayLike) -> Any:
    """Return a float where every argument was a scalar, an array of their broadcast shape elsewhere."""
    shape = np.broadcast_shapes(*(np.shape(argument) for argument in arguments))
    return float(result[0]) if shape == () else np.asarray(result).reshape(shape)
