r"""Algorithm 1 of the paper as a scikit-learn regressor: one spectral layer, one moment layer, one scalar readout.

1. Hermite features of degree q; 2. their label-weighted moment matrix (2.6); 3. its leading eigenvectors, the learned
first layer (2.11); 4. the second layer from the labels' moments with He2 of the first (2.12, 2.13); 5. a ridge
regression on functions of the one number that is left (2.14). A fit makes some ten to forty passes over the
data, each of 8 n D operations, and holds d1 D numbers some twenty times; the upper layers cost one more pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import SplineTransformer
from sklearn.utils.validation import check_is_fitted, validate_data

from hierlib._checks import check_integer, check_real
from hierlib._parallel import ordered_map
from hierlib.hermite import HermiteFeatures
from hierlib.krylov import block_width, largest_modulus
from hierlib.moment import ARRAY_BATCH, Data, MomentOperator, collect_labels, label_weights, map_batches

__all__ = ["HierarchicalSpectralRegressor"]

# The readout has ten coefficients: more samples than this do not change it visibly, and a stream has no end.
READOUT_SAMPLES = 100_000
READOUT_KNOTS = 8
READOUT_PENALTIES = np.logspace(-6, 6, 25)


class HierarchicalSpectralRegressor(RegressorMixin, TransformerMixin, BaseEstimator):
    r"""Layer-wise spectral estimator of a hierarchical target (Algorithm 1).

    The inputs are expected to be standard normal (put a ``StandardScaler`` in front where they are not). The defaults
    are the paper's setting.

    Parameters
    ----------
    n_features : int, optional
        Number d1 of first-layer features to learn; floor(sqrt(d)) by default.
    degree : int, default 2
        Degree q of the Hermite features.
    label_transform : {"tanh"} or callable, optional
        Function of the standardised labels whose values weight the moment matrix; by default the labels themselves.
        A bounded function tames the heavy tails of y, which otherwise hide weak features at accessible sizes.
    normalize : bool, default False
        Form the moment matrix from :math:`\sqrt d\,x/\|x\|`, which removes the fluctuations of the norm of x. Upper
        layers and predictions use x itself.
    holdout : float, default 0.0
        Share of the sample, the last part of it, kept for layers two and three, between 0 and 0.9. With 0 they reuse
        the sample of the first layer.
    tol : float, default 1e-2
        Relative residual of the eigenvectors (see `hierlib.krylov.largest_modulus`).
    max_passes : int, default 60
        Largest number of passes over the data for the first layer, at least n_features over the columns of one
        (`hierlib.krylov.block_width`).
    n_jobs : int, default -1
        Number of joblib workers for the passes; -1 uses all cores.
    random_state : int or numpy.random.Generator, default 0
        Start of the eigenvector iteration.

    Attributes
    ----------
    components_ : ndarray, shape (n_features, dim)
        Learned directions, orthonormal rows in the order of their eigenvalues' moduli; the entry of largest modulus of
        each is positive.
    eigenvalues_ : ndarray, shape (n_features,)
        Eigenvalues of the moment matrix.
    second_layer_ : ndarray, shape (n_features, n_features)
        Weights of the second layer, symmetric.
    readout_ : sklearn.pipeline.Pipeline
        Cubic splines of the second layer's output, and a ridge regression on them.
    n_passes_ : int
        Passes over the first layer's sample that its eigenvectors took.
    converged_ : bool
        Whether the eigenvectors met `tol` within `max_passes`.
    n_features_in_ : int
        Input dimension d.

    Raises
    ------
    ValueError
        If an argument is out of range, more features are asked for than the Hermite features have dimensions, or the
        labels are constant.

    Notes
    -----
    The readout is a cubic spline with knots at quantiles, which continues linearly: the output of the second layer has
    exponential tails, on which a polynomial basis would be ruled by a few samples. Straight lines are in its span, so
    a linear readout costs nothing. Ridge and its penalty (generalised cross-validation in the form of
    ``sklearn.linear_model.RidgeCV``) use the first 100 000 samples at most.

    References
    ----------
    Paper, Algorithm 1, equations (2.6) and (2.11) to (2.14); appendix D for the independent half.

    Examples
    --------
    >>> from hierlib import HierarchicalSpectralRegressor, HierarchicalTarget
    >>> from hierlib.metrics import subspace_overlap
    >>> target = HierarchicalTarget(d=30, q=1, n_features=2, gamma=0.4, seed=0)
    >>> model = HierarchicalSpectralRegressor(n_features=2, degree=1).fit(*target.sample(20_000, seed=1))
    >>> round(subspace_overlap(model.components_, target.directions), 2)
    0.99
    >>> round(model.score(*target.sample(5_000, seed=2)), 2)
    0.99
    """

    def __init__(
        self,
        n_features: int | None = None,
        degree: int = 2,
        *,
        label_transform: str | Callable | None = None,
        normalize: bool = False,
        holdout: float = 0.0,
        tol: float = 1e-2,
        max_passes: int = 60,
        n_jobs: int = -1,
        random_state: int | np.random.Generator = 0,
    ) -> None:
        self.n_features = n_features
        self.degree = degree
        self.label_transform = label_transform
        self.normalize = normalize
        self.holdout = holdout
        self.tol = tol
        self.max_passes = max_passes
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> HierarchicalSpectralRegressor:
        """Fit the three layers on arrays.

        Parameters
        ----------
        X : array_like, shape (n_samples, d)
            Inputs.
        y : array_like, shape (n_samples,)
            Labels, not all equal.

        Returns
        -------
        HierarchicalSpectralRegressor
            Itself.
        """
        X, y = validate_data(self, X, y, y_numeric=True, dtype=(np.float64, np.float32), ensure_min_samples=2)
        return self._fit((X, y), X.shape[1], y.astype(float))

    def fit_stream(self, stream: Data) -> HierarchicalSpectralRegressor:
        """Fit the three layers on a data set that is read batch by batch and never stored.

        Parameters
        ----------
        stream : iterable of (X, y)
            Batches of arrays; iterated some ten to forty times, with the same result each time.

        Returns
        -------
        HierarchicalSpectralRegressor
            Itself; the same as `fit` on the concatenated arrays, up to rounding.

        Raises
        ------
        ValueError
            Also if the stream is empty, can be read only once, or changes between passes.
        """
        n_inputs, labels = collect_labels(stream, n_jobs=self.n_jobs)
        self.n_features_in_ = n_inputs
        # Names from an earlier fit on a data frame would be checked against later inputs.
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self._fit(stream, n_inputs, labels)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Compute the learned first-layer features, ndarray of shape (n_samples, n_features)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        features = HermiteFeatures(self.n_features_in_, self.degree)
        slices = ((X[start : start + ARRAY_BATCH], self.components_) for start in range(0, len(X), ARRAY_BATCH))
        return np.concatenate(list(ordered_map(features.project, slices, n_jobs=self.n_jobs)))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict labels, ndarray of shape (n_samples,)."""
        return self.readout_predict(self.second_layer_output(self.transform(X)))

    def second_layer_output(self, h1: np.ndarray) -> np.ndarray:
        r"""Compute :math:`\langle \hat A^{(2)}, \hat h \hat h^\top - I\rangle` (2.13), shape (n_samples,)."""
        check_is_fitted(self)
        return np.einsum("mi,ij,mj->m", h1, self.second_layer_, h1, optimize=True) - np.trace(self.second_layer_)

    def readout_predict(self, h2: np.ndarray) -> np.ndarray:
        """Apply the readout to second-layer outputs, ndarray of shape (n_samples,) (2.14)."""
        check_is_fitted(self)
        return self.readout_.predict(h2[:, None])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Labels that are linear in x have nothing that a quadratic feature could find.
        tags.regressor_tags.poor_score = True
        return tags

    def _fit(self, data: Data, n_inputs: int, y: np.ndarray) -> HierarchicalSpectralRegressor:
        features = HermiteFeatures(n_inputs, self.degree)
        n_features = int(np.sqrt(n_inputs)) if self.n_features is None else self.n_features
        check_integer("n_features", n_features, low=1, high=features.dim)
        check_real("holdout", self.holdout, low=0, high=0.9)
        check_real("tol", self.tol, low=0, open_low=True)
        check_integer("max_passes", self.max_passes, low=-(-n_features // block_width(n_features)))
        if not np.ptp(y):
            msg = f"y must not be constant, got {y[0]} everywhere."
            raise ValueError(msg)
        n_upper = ceil(self.holdout * len(y))
        n_lower = len(y) - n_upper
        if n_lower < 2:
            msg = f"holdout must leave at least 2 of the {len(y)} samples to the first layer, got {self.holdout}."
            raise ValueError(msg)

        operator = MomentOperator(
            data,
            label_weights(y[:n_lower], self.label_transform),
            degree=self.degree,
            normalize=self.normalize,
            n_jobs=self.n_jobs,
        )
        pairs = largest_modulus(
            operator,
            n_features,
            rng=np.random.default_rng(self.random_state),
            tol=self.tol,
            max_products=self.max_passes,
        )
        self.eigenvalues_ = pairs.eigenvalues
        self.n_passes_, self.converged_ = pairs.n_products, pairs.converged
        # Eigenvectors have no sign of their own: fix it, so that equal data give equal components.
        rows = pairs.eigenvectors.T
        self.components_ = rows * np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])[:, None]
        self._fit_upper_layers(features, data, y, n_lower if n_upper else 0)
        return self

    def _fit_upper_layers(self, features: HermiteFeatures, data: Data, y: np.ndarray, start: int) -> None:
        """Fit layers two and three on the samples from `start` on."""
        upper = y[start:]
        # NaN marks the samples of the first layer's share, which these layers must not see.
        labels = np.concatenate([np.full(start, np.nan), upper - upper.mean()])
        summarize = partial(_second_moment, features, self.components_)
        moment = np.zeros((len(self.components_), len(self.components_)))
        kept: list[np.ndarray] = []
        for part, h1 in map_batches(summarize, data, labels, whole=True, n_jobs=self.n_jobs):
            moment += part
            if sum(len(block) for block in kept) < READOUT_SAMPLES:
                kept.append(h1)
        # The centred labels sum to zero, so that subtracting the identity from h h^T changes nothing.
        self.second_layer_ = moment / len(upper)
        h2 = self.second_layer_output(np.concatenate(kept)[:READOUT_SAMPLES])
        self.readout_ = _readout().fit(h2[:, None], upper[: len(h2)])


def _second_moment(
    features: HermiteFeatures, components: np.ndarray, X: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Label-weighted second moment of a batch's first-layer features, and these features."""
    used = ~np.isnan(labels)
    h1 = features.project(X[used], components)
    return (h1 * labels[used, None]).T @ h1, h1


def _readout() -> Pipeline:
    splines = SplineTransformer(n_knots=READOUT_KNOTS, knots="quantile", extrapolation="linear")
    return make_pipeline(splines, RidgeCV(alphas=READOUT_PENALTIES))
