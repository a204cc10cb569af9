r"""Algorithm 1 of the paper as a scikit-learn regressor: one spectral layer, one moment layer, one scalar readout.

1. Hermite features of degree q; 2. their label-weighted moment matrix (2.6); 3. its leading eigenvectors, the learned
first layer (2.11); 4. the second layer from the labels' moments with He2 of the first (2.12, 2.13); 5. a ridge
regression on functions of the one number that is left (2.14). A fit makes some ten to forty passes over the
data, each of 8 n D operations, and holds d1 D numbers some twenty times; the upper layers cost one more pass.
Options that the paper does not have make the features visible at sizes that can be simulated; one preset sets them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import SplineTransformer
from sklearn.utils.validation import check_is_fitted, validate_data

from hierlib.checks import check_array, check_choice, check_integer, check_jobs, check_real, check_seed
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.inputs import InputLaw, features_of_law
from hierlib.engine.krylov import Eigenpairs, block_width, by_modulus, largest_modulus
from hierlib.engine.moment import ARRAY_BATCH, Data, DataSet, MomentOperator, collect_labels, label_weights, map_batches
from hierlib.engine.parallel import ordered_map
from hierlib.engine.pencil import leading_pencil
from hierlib.engine.scaling import UnitFreeScore, normalized, power_of_two, varies
from hierlib.learn.pilot import label_bins, sums_of_batch, transform_of_sums
from hierlib.learn.second_layer import best_quadratic_form, moments_of_batch
from hierlib.theory.shrinkage import SampleBulk, edge_distance, effective_weights, lower_harmonics
from hierlib.theory.whitening import check_whiten

__all__ = ["HierarchicalSpectralRegressor"]

# The readout has ten coefficients: more samples than this do not change it visibly, and a stream has no end.
READOUT_SAMPLES = 100_000
READOUT_KNOTS = 8
READOUT_PENALTIES = np.logspace(-6, 6, 25)


class HierarchicalSpectralRegressor(
    UnitFreeScore, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin, BaseEstimator
):
    r"""Layer-wise spectral estimator of a hierarchical target (Algorithm 1).

    The inputs are expected to be standard normal (put a ``StandardScaler`` in front where they are not). The defaults
    are the paper's setting; `recommended` is the best one known.

    Parameters
    ----------
    n_features : int or "auto", optional
        Number d1 of first-layer features to learn; floor(sqrt(d)) by default. With "auto", as many as there are
        eigenvalues that noise does not reach (`hierlib.theory.shrinkage.SampleBulk.interval`), possibly none. Where the
        degree is high for the dimension (3 below d = 4, 4 below d = 12, 8 below about d = 80), noise reaches farther
        (`hierlib.theory.shrinkage.lower_harmonics`), and only features beyond that are counted.
    degree : int, default 2
        Degree q of the Hermite features.
    label_transform : {"tanh", "optimal"} or callable, optional
        Function of the standardised labels whose values weight the moment matrix; by default the labels themselves.
        A bounded function tames the heavy tails of y, which otherwise hide weak features at accessible sizes. With
        "optimal", a first fit with tanh shows which function would have recovered most
        (`hierlib.theory.label_transforms.optimal_label_transform`, with what the sample tells in the place of the
        target), and a second fit, started from the first, uses it.
    normalize : bool, default False
        Form the moment matrix from :math:`\sqrt d\,x/\|x\|`, which removes the fluctuations of the norm of x: the first
        layer does not depend on the norms, whatever their size (a row of zeros stays 0). Upper layers and predictions
        use x itself.
    ranking : {"modulus", "edge"}, default "modulus"
        Which eigenvalues are the leading ones: those of largest modulus, or those farthest beyond the predicted edge
        of the noise on their side (with "auto", beyond the end of the interval), so that a lopsided bulk does not hide
        features of the minority sign. Near the thresholds and with raw inputs, whose edges are hard to predict,
        ranking by edge can also cost features of the majority sign.
    second_layer : {"moments", "least_squares"}, default "moments"
        Weights of the second layer: moments of the labels, or the quadratic form that fits the labels best.
    leave_one_out : bool, default False
        Fit the upper layers on leave-one-out features (`hierlib.theory.shrinkage.leave_one_out`): the sample of the
        first layer then serves like a fresh one. Nothing to do with `holdout`, whose samples are fresh.
    whiten : {"sample"}, optional
        Learn the directions relative to the second moments of the features in the same sample: the first layer is
        that of :math:`\hat Cv=\lambda\hat Sv` (`hierlib.engine.pencil`), and needs more samples than features. Above n
        of about 4 D it recovers more than the moment matrix alone, also where the covariance of the features is known
        to be the identity; at degree 1 it does not depend on that of the inputs: features and predictions are the same
        for x and B x, to rounding up to 1024 features.
    inputs : str or InputLaw, default "gauss"
        Law whose orthonormal polynomials the features are (`hierlib.engine.inputs.input_law`), as in
        `HierarchicalTarget`.
    holdout : float, default 0.0
        Share of the sample, the last part of it, kept for layers two and three, between 0 and 0.9; at least two
        samples, or none. With 0 they reuse the sample of the first layer.
    tol : float, default 1e-2
        Relative residual of the eigenvectors (see `hierlib.engine.krylov.largest_modulus`).
    max_passes : int, default 60
        Largest number of passes over the data for the first layer, at least n_features over the columns of one
        (`hierlib.engine.krylov.block_width`); with "auto", for each number of features that is tried.
    n_jobs : int, default -1
        Number of joblib workers for the passes; -1 uses all cores.
    warm_start : bool, default False
        Start the eigenvectors from those of the fit before, if it had as many features of as many dimensions: fewer
        passes when the sample has only grown.
    random_state : int or numpy.random.Generator, default 0
        Start of the eigenvector iteration.

    Attributes
    ----------
    components_ : ndarray, shape (n_features, dim)
        Learned directions, orthonormal rows in the order of `ranking`; the entry of largest modulus of each is
        positive. With `whiten`, rows whose features have unit second moment over the sample and are uncorrelated in it;
        the sum of the cubes of each is positive.
    eigenvalues_ : ndarray, shape (n_features,)
        Eigenvalues of the moment matrix, or of it relative to the second moments.
    second_layer_ : ndarray, shape (n_features, n_features)
        Weights of the second layer, symmetric.
    readout_ : sklearn.pipeline.Pipeline
        Cubic splines of the second layer's output, and a ridge regression on them; without features, the mean label.
    n_passes_ : int
        Passes over the first layer's sample that its eigenvectors took.
    converged_ : bool
        Whether the eigenvectors met `tol` within `max_passes`.
    n_features_in_ : int
        Input dimension d.

    Raises
    ------
    ValueError
        If an argument is out of range, more features are asked for than there are dimensions, there are no more
        samples than dimensions with `whiten`, which goes with no "optimal" transform, the labels or their transforms
        are constant up to rounding, or inputs are so large that features overflow.

    Notes
    -----
    The readout is a cubic spline with knots at quantiles, which continues linearly: the output of the second layer has
    exponential tails, on which a polynomial basis would be ruled by a few samples. Straight lines are in its span, so
    a linear readout costs nothing. Ridge and its penalty (generalised cross-validation in the form of
    ``sklearn.linear_model.RidgeCV``) use the first 100 000 samples at most.

    Labels c y give the components of y and c times its predictions for any c, from 1e-300 to 1e300; inputs may have any
    numerical type.

    References
    ----------
    Paper, Algorithm 1, equations (2.6) and (2.11) to (2.14); appendix D for the independent half. The other options:
    this book, chapter *Visible Thresholds*.

    Examples
    --------
    >>> from hierlib import HierarchicalSpectralRegressor, HierarchicalTarget
    >>> from hierlib.model.metrics import subspace_overlap
    >>> target = HierarchicalTarget(d=30, q=1, n_features=2, gamma=0.4, seed=0)
    >>> model = HierarchicalSpectralRegressor(n_features=2, degree=1).fit(*target.sample(20_000, seed=1))
    >>> round(subspace_overlap(model.components_, target.directions), 2)
    0.99
    >>> round(model.score(*target.sample(5_000, seed=2)), 2)
    0.99
    """

    def __init__(
        self,
        n_features: int | str | None = None,
        degree: int = 2,
        *,
        label_transform: str | Callable | None = None,
        normalize: bool = False,
        ranking: str = "modulus",
        second_layer: str = "moments",
        leave_one_out: bool = False,
        whiten: str | None = None,
        inputs: str | InputLaw = "gauss",
        holdout: float = 0.0,
        tol: float = 1e-2,
        max_passes: int = 60,
        n_jobs: int = -1,
        warm_start: bool = False,
        random_state: int | np.random.Generator = 0,
    ) -> None:
        self.n_features = n_features
        self.degree = degree
        self.label_transform = label_transform
        self.normalize = normalize
        self.ranking = ranking
        self.second_layer = second_layer
        self.leave_one_out = leave_one_out
        self.whiten = whiten
        self.inputs = inputs
        self.holdout = holdout
        self.tol = tol
        self.max_passes = max_passes
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.random_state = random_state

    @classmethod
    def recommended(
        cls, n_features: int | str | None = "auto", degree: int = 2, **options
    ) -> HierarchicalSpectralRegressor:
        """Build the estimator with the settings that recover most from a given sample.

        Bounded labels, normalised inputs, ranking by edge, least squares on leave-one-out features for the second
        layer, and the number of features from the data.

        Above some four samples a feature dimension, ``recommended(whiten="sample")`` recovers more still: at d = 24,
        n = 16 D an overlap of 0.72 in the place of 0.63, and at 3 D less (the chapter *Other Inputs* measures both).
        The preset also serves smaller samples than that, down to n below D, where there are no second moments to
        whiten by.

        Parameters
        ----------
        n_features, degree
            As for the class.
        **options
            Further arguments of the class; they override the preset.

        Returns
        -------
        HierarchicalSpectralRegressor
            Not fitted.

        Examples
        --------
        >>> from hierlib import HierarchicalSpectralRegressor, HierarchicalTarget
        >>> target = HierarchicalTarget(d=20, n_features=3, gamma=0.4, seed=0)
        >>> X, y = target.sample(15_000, seed=1)
        >>> model = HierarchicalSpectralRegressor.recommended().fit(X, y)
        >>> model.eigenvalues_.shape, model.score(*target.sample(5_000, seed=2)) > 0.7
        ((3,), True)
        """
        preset: dict[str, Any] = {
            "label_transform": "tanh",
            "normalize": True,
            "ranking": "edge",
            "second_layer": "least_squares",
            "leave_one_out": True,
        }
        return cls(n_features, degree, **(preset | options))

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
        return self._fit(DataSet((X, y)))

    def fit_stream(self, stream: Data) -> HierarchicalSpectralRegressor:
        """Fit the three layers on a data set that is read batch by batch and never stored.

        Parameters
        ----------
        stream : iterable of (X, y)
            Batches of arrays; iterated some ten to forty times, with the same samples in the same order each time.
            Their labels are compared (`hierlib.engine.moment.DataSet`).

        Returns
        -------
        HierarchicalSpectralRegressor
            Itself; the same as `fit` on the concatenated arrays, up to rounding.

        Raises
        ------
        ValueError
            Also if the stream is empty, can be read only once, or changes between passes.
        """
        data = DataSet(stream)
        self.n_features_in_ = data.n_inputs
        # Names from an earlier fit on a data frame would be checked against later inputs.
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self._fit(data)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Compute the learned first-layer features, ndarray of shape (n_samples, n_features)."""
        return self._transform(X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict labels, ndarray of shape (n_samples,)."""
        # Not `transform`, whose container `set_output` decides.
        return self.readout_predict(self.second_layer_output(self._transform(X)))

    def second_layer_output(self, h1: np.ndarray) -> np.ndarray:
        r"""Compute :math:`\langle \hat A^{(2)}, \hat h \hat h^\top - I\rangle` (2.13), shape (n_samples,)."""
        check_is_fitted(self)
        h1 = check_array("h1", h1, shape=(None, len(self.components_)))
        with np.errstate(over="ignore", invalid="ignore"):
            h2 = np.einsum("mi,ij,mj->m", h1, self.second_layer_, h1, optimize=True) - np.trace(self.second_layer_)
        return _check_overflow(h2)

    def readout_predict(self, h2: np.ndarray) -> np.ndarray:
        """Apply the readout to second-layer outputs, ndarray of shape (n_samples,) (2.14)."""
        check_is_fitted(self)
        return self.readout_.predict(check_array("h2", h2, shape=(None,))[:, None])

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _transform(self, X: np.ndarray) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        if not len(self.components_):
            return np.zeros((len(X), 0))
        features = features_of_law(self.inputs, self.n_features_in_, self.degree)
        slices = (
            (features, X[start : start + ARRAY_BATCH], self.components_) for start in range(0, len(X), ARRAY_BATCH)
        )
        return _check_overflow(np.concatenate(list(ordered_map(_project, slices, n_jobs=self.n_jobs))))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Labels that are linear in x have nothing that a quadratic feature could find.
        tags.regressor_tags.poor_score = True
        return tags

    def _fit(self, data: DataSet) -> HierarchicalSpectralRegressor:
        n_inputs = data.n_inputs
        features = features_of_law(self.inputs, n_inputs, check_integer("degree", self.degree, low=1))
        whiten = check_whiten(self.whiten)
        automatic = isinstance(self.n_features, str)
        if automatic:
            check_choice("n_features", self.n_features, ("auto",))
        default = automatic or self.n_features is None
        n_features = check_integer(
            "n_features", int(np.sqrt(n_inputs)) if default else self.n_features, low=1, high=features.dim
        )
        if isinstance(self.label_transform, str):
            check_choice("label_transform", self.label_transform, ("tanh", "optimal"))
        optimal = self.label_transform == "optimal"
        if optimal and whiten:
            msg = "label_transform must not be 'optimal' with whiten='sample', for which no best one is known."
            raise ValueError(msg)
        check_choice("ranking", self.ranking, ("modulus", "edge"))
        check_choice("second_layer", self.second_layer, ("moments", "least_squares"))
        check_real("holdout", self.holdout, low=0, high=0.9)
        check_real("tol", self.tol, low=0, open_low=True)
        check_integer("max_passes", self.max_passes, low=-(-n_features // block_width(n_features)))
        check_jobs(self.n_jobs)
        check_seed("random_state", self.random_state)
        _, y = collect_labels(data, n_jobs=self.n_jobs)
        if not varies(y):
            msg = f"y must not be constant, got {y[0]} everywhere."
            raise ValueError(msg)
        # All is homogeneous in the labels: they are fitted at unit size, and the results scaled back.
        unit = power_of_two(y)
        y = y / unit
        n_upper = ceil(self.holdout * len(y))
        n_lower = len(y) - n_upper
        if n_lower < 2:
            msg = f"holdout must leave at least 2 of the {len(y)} samples to the first layer, got {self.holdout}."
            raise ValueError(msg)
        if n_upper == 1:
            msg = (
                f"holdout must be 0 or leave at least 2 of the {len(y)} samples to layers 2 and 3, got {self.holdout}."
            )
            raise ValueError(msg)

        if whiten and n_lower <= features.dim:
            msg = (
                f"whiten='sample' needs more samples than the D = {features.dim} features, whose second moments are "
                f"singular otherwise, got {n_lower} for the first layer."
            )
            raise ValueError(msg)

        # Held-out samples need no correction: the first layer has not seen them.
        correct = self.leave_one_out and not n_upper
        observed = automatic or correct or self.ranking == "edge"
        layer = partial(self._first_layer, data, y[:n_lower], features, n_features, automatic=automatic)
        self.n_passes_ = 0
        pairs, weights, sizes, bulk = layer("tanh" if optimal else self.label_transform, observed=observed or optimal)
        transform = self._observed_transform(data, y[:n_lower], features, pairs, bulk) if optimal and bulk else None
        if transform:
            pairs, weights, sizes, bulk = layer(transform, observed=observed, before=pairs.eigenvectors.T)
        # A transform is one of the standardised labels, which have no unit.
        self.eigenvalues_ = pairs.eigenvalues * (1.0 if self.label_transform is not None else unit)
        self.converged_ = pairs.converged
        # Eigenvectors have no sign of their own: fix it, so that equal data give equal components.
        rows = pairs.eigenvectors.T
        signs = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
        if whiten and len(rows):
            # A sign that a linear map of the inputs does not change.
            cubes = partial(_sum_of_cubes, features, rows, self.normalize)
            signs = np.sum(list(map_batches(cubes, data, np.zeros(n_lower), n_jobs=self.n_jobs)), axis=0)
        self.components_ = rows * np.where(signs < 0, -1.0, 1.0)[:, None]
        s = offsets = np.zeros(len(rows))
        if correct and bulk:
            s = bulk.resolvent(pairs.eigenvalues)
            offsets = bulk.offsets(s)
        self._fit_upper_layers(
            features, data, y, unit, n_lower if n_upper else 0, np.stack([weights, sizes]), s, offsets
        )
        return self

    def _first_layer(
        self,
        data: DataSet,
        y: np.ndarray,
        features: HermiteFeatures,
        n_features: int,
        transform: str | Callable | None,
        *,
        automatic: bool,
        observed: bool,
        before: np.ndarray | None = None,
    ) -> tuple[Eigenpairs, np.ndarray, np.ndarray, SampleBulk | None]:
        """Eigenpairs of the moment matrix, starting from rows `before`; if `observed`, effective weights and bulk.

        With the effective weights, those of ones.
        """
        weights = label_weights(y, transform)
        operator = MomentOperator(
            data,
            weights,
            degree=self.degree,
            inputs=self.inputs,
            normalize=self.normalize,
            dtype="float64" if self.whiten else "float32",
            n_jobs=self.n_jobs,
        )
        bulk, sizes = None, np.ones(len(weights))
        if observed:
            norms = None
            if not self.normalize and not (self.whiten and self.degree == 1):
                norms = np.concatenate(list(map_batches(_squared_norms, data, weights, n_jobs=self.n_jobs)))
                with np.errstate(over="ignore"):
                    _check_overflow(norms**self.degree)
            # Norms that depend on the units of the inputs say nothing where the features do not.
            if not (self.whiten and self.degree == 1):
                spread = features.radius_variance
                weights, sizes = (
                    effective_weights(part, features.n_inputs, self.degree, norms, radius_variance=spread)
                    for part in (weights, sizes)
                )
            whitened = sizes if self.whiten else None
            bulk = SampleBulk(weights, features.n_inputs, self.degree, dim=features.dim, sizes=whitened)
        return self._leading_pairs(operator, n_features, bulk, before, automatic=automatic), weights, sizes, bulk

    def _observed_transform(
        self, data: DataSet, y: np.ndarray, features: HermiteFeatures, pairs: Eigenpairs, bulk: SampleBulk
    ) -> Callable | None:
        """Best label transform that the features found with tanh tell, None if noise could be all of them."""
        visible = edge_distance(pairs.eigenvalues, self._reach_of_noise(bulk)) > 0
        if not visible.any():
            return None
        s, components = bulk.resolvent(pairs.eigenvalues[visible]), pairs.eigenvectors[:, visible].T
        points, cell = label_bins(y)
        columns = np.column_stack([cell, label_weights(y, "tanh")])
        summarize = partial(sums_of_batch, features, components, s, len(points), self.normalize)
        parts = list(map_batches(summarize, data, columns, n_jobs=self.n_jobs))
        by_bin, total = (np.sum([part[k] for part in parts], axis=0) for k in (0, 1))
        # Ranked by modulus, noise of the sign with the larger weights would come before features of the other.
        width = 2.0 if self.ranking == "edge" else 1.0
        return transform_of_sums(points, np.bincount(cell), by_bin, total, s, features.dim, bulk.remainder, width)

    def _leading_pairs(
        self,
        operator: MomentOperator,
        n_features: int,
        bulk: SampleBulk | None,
        before: np.ndarray | None,
        *,
        automatic: bool,
    ) -> Eigenpairs:
        """Eigenpairs of the first layer; `automatic` keeps those outside the interval of noise, however many."""
        interval = self._reach_of_noise(bulk) if bulk and automatic else np.zeros(2)
        rank = by_modulus
        if bulk and self.ranking == "edge":
            rank = partial(_by_edge, interval if automatic else bulk.edges)
        rng = np.random.default_rng(self.random_state)
        start = None
        if before is None and self.warm_start:
            before = getattr(self, "components_", None)
            if before is not None and before.shape != (n_features, operator.shape[0]):
                before = None
        if before is not None:
            # Few mixtures of all, not all at once: narrow blocks then reach high powers of the operator sooner.
            start = before.T @ rng.standard_normal((len(before), block_width(n_features)))
        rounding = float(np.finfo(operator.product_dtype).eps)
        leading = leading_pencil if self.whiten else partial(largest_modulus, rounding=rounding)
        while True:
            pairs = leading(
                operator,
                n_features,
                rng=rng,
                start=start,
                tol=self.tol,
                max_products=self.max_passes,
                rank=rank,
            )
            self.n_passes_ += pairs.n_products
            outside = edge_distance(pairs.eigenvalues, interval) > 0
            if not automatic or not outside.all() or n_features == len(pairs.eigenvectors):
                break
            n_features, start = min(2 * n_features, len(pairs.eigenvectors)), pairs.eigenvectors
        if not automatic:
            return pairs
        return replace(pairs, eigenvalues=pairs.eigenvalues[outside], eigenvectors=pairs.eigenvectors[:, outside])

    def _reach_of_noise(self, bulk: SampleBulk) -> np.ndarray:
        return bulk.interval() * lower_harmonics(self.n_features_in_, self.degree)

    def _fit_upper_layers(
        self,
        features: HermiteFeatures,
        data: DataSet,
        y: np.ndarray,
        unit: float,
        start: int,
        weights: np.ndarray,
        s: np.ndarray,
        offsets: np.ndarray,
    ) -> None:
        """Fit layers two and three on the samples from `start` on; `unit` is that of the labels.

        `weights` are the effective ones and those of ones, shape (2, number of samples of the first layer).
        """
        upper, k = y[start:], len(self.components_)
        moment, gram, kept = np.zeros((k, k)), np.zeros((1, 1)), [np.zeros((0, k))]
        # NaN marks the samples of the first layer's share, which these layers must not see.
        labels = np.concatenate([np.full(start, np.nan), upper - upper.mean()])
        columns = np.column_stack([labels, *(weights if weights.shape[1] == len(y) else np.zeros((2, len(y))))])
        squares = self.second_layer == "least_squares"
        summarize = partial(moments_of_batch, features, self.components_, s, offsets, squares)
        if k:
            for part, products, h1 in map_batches(summarize, data, columns, whole=True, n_jobs=self.n_jobs):
                moment += part
                gram = gram + products
                if sum(map(len, kept)) < READOUT_SAMPLES:
                    kept.append(h1)
        _check_overflow(moment)
        _check_overflow(gram)
        # The centred labels sum to zero, so that subtracting the identity from h h^T changes nothing.
        moment /= len(upper)
        self.second_layer_ = unit * (best_quadratic_form(moment, gram / len(upper)) if k and squares else moment)
        h2 = self.second_layer_output(np.concatenate(kept)[:READOUT_SAMPLES])
        if len(h2) and varies(h2):
            self.readout_ = _readout().fit(h2[:, None], unit * upper[: len(h2)])
        else:
            self.readout_ = DummyRegressor(strategy="constant", constant=unit * upper.mean()).fit(upper[:, None], upper)


def _by_edge(interval: np.ndarray, eigenvalues: np.ndarray) -> np.ndarray:
    return np.argsort(-edge_distance(eigenvalues, interval), kind="stable")


def _sum_of_cubes(
    features: HermiteFeatures, components: np.ndarray, normalize: bool, X: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    X = normalized(X.T, float).T if normalize else X.astype(float, copy=False)
    return np.sum(features.project(X, components) ** 3, axis=0)


def _squared_norms(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.einsum("mi,mi->m", X, X, dtype=float)


def _project(features: HermiteFeatures, X: np.ndarray, components: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return features.project(X, components)


def _check_overflow(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        msg = "X must be small enough for products of its features to be finite, got larger inputs: standardise them."
        raise ValueError(msg)
    return values


class _HomogeneousRidge(RidgeCV):
    """Ridge regression, tuned and fitted on labels of unit size: scores are squares of labels."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> _HomogeneousRidge:
        unit = power_of_two(y)
        super().fit(X, y / unit)
        self.coef_, self.intercept_ = unit * self.coef_, unit * self.intercept_  # type: ignore[has-type]
        return self


def _readout() -> Pipeline:
    # Its own container, whatever the global one is when it is fitted and when it predicts.
    splines = SplineTransformer(n_knots=READOUT_KNOTS, knots="quantile", extrapolation="linear")
    return make_pipeline(splines.set_output(transform="default"), _HomogeneousRidge(alphas=READOUT_PENALTIES))
