r"""What the features that are not recovered cost: tails of the weights, the test error and its exponents.

The test error at :math:`n` samples is the weight of the features that are not known yet,
:math:`Z_\gamma^2\sum_{i>m_n} i^{-2\gamma}` (Theorem 3.2), with the exact finite sums beside every limit. Constants,
``sharp`` and ``strict`` are those of `hierlib.theory.thresholds`. Every function is a closed form or a sum over d1
terms. The source is arXiv:2605.14567, section 3 and appendix D.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import zeta

from hierlib.checks import check_array, check_integer
from hierlib.theory.thresholds import (
    MAX_DIM,
    MAX_FEATURES,
    Link,
    check_assumption,
    check_decay,
    check_indices,
    check_model,
    check_samples,
    check_window,
    normalization_rate,
    recovered_count,
    recovery_threshold,
    restore_shape,
    tail_sums,
    threshold_constant,
)

__all__ = [
    "local_exponent",
    "mse_exponent",
    "mse_partial",
    "mse_rate",
    "mse_tail",
    "partial_recovery_factor",
    "weight_tail",
    "weight_tail_rate",
]


def weight_tail(m: ArrayLike, *, n_features: int, gamma: float) -> Any:
    r"""Sum the squared weights beyond the first m features.

    .. math:: Z_\gamma^2 \sum_{m < i \le d_1} i^{-2\gamma}.

    This is the test error, over the variance of the labels, of a predictor that knows the first m features
    of the identity-link target exactly and nothing else.

    Parameters
    ----------
    m : array_like of int
        Numbers of known features, ``0 <= m <= n_features``.
    n_features, gamma
        As in `normalization`.

    Returns
    -------
    float or ndarray
        Same shape as `m`; from 1 at ``m = 0`` to 0 at ``m = n_features``.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    arXiv:2605.14567, (D.8).

    Examples
    --------
    >>> from hierlib.theory import weight_tail
    >>> weight_tail([0, 1, 2], n_features=2, gamma=1.0)
    array([1. , 0.2, 0. ])
    """
    n_features, gamma = check_model(n_features, gamma)
    known = check_indices("m", m, n_features, low=0).astype(int)
    tail = tail_sums(n_features, gamma)
    return restore_shape(tail[known] / tail[0], m)


def weight_tail_rate(m: ArrayLike, *, n_features: int, gamma: float) -> Any:
    r"""Evaluate the weight beyond the first m features by integrals.

    .. math::
        Z_\gamma^2 \sum_{i > m} i^{-2\gamma} \simeq \begin{cases}
        1 - (m/d_1)^{1 - 2\gamma} & \gamma < 1/2, \\
        \dfrac{\log(d_1/m)}{\log d_1 + \gamma_E} & \gamma = 1/2, \\
        \dfrac{m^{1 - 2\gamma}}{(2\gamma - 1)\,\zeta(2\gamma)} & \gamma > 1/2. \end{cases}

    Parameters
    ----------
    m : array_like
        Numbers of known features, positive reals; for :math:`\gamma > 1/2` the limit :math:`d_1 = \infty`
        is taken, so m must be far below `n_features`.
    n_features, gamma
        As in `normalization`.

    Returns
    -------
    float or ndarray
        Same shape as `m`; relative error :math:`O(1/m)` for :math:`1 \ll m \ll d_1`, :math:`\gamma > 1/2`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    arXiv:2605.14567, (D.8)-(D.20); the constants: this book.

    Examples
    --------
    >>> from hierlib.theory import weight_tail, weight_tail_rate
    >>> tail = weight_tail([10, 100], n_features=10**6, gamma=1.0)
    >>> (tail / weight_tail_rate([10, 100], n_features=10**6, gamma=1.0)).round(3)
    array([0.952, 0.995])
    """
    n_features, gamma = check_model(n_features, gamma)
    known = np.atleast_1d(check_array("m", m, shape=None))
    if not np.all(known > 0):
        msg = f"m must be positive, got {m!r}."
        raise ValueError(msg)
    if gamma > 0.5:
        tail = known ** (1 - 2 * gamma) / ((2 * gamma - 1) * zeta(2 * gamma))
    elif gamma == 0.5:
        tail = np.log(n_features / known) / (np.log(n_features) + np.euler_gamma)
    else:
        tail = 1 - (known / n_features) ** (1 - 2 * gamma)
    return restore_shape(tail, m)


def mse_tail(
    n: ArrayLike,
    *,
    dim: int,
    n_features: int,
    gamma: float,
    sharp: bool = False,
    strict: bool = True,
) -> Any:
    r"""Compute the test error left by the unrecovered features.

    .. math:: \mathrm{MSE}(n) = Z_\gamma^2 \sum_{i > m_n} i^{-2\gamma}.

    Parameters
    ----------
    n : array_like
        Sample sizes, positive, in samples.
    dim, n_features, gamma, sharp, strict
        As in `recovery_threshold`, for the identity link (the tail of another link is not the tail of its
        labels).

    Returns
    -------
    float or ndarray
        Mean squared error over the variance of the labels, same shape as `n`: a descending staircase.

    Raises
    ------
    ValueError
        As `recovery_threshold`.

    Notes
    -----
    Recovered features count as exact and unrecovered ones as absent; see `mse_partial`.

    References
    ----------
    arXiv:2605.14567, Theorem 3.2, (D.8)-(D.20).

    Examples
    --------
    >>> from hierlib.theory import mse_tail
    >>> mse_tail([100, 125, 500], dim=100, n_features=2, gamma=1.0)
    array([1. , 0.2, 0. ])
    """
    count = recovered_count(n, dim=dim, n_features=n_features, gamma=gamma, sharp=sharp, strict=strict)
    return weight_tail(count, n_features=n_features, gamma=gamma)


def mse_partial(
    n: ArrayLike,
    *,
    dim: int,
    n_features: int,
    gamma: float,
    strict: bool = True,
) -> Any:
    r"""Compute the test error left by unrecovered features and by recovered ones that are not yet exact.

    A feature found with alignment :math:`c_i^2` explains the share :math:`c_i^4` of its variance:

    .. math::
        \mathrm{MSE}(n) = 1 - \sum_{i \le d_1} \lambda_i^2 c_i^4, \qquad
        c_i^2 = \Bigl( 1 - \frac{n_i + 2 D}{n} \Bigr)_+ ,

    with :math:`n_i = D/(2 \lambda_i^2)` the sharp threshold and :math:`2 D` the feature's own share of the label
    variance, as in `alignment_error`. A feature far above its threshold costs :math:`(1 + 4 \lambda_i^2) D/n`,
    nearly the same for all but the strongest.

    Parameters
    ----------
    n : array_like
        Sample sizes, positive, in samples.
    dim, n_features, gamma, strict
        As in `recovery_threshold`, for the identity link.

    Returns
    -------
    float or ndarray
        Mean squared error over the variance of the labels, same shape as `n`: continuous, decreasing.

    Raises
    ------
    ValueError
        As `recovery_threshold`.

    See Also
    --------
    partial_recovery_factor : its ratio to the tail for many features.

    Notes
    -----
    To leading order for :math:`D \to \infty`, then :math:`n/D \to \infty`, with upper layers that have no error of
    their own; see `hierlib.theory.asymptotics` for finite n/D. Cost: one sum over the features, whatever the length of
    `n`.

    References
    ----------
    This book. The paper's proof has the tail, and orders of magnitude.

    Examples
    --------
    >>> from hierlib.theory import mse_partial
    >>> mse_partial([250, 2500, 25000], dim=100, n_features=2, gamma=1.0).round(4)
    array([1.    , 0.2247, 0.0238])
    """
    dim = check_integer("dim", dim, low=1, high=MAX_DIM)
    size = check_samples(n)
    index = np.arange(1, check_integer("n_features", n_features, low=1, high=MAX_FEATURES) + 1)
    threshold = recovery_threshold(index, dim=dim, n_features=n_features, gamma=gamma, sharp=True, strict=strict)
    count = np.searchsorted(threshold + 2 * dim, size, side="right")
    tail = weight_tail(count, n_features=n_features, gamma=gamma)
    # Sums over i <= m of lambda_i^2 times 1, n_i and n_i^2: with lambda_i^2 n_i = D/2 one pass serves all sizes.
    passed = np.append(0.0, np.cumsum(threshold))[count]
    own = 2 * dim / size
    explained = (1 - own) ** 2 * (1 - tail) - (1 - own) * dim / size * count + dim / (2 * size**2) * passed
    return restore_shape(1 - explained, n)


def partial_recovery_factor(gamma: float) -> float:
    r"""Compute the factor between the error with partly recovered features and the tail, for many features.

    .. math:: K_\gamma = \frac{8\gamma^2}{1 + 2\gamma}.

    For :math:`\gamma > 1/2` it multiplies the tail: `mse_partial` tends to :math:`K_\gamma` times `mse_rate` with
    ``sharp=True``. For :math:`0 < \gamma < 1/2` it multiplies the complement, :math:`1 - \mathrm{MSE}`, below the
    last threshold. A constant: the exponents of Theorem 3.2 stay.

    Parameters
    ----------
    gamma : float
        Decay exponent :math:`\gamma > 0`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If ``gamma <= 0``.

    Notes
    -----
    With :math:`n_i/n = x^{2\gamma}`, :math:`x = i/m_n`, the sum in `mse_partial` becomes
    :math:`\int_0^1 x^{-2\gamma}\,[2 x^{2\gamma} - x^{4\gamma}]\,dx` in units of :math:`Z_\gamma^2 m_n^{1 - 2\gamma}`,
    beside the tail's :math:`1/(2\gamma - 1)`.

    References
    ----------
    This book.

    Examples
    --------
    >>> from hierlib.theory import partial_recovery_factor
    >>> round(partial_recovery_factor(1.0), 3), partial_recovery_factor(0.5)
    (2.667, 1.0)
    """
    check_decay(gamma)
    return 8 * gamma**2 / (1 + 2 * gamma)


def mse_rate(
    n: ArrayLike,
    *,
    dim: int,
    n_features: int,
    gamma: float,
    sharp: bool = False,
    link: Link = "identity",
    strict: bool = True,
) -> Any:
    r"""Evaluate the power law of the test error, Theorem 3.2, with the constants of the thresholds (2.10).

    With :math:`c = 1` (the paper's order) or :math:`c = 1/2` (``sharp=True``) in :math:`n_i =
    c\,D\,i^{2\gamma}/Z_\gamma^2`,

    .. math::
        \mathrm{MSE}(n) \simeq \begin{cases}
        1 - \left( \dfrac{(1 - 2\gamma)\,n}{c\,d_1 D} \right)^{\frac{1}{2\gamma} - 1} & 0 < \gamma < 1/2, \\
        \dfrac{1}{(2\gamma - 1)\,\zeta(2\gamma)}
        \left( \dfrac{n}{c\,\zeta(2\gamma)\,D} \right)^{-1 + \frac{1}{2\gamma}} & \gamma > 1/2. \end{cases}

    Parameters
    ----------
    n : array_like
        Sample sizes, in samples, with ``dim < n < n_{d1}``, the threshold of the last feature (of order
        :math:`d_1 D` for :math:`\gamma < 1/2`).
    dim, n_features, gamma, sharp, link, strict
        As in `recovery_threshold`.

    Returns
    -------
    float or ndarray
        Mean squared error over the variance of the labels, same shape as `n`.

    Raises
    ------
    ValueError
        If an argument is out of range; for ``gamma = 0`` or ``1/2`` always (no power law); in strict mode
        also for :math:`\gamma > 1/2` with another link (not proved) and outside ``dim < n < n_{d1}``.

    References
    ----------
    arXiv:2605.14567, Theorem 3.2, (2.15), (3.4); the constants: this book.

    Examples
    --------
    >>> from hierlib.theory import mse_rate, mse_tail
    >>> parameters = {"dim": 100, "n_features": 10**6, "gamma": 1.0}
    >>> n = [10**4, 10**6, 10**8]
    >>> (mse_tail(n, **parameters) / mse_rate(n, **parameters)).round(2)
    array([1.04, 1.01, 1.  ])
    """
    size = check_samples(n)
    n_features, gamma = check_model(n_features, gamma)
    check_power_law(gamma)
    last = recovery_threshold(
        n_features, dim=dim, n_features=n_features, gamma=gamma, sharp=sharp, link=link, strict=strict
    )
    if strict:
        check_window(size, dim, last)
    known = (normalization_rate(n_features, gamma) ** 2 * size / (threshold_constant(sharp) * dim)) ** (1 / (2 * gamma))
    return restore_shape(weight_tail_rate(known, n_features=n_features, gamma=gamma), n)


def mse_exponent(gamma: float, *, link: Link = "identity", strict: bool = True) -> float:
    r"""Compute the exponent of the error in the sample size, :math:`-1 + 1/(2\gamma)` (2.15).

    For :math:`\gamma > 1/2`, :math:`\mathrm{MSE} \asymp (n/D)^{-1 + 1/(2\gamma)}`, a negative exponent. For
    :math:`0 < \gamma < 1/2` the same number is positive and belongs to the complement, :math:`1 -
    \mathrm{MSE} \asymp (n/(d_1 D))^{-1 + 1/(2\gamma)}`.

    Parameters
    ----------
    gamma : float
        Decay exponent :math:`\gamma > 0`.
    link, strict
        As in `recovery_threshold`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If ``gamma <= 0``; in strict mode if ``gamma = 1/2``, or ``gamma > 1/2`` with another link than the
        identity.

    References
    ----------
    arXiv:2605.14567, Theorem 3.2.

    Examples
    --------
    >>> from hierlib.theory import mse_exponent
    >>> mse_exponent(1.0), mse_exponent(0.25)
    (-0.5, 1.0)
    """
    check_decay(gamma)
    if strict and gamma == 0.5:
        msg = "gamma must differ from 1/2 for Theorem 3.2, got 0.5; strict=False returns the formula anyway."
        raise ValueError(msg)
    check_assumption(gamma, link, sharp=False, strict=strict)
    return -1 + 1 / (2 * gamma)


def local_exponent(m: ArrayLike, *, n_features: int, gamma: float) -> Any:
    r"""Compute the exponent that the finite sum shows between two consecutive thresholds.

    .. math::
        \frac{\log T_{m+1} - \log T_m}{\log n_{m+1} - \log n_m}, \qquad
        T_m = \begin{cases} \sum_{i \le m} i^{-2\gamma} & \gamma < 1/2, \\
        \sum_{m < i \le d_1} i^{-2\gamma} & \gamma > 1/2, \end{cases}

    the slope of the line through two corners of the staircase :math:`1 - \mathrm{MSE}`, or :math:`\mathrm{MSE}`. It
    does not depend on D or on the constant of the thresholds.

    Parameters
    ----------
    m : array_like of int
        Numbers of recovered features, at least 1, and at most ``n_features - 1`` (:math:`\gamma < 1/2`) or
        ``n_features - 2`` (:math:`\gamma > 1/2`).
    n_features, gamma
        As in `normalization`.

    Returns
    -------
    float or ndarray
        Same shape as `m`; tends to `mse_exponent` for :math:`1 \ll m \ll d_1`, with a relative error of order
        :math:`m^{2\gamma - 1}` for :math:`\gamma < 1/2`, and :math:`1/m + (m/d_1)^{2\gamma - 1}` for
        :math:`\gamma > 1/2`.

    Raises
    ------
    ValueError
        If an argument is out of range; for ``gamma = 0`` or ``1/2`` (no power law).

    References
    ----------
    This book.

    Examples
    --------
    >>> from hierlib.theory import local_exponent
    >>> [round(local_exponent(20, n_features=d1, gamma=1.0), 2) for d1 in (30, 100, 1000)]
    [-1.57, -0.62, -0.5]
    """
    n_features, gamma = check_model(n_features, gamma)
    check_power_law(gamma)
    known = check_indices("m", m, n_features - (1 if gamma < 0.5 else 2)).astype(int)
    tail = tail_sums(n_features, gamma)
    sums = tail[0] - tail if gamma < 0.5 else tail
    return restore_shape(np.log(sums[known + 1] / sums[known]) / (2 * gamma * np.log1p(1 / known)), m)


def check_power_law(gamma: float) -> None:
    check_decay(gamma)
    if gamma == 0.5:
        msg = "gamma must differ from 1/2, where the tail is logarithmic (weight_tail_rate), got 0.5."
        raise ValueError(msg)
