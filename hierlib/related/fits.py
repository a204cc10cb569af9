r"""Fit a power law to independent measurements, with an interval for its exponent.

Weighted least squares of :math:`\log y` on :math:`\log x`, the weights from the standard errors of the measurements.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hierlib._checks import check_array

__all__ = ["PowerLawFit", "fit_power_law"]


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
