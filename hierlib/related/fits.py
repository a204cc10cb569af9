r"""Compare independent measurements with a law: the exponent of a power law, and the mean ratio to any law.

The exponent comes from weighted least squares of :math:`\log y` on :math:`\log x`, the weights from the standard errors
of the measurements; each result has its own standard error.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hierlib.checks import check_array

__all__ = ["MeanRatio", "PowerLawFit", "fit_power_law", "mean_ratio"]


class MeanRatio(NamedTuple):
    """Result of :func:`mean_ratio`.

    Attributes
    ----------
    ratio : float
        Mean of measured over expected; 1 if the law has the right constant.
    sem : float
        Its standard error, from the standard errors of the measurements.
    """

    ratio: float
    sem: float


class PowerLawFit(NamedTuple):
    r"""Result of :func:`fit_power_law`.

    Attributes
    ----------
    exponent : float
        :math:`b` in :math:`y = a x^b`.
    exponent_sem : float
        Its standard error, from the standard errors of the measurements.
    amplitude : float
        :math:`a`.
    reduced_chi2 : float
        Sum of squared residuals in standard errors, divided by the number of points less two; near 1 where a straight
        line describes the data, NaN for two points.
    """

    exponent: float
    exponent_sem: float
    amplitude: float
    reduced_chi2: float


def fit_power_law(x: ArrayLike, y: ArrayLike, sem: ArrayLike) -> PowerLawFit:
    r"""Fit :math:`y = a x^b` by least squares of :math:`\log y`, weighted by :math:`(y/\mathrm{sem})^2`.

    Parameters
    ----------
    x, y : array_like, shape (n_points,)
        Positive values, at least two different `x`.
    sem : array_like, shape (n_points,)
        Standard errors of `y`, positive and small beside `y`; the points are taken as independent.

    Returns
    -------
    PowerLawFit
        Exponent, its standard error, amplitude and goodness of fit.

    Raises
    ------
    ValueError
        If a value is not positive, the lengths differ, or all `x` coincide.

    Examples
    --------
    >>> from hierlib.related.fits import fit_power_law
    >>> fit = fit_power_law([1, 10, 100], [2.0, 0.2, 0.02], [0.1, 0.01, 0.001])
    >>> round(fit.exponent, 6), round(fit.amplitude, 6), round(fit.exponent_sem, 4)
    (-1.0, 2.0, 0.0154)
    """
    x = check_array("x", x, shape=(None,))
    y = check_array("y", y, shape=x.shape)
    sem = check_array("sem", sem, shape=x.shape)
    for name, values in (("x", x), ("y", y), ("sem", sem)):
        if not (values > 0).all():
            msg = f"{name} must be positive, got {values!r}."
            raise ValueError(msg)
    if np.unique(x).size < 2:
        msg = f"x must hold at least two different values, got {x!r}."
        raise ValueError(msg)
    log_x, log_y, weights = np.log(x), np.log(y), (y / sem) ** 2
    centre = weights @ log_x / weights.sum()
    spread = weights @ (log_x - centre) ** 2
    slope = weights @ ((log_x - centre) * log_y) / spread
    offset = weights @ (log_y - slope * log_x) / weights.sum()
    chi2 = weights @ (log_y - slope * log_x - offset) ** 2
    reduced = chi2 / (x.size - 2) if x.size > 2 else np.nan
    return PowerLawFit(float(slope), float(1 / np.sqrt(spread)), float(np.exp(offset)), float(reduced))


def mean_ratio(y: ArrayLike, sem: ArrayLike, expected: ArrayLike) -> MeanRatio:
    r"""Average :math:`y_i/\mu_i`, measurements over what a law expects, each with the same weight.

    .. math::

        \frac1n \sum_i \frac{y_i}{\mu_i} \pm \frac1n \sqrt{\sum_i \Bigl(\frac{\mathrm{sem}_i}{\mu_i}\Bigr)^2} .

    Parameters
    ----------
    y : array_like, shape (n_points,)
        Measurements, at least one.
    sem : array_like, shape (n_points,)
        Their standard errors, at least 0; the points are taken as independent.
    expected : array_like, shape (n_points,)
        What the law expects, :math:`\mu_i > 0`.

    Returns
    -------
    MeanRatio
        The mean ratio and its standard error.

    Raises
    ------
    ValueError
        If the lengths differ, there is no point, an expected value is not positive or a standard error is negative.

    Notes
    -----
    Equal weights, because standard errors from few draws are low where the mean happens to be low, too: weighting by
    them would pull the mean down. From this book.

    Examples
    --------
    >>> from hierlib.related.fits import mean_ratio
    >>> mean_ratio([3.0, 25.0], [0.3, 4.0], [2.0, 20.0])
    MeanRatio(ratio=1.375, sem=0.125)
    """
    y = check_array("y", y, shape=(None,))
    sem = check_array("sem", sem, shape=y.shape)
    expected = check_array("expected", expected, shape=y.shape)
    if not y.size:
        msg = f"y must hold at least one measurement, got {y!r}."
        raise ValueError(msg)
    if not (expected > 0).all():
        msg = f"expected must be positive, got {expected!r}."
        raise ValueError(msg)
    if (sem < 0).any():
        msg = f"sem must be at least 0, got {sem!r}."
        raise ValueError(msg)
    return MeanRatio(float(np.mean(y / expected)), float(np.linalg.norm(sem / expected) / y.size))
