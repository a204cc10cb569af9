r"""Baselines for the spectral method that see all products of two inputs at once: quadratic forms, diagonalised.

The moment matrix of labels :math:`y=\langle M,xx^\top-I\rangle` is 2M for Gaussian inputs alone. For others,
:math:`\operatorname{vec}\hat C=\operatorname{Cov}(\operatorname{vec}xx^\top)\operatorname{vec}M`: a regression undoes
this. It has p = d(d+1)/2 coefficients, where the moment matrix is only read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.linear_model import RidgeCV
from sklearn.utils.validation import check_is_fitted, validate_data

from hierlib.checks import check_array, check_integer, check_real
from hierlib.engine.krylov import by_modulus

__all__ = ["QuadraticRidge", "QuarticWhitening"]

PENALTIES = np.logspace(-2, 6, 17)


class _QuadraticForm(ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin, BaseEstimator):
    """A quadratic function of the inputs, and the eigenvectors of its matrix."""

    n_features: int
    n_features_in_: int
    form_: np.ndarray
    components_: np.ndarray
    eigenvalues_: np.ndarray
    intercept_: float

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Compute the components of the inputs along the leading eigenvectors, shape (n_samples, n_features)."""
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, reset=False, dtype=np.float64)) @ self.components_.T

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict labels with the whole quadratic form, ndarray of shape (n_samples,)."""
        check_is_fitted(self)
        rows = np.asarray(validate_data(self, X, reset=False, dtype=np.float64))
        return np.einsum("mi,mi->m", rows @ self.form_, rows) + self.intercept_

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Labels that are linear in x have nothing that a quadratic form could find.
        tags.regressor_tags.poor_score = True
        return tags

    def _checked(self, X: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        rows, labels = validate_data(self, X, y, y_numeric=True, dtype=np.float64, ensure_min_samples=2)
        check_integer("n_features", self.n_features, low=1, high=self.n_features_in_)
        return np.asarray(rows), np.asarray(labels, dtype=float)

    def _set_form(self, coefficients: np.ndarray) -> None:
        d = self.n_features_in_
        upper = np.zeros((d, d))
        upper[np.triu_indices(d)] = coefficients
        self.form_ = (upper + upper.T) / 2
        values, vectors = np.linalg.eigh(self.form_)
        order = by_modulus(values)[: self.n_features]
        self.eigenvalues_, self.components_ = values[order], vectors[:, order].T


class QuadraticRidge(_QuadraticForm):
    r"""Ridge regression on all products of two inputs, and the eigenvectors of the matrix of its coefficients.

    .. math:: \min_{M,b}\ \sum_\mu\bigl(y_\mu-x_\mu^\top Mx_\mu-b\bigr)^2+\alpha\,\|M\|_*^2,

    with the squared coefficients of the products of standardised size in the penalty, and :math:`\alpha` by generalised
    cross-validation.

    Parameters
    ----------
    n_features : int, default 1
        Number of eigenvectors kept for `transform`, between 1 and d.

    Attributes
    ----------
    form_ : ndarray, shape (d, d)
        The symmetric matrix M.
    intercept_ : float
        The b.
    eigenvalues_ : ndarray, shape (n_features,)
        Eigenvalues of M of largest modulus, largest first.
    components_ : ndarray, shape (n_features, d)
        Their eigenvectors, orthonormal rows.
    alpha_ : float
        The penalty.
    n_features_in_ : int
        Number d of inputs.

    Raises
    ------
    ValueError
        If an argument is out of range, or X or y are not finite.

    Notes
    -----
    Cost: n p min(n, p) operations and n p numbers of memory, p = d(d+1)/2. Whiten the inputs before.

    References
    ----------
    This book, chapter *Real Inputs*.

    Examples
    --------
    >>> from hierlib import HierarchicalTarget
    >>> from hierlib.learn.real import QuadraticRidge
    >>> target = HierarchicalTarget(d=12, q=1, n_features=1, seed=0)
    >>> model = QuadraticRidge().fit(*target.sample(300, seed=1))
    >>> round(float((model.components_ @ target.directions.T).item() ** 2), 2)
    1.0
    """

    def __init__(self, n_features: int = 1) -> None:
        self.n_features = n_features

    def fit(self, X: ArrayLike, y: ArrayLike) -> QuadraticRidge:
        """Fit the coefficients and diagonalise their matrix.

        Parameters
        ----------
        X : array_like, shape (n_samples, d)
            Inputs.
        y : array_like, shape (n_samples,)
            Labels.

        Returns
        -------
        QuadraticRidge
            Itself.
        """
        X, y = self._checked(X, y)
        Z, mean, scale = _products(X)
        ridge = RidgeCV(alphas=PENALTIES).fit(Z, y)
        self.alpha_ = float(ridge.alpha_)
        self._set_form(ridge.coef_ / scale)
        self.intercept_ = float(ridge.intercept_ - mean @ (ridge.coef_ / scale))
        return self


class QuarticWhitening(_QuadraticForm):
    r"""The moment matrix divided by the covariance of the products, and the eigenvectors of the result.

    .. math:: \operatorname{vec}M=(\Sigma+\varepsilon\operatorname{diag}\Sigma)^{-1}\,\frac1n\sum_\mu(y_\mu-\bar y)
              \operatorname{vec}x_\mu x_\mu^\top,\qquad \Sigma=\operatorname{Cov}(\operatorname{vec}xx^\top),

    over the products i <= j. The entries of :math:`\Sigma` are fourth moments of the inputs, hence the name. They need
    no labels: `fit` takes further inputs without.

    Parameters
    ----------
    n_features : int, default 1
        Number of eigenvectors kept for `transform`, between 1 and d.
    ridge : float, default 1e-3
        The :math:`\varepsilon`, positive.

    Attributes
    ----------
    form_ : ndarray, shape (d, d)
        The symmetric matrix M.
    intercept_ : float
        Mean label less the mean of the quadratic form.
    eigenvalues_ : ndarray, shape (n_features,)
        Eigenvalues of M of largest modulus, largest first.
    components_ : ndarray, shape (n_features, d)
        Their eigenvectors, orthonormal rows.
    n_features_in_ : int
        Number d of inputs.

    Raises
    ------
    ValueError
        If an argument is out of range, or X, y or the further inputs are not finite.

    Notes
    -----
    Cost: n p^2 + p^3/3 operations, p = d(d+1)/2, and p^2 + n p numbers of memory. Without further inputs it is the
    regression of `QuadraticRidge` with a fixed penalty.

    References
    ----------
    This book, chapter *Real Inputs*.

    Examples
    --------
    >>> from hierlib import HierarchicalTarget
    >>> from hierlib.learn.real import QuarticWhitening
    >>> target = HierarchicalTarget(d=12, q=1, n_features=1, seed=0)
    >>> X, y = target.sample(300, seed=1)
    >>> model = QuarticWhitening().fit(X, y, unlabelled=target.sample(3000, seed=2)[0])
    >>> round(float((model.components_ @ target.directions.T).item() ** 2), 1)
    0.9
    """

    def __init__(self, n_features: int = 1, *, ridge: float = 1e-3) -> None:
        self.n_features = n_features
        self.ridge = ridge

    def fit(self, X: ArrayLike, y: ArrayLike, unlabelled: ArrayLike | None = None) -> QuarticWhitening:
        """Estimate both moments and diagonalise the matrix.

        Parameters
        ----------
        X : array_like, shape (n_samples, d)
            Inputs.
        y : array_like, shape (n_samples,)
            Labels.
        unlabelled : array_like, shape (any, d), optional
            Further inputs of the same law, for the fourth moments alone.

        Returns
        -------
        QuarticWhitening
            Itself.
        """
        X, y = self._checked(X, y)
        ridge = check_real("ridge", self.ridge, low=0, open_low=True)
        further = np.empty((0, X.shape[1]))
        if unlabelled is not None:
            further = check_array("unlabelled", unlabelled, shape=(None, X.shape[1])).astype(float)
        Z, mean, scale = _products(np.vstack([X, further]))
        labelled = Z[: len(X)]
        covariance = Z.T @ Z / len(Z)
        covariance[np.diag_indices_from(covariance)] += ridge
        coefficients = cho_solve(cho_factor(covariance), labelled.T @ (y - y.mean()) / len(X)) / scale
        self._set_form(coefficients)
        self.intercept_ = float(y.mean() - mean @ coefficients)
        return self


def _products(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products x_i x_j, i <= j, centred and at unit variance, with their means and standard deviations."""
    i, j = np.triu_indices(X.shape[1])
    Z = X[:, i] * X[:, j]
    mean, scale = Z.mean(axis=0), Z.std(axis=0)
    scale[scale == 0] = 1.0
    return (Z - mean) / scale, mean, scale
