r"""Whitening of correlated and elliptical inputs, in front of an estimator that expects white ones.

An elliptical input is :math:`x=m+r\,\Sigma^{1/2}u` with a direction u on the sphere and a length r of any law. The
sample covariance estimates :math:`\Sigma` badly where r has heavy tails; Tyler's estimator does not see r at all.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from hierlib.checks import check_array, check_choice, check_integer, check_real

__all__ = ["InputWhitening", "tyler_scatter"]


class InputWhitening(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Map inputs to mean 0 and covariance I: :math:`x\mapsto\hat\Sigma^{-1/2}(x-\hat m)`, the symmetric root.

    Parameters
    ----------
    scatter : {"covariance", "tyler"}, default "covariance"
        Estimate of :math:`\Sigma`: the sample covariance, or `tyler_scatter` scaled such that the whitened inputs have
        mean square 1.

    Attributes
    ----------
    location_ : ndarray, shape (d,)
        Mean of the inputs.
    whitening_ : ndarray, shape (d, d)
        The matrix :math:`\hat\Sigma^{-1/2}`, symmetric.
    n_features_in_ : int
        Input dimension d.

    Raises
    ------
    ValueError
        If there are no more samples than inputs, or inputs are linearly dependent.

    References
    ----------
    This book, chapter *Other Inputs*.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.input_whitening import InputWhitening
    >>> X = np.random.default_rng(0).standard_normal((1000, 2)) @ np.array([[2.0, 0.0], [1.0, 1.0]])
    >>> Z = InputWhitening().fit_transform(X)
    >>> bool(np.allclose(np.cov(Z.T, bias=True), np.eye(2)))
    True
    """

    def __init__(self, scatter: str = "covariance") -> None:
        self.scatter = scatter

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> InputWhitening:
        """Estimate mean and scatter.

        Parameters
        ----------
        X : array_like, shape (n_samples, d)
            Inputs, more samples than inputs.
        y : ndarray, optional
            Not used.

        Returns
        -------
        InputWhitening
            Itself.
        """
        check_choice("scatter", self.scatter, ("covariance", "tyler"))
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        self.location_ = X.mean(axis=0)
        centred = X - self.location_
        # Of inputs at unit size, so that their units decide nothing.
        size = centred.std(axis=0)
        check_full_rank(centred, size)
        centred = centred / size
        if self.scatter == "tyler":
            matrix = tyler_scatter(centred)
            matrix *= np.mean(np.sum(centred * np.linalg.solve(matrix, centred.T).T, axis=1)) / X.shape[1]
        else:
            matrix = centred.T @ centred / len(X)
        values, vectors = eigh(size[:, None] * matrix * size)
        self.whitening_ = (vectors / np.sqrt(values)) @ vectors.T
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Whiten inputs, ndarray of shape (n_samples, d)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return (X - self.location_) @ self.whitening_

    @property
    def _n_features_out(self) -> int:
        return len(self.location_)


def tyler_scatter(X: np.ndarray, *, tol: float = 1e-8, max_iterations: int = 500) -> np.ndarray:
    r"""Return Tyler's scatter matrix of centred inputs.

    It is the fixed point, of trace d, of

    .. math:: \Sigma = \frac dn\sum_\mu\frac{x_\mu x_\mu^\top}{x_\mu^\top\Sigma^{-1}x_\mu} .

    It does not depend on the lengths of the :math:`x_\mu`, and is :math:`\Sigma` up to a factor for large n.

    Parameters
    ----------
    X : ndarray, shape (n_samples, d)
        Centred inputs; rows of zeros are left out.
    tol : float, default 1e-8
        Largest change of an entry in the last step, positive.
    max_iterations : int, default 500
        Largest number of steps, at most 10**6.

    Returns
    -------
    ndarray, shape (d, d)
        Symmetric, positive definite.

    Raises
    ------
    ValueError
        If there are no more nonzero samples than inputs, inputs are linearly dependent, or the steps do not converge
        (there is no fixed point where too many samples lie in a subspace).

    References
    ----------
    D. Tyler, Annals of Statistics 15 (1987) 234, doi:10.1214/aos/1176350263.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.input_whitening import tyler_scatter
    >>> X = np.random.default_rng(0).standard_cauchy((4000, 1)) * np.array([[3.0, 0.0]])
    >>> X = X + np.random.default_rng(1).standard_normal((4000, 2))
    >>> tyler_scatter(X).shape
    (2, 2)
    """
    X = check_array("X", X, shape=(None, None)).astype(float)
    tol = check_real("tol", tol, low=0, open_low=True)
    max_iterations = check_integer("max_iterations", max_iterations, low=1, high=10**6)
    norms = np.linalg.norm(X, axis=1)
    unit = X[norms > 0] / norms[norms > 0, None]
    d = unit.shape[1]
    check_full_rank(unit, np.ones(d))
    scatter = np.eye(d)
    for _ in range(max_iterations):
        quadratic = np.sum(unit * np.linalg.solve(scatter, unit.T).T, axis=1)
        after = (unit / quadratic[:, None]).T @ unit
        after *= d / np.trace(after)
        change, scatter = np.abs(after - scatter).max(), after
        if change <= tol:
            return scatter
    msg = f"X must have a fixed point of Tyler's equation, got a change of {change:.1e} after {max_iterations} steps."
    raise ValueError(msg)


def check_full_rank(X: np.ndarray, size: np.ndarray) -> None:
    """Raise a ValueError unless there are more samples than inputs, and these are linearly independent."""
    n, d = X.shape
    if n <= d:
        msg = f"X must hold more samples than its {d} inputs to be whitened, got {n} samples."
        raise ValueError(msg)
    scaled = X / np.where(size > 0, size, 1.0)
    if not size.all() or np.linalg.eigvalsh(scaled.T @ scaled / n)[0] < 1e-12:
        msg = "X must have linearly independent inputs that vary, got a singular covariance."
        raise ValueError(msg)
