r"""Learners without the hierarchy, on scikit-learn, and the energies that predict where they stop.

Every learner is tuned over twelve candidates on the same fifth of its sample and then fitted on all of it. A learner
that sees the target only up to some degree can at best explain the energy of these degrees: the second half of the
module computes it. Kernel matrices cost n^2 numbers and n^3 operations, and are refused before they are allocated.
"""

from __future__ import annotations

import time
import tracemalloc
import warnings

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from hierlib.checks import check_array, check_choice, check_integer, check_seed
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.scaling import UnitFreeScore, power_of_two, r_squared
from hierlib.learn.estimator import HierarchicalSpectralRegressor
from hierlib.learn.shallow import (
    MAX_BYTES,
    BoundedNystroem,
    DegreeTwoProjection,
    HermiteMap,
    InvariantKernelRidge,
    RandomFeatures,
    invariant_kernel,
)
from hierlib.model.metrics import normalized_mse
from hierlib.model.target import HierarchicalTarget

__all__ = [
    "LEARNERS",
    "AdaptedHead",
    "BoundedNystroem",
    "DegreeTwoProjection",
    "HermiteMap",
    "InvariantKernelRidge",
    "RandomFeatures",
    "compare_point",
    "degree_energies",
    "invariant_kernel",
    "make_learner",
    "sample_energy",
]

ALPHAS = [1e-4, 1e-2, 1.0, 1e2]
SCALES = [0.1, 0.4, 1.6]
LEARNERS = (
    "hierarchical",
    "kernel rbf",
    "kernel polynomial",
    "kernel tangent",
    "nystroem polynomial",
    "random relu",
    "random quartic",
    "network",
    "one-shot projection",
    "all hermite features",
    "head kernel",
    "head polynomial",
)


class AdaptedHead(UnitFreeScore, RegressorMixin, BaseEstimator):
    r"""A tuned regression head on the first layer that Algorithm 1 learns.

    Parameters
    ----------
    first_layer : HierarchicalSpectralRegressor
        Learns :math:`\hat h^{(1)}`; its own upper layers are not used.
    head : estimator
        Regressor on :math:`\hat h^{(1)}`.
    grid : dict
        Candidates for the head's parameters.
    random_state : int, default 0
        Seed of the fifth of the sample that chooses among the candidates.

    Notes
    -----
    The first layer is fitted twice: on four fifths, so that the last fifth judges features that have not seen it,
    and on everything.
    """

    def __init__(self, first_layer, head, grid: dict, random_state: int = 0) -> None:
        self.first_layer = first_layer
        self.head = head
        self.grid = grid
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> AdaptedHead:
        """Fit and tune on arrays of shapes (n_samples, d) and (n_samples,)."""
        check_seed("random_state", self.random_state)
        X, y = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        y = y.astype(float)
        # At unit size: the candidates are compared by squares of labels.
        self.unit_ = power_of_two(y)
        y = y / self.unit_
        train, check = next(_split(self.random_state).split(X))
        features = _plain(clone(self.first_layer)).fit(X[train], y[train]).transform(X)
        search = GridSearchCV(
            self.head,
            self.grid,
            cv=[(train, check)],
            refit=False,
            error_score="raise",
        ).fit(features, y)
        self.best_params_ = search.best_params_
        self.first_layer_ = _plain(clone(self.first_layer)).fit(X, y)
        self.head_ = clone(self.head).set_params(**self.best_params_).fit(self.first_layer_.transform(X), y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict labels, ndarray of shape (n_samples,)."""
        check_is_fitted(self)
        return self.unit_ * self.head_.predict(self.first_layer_.transform(X))


def _plain(transformer: BaseEstimator) -> BaseEstimator:
    """Let a transformer return arrays, whatever the global configuration is at the time."""
    return transformer.set_output(transform="default")


class _BudgetedNetwork(MLPRegressor):
    """A two-layer network whose number of epochs is a budget, not a mistake to warn of."""

    def fit(self, X, y):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().fit(X, y)


def make_learner(
    name: str, *, n_features: int, seed: int = 0, n_components: int = 1000, max_bytes: int = MAX_BYTES
) -> BaseEstimator:
    """Build a learner by its name, with its grid of twelve candidates.

    Parameters
    ----------
    name : str
        One of `LEARNERS`. "hierarchical" is Algorithm 1 with bounded labels and normalised inputs, and the "head"
        learners put another regressor on its first layer; the others see x alone.
    n_features : int
        Number d1 of first-layer features that the adapted learners are told. Not used by the others.
    seed : int, default 0
        Of the validation split and of the learner's own draws.
    n_components : int, default 1000
        Number of random features or Nystroem centres (at most as many as samples are used).
    max_bytes : int, default 2**30
        Largest memory of a kernel or feature matrix.

    Returns
    -------
    sklearn estimator
        With ``fit`` and ``predict``.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from hierlib import HierarchicalTarget
    >>> from hierlib.learn.baselines import make_learner
    >>> target = HierarchicalTarget(d=6, seed=0)
    >>> model = make_learner("all hermite features", n_features=2).fit(*target.sample(1500, seed=1))
    >>> model.best_params_["hermitemap__max_degree"], round(model.score(*target.sample(2000, seed=2)), 2)
    (4, 1.0)
    """
    check_choice("name", name, LEARNERS)
    check_integer("n_features", n_features, low=1)
    check_integer("seed", seed, low=0)
    check_integer("n_components", n_components, low=1)
    check_integer("max_bytes", max_bytes, low=1)
    kind, _, detail = name.partition(" ")
    learner: BaseEstimator
    grid: dict[str, list]
    if kind in ("hierarchical", "head"):
        first = HierarchicalSpectralRegressor(
            n_features, label_transform="tanh", normalize=True, n_jobs=1, random_state=seed
        )
        if kind == "hierarchical":
            return first
        if detail == "kernel":
            nystroem = BoundedNystroem("rbf", None, 1.0, min(n_components, 500), seed, max_bytes)
            head = make_pipeline(nystroem, Ridge())
            grid = {"boundednystroem__gamma": [scale / n_features for scale in SCALES], "ridge__alpha": ALPHAS}
        else:
            head = make_pipeline(PolynomialFeatures(include_bias=False), StandardScaler(), Ridge())
            grid = {"polynomialfeatures__degree": [2, 3, 4], "ridge__alpha": ALPHAS}
        return AdaptedHead(first, head, grid, random_state=seed)
    ridge = {"ridge__alpha": ALPHAS}
    if kind == "kernel":
        learner, grid = InvariantKernelRidge(detail, max_bytes=max_bytes), {"scale": SCALES, "alpha": ALPHAS}
    elif kind == "nystroem":
        learner = make_pipeline(BoundedNystroem("polynomial", None, 1.0, n_components, seed, max_bytes), Ridge())
        # (1 + s x.z/d)^4 is (1/s + x.z/d)^4 up to a factor.
        grid = {"boundednystroem__coef0": [1 / scale for scale in SCALES], **ridge}
    elif kind == "random":
        features = RandomFeatures(detail, n_components, random_state=seed, max_bytes=max_bytes)
        # Not standardised: a unit that is almost never active would get a huge factor.
        learner = make_pipeline(features, Ridge())
        grid = {"randomfeatures__scale": SCALES, "ridge__alpha": [1.0, 1e2, 1e4, 1e6]}
    elif kind == "network":
        learner = _BudgetedNetwork(early_stopping=True, max_iter=200, random_state=seed)
        grid = {
            "hidden_layer_sizes": [(32,), (128,)],
            "learning_rate_init": [1e-3, 3e-3, 1e-2],
            "alpha": [1e-4, 1e-1],
        }
    elif kind == "one-shot":
        learner = make_pipeline(DegreeTwoProjection(), PolynomialFeatures(4), StandardScaler(), Ridge())
        grid = {"degreetwoprojection__n_components": [1, 2, 4], **ridge}
    else:
        learner = make_pipeline(HermiteMap(max_bytes=max_bytes), Ridge())
        grid = {"hermitemap__max_degree": [2, 3, 4], "ridge__alpha": [1e-2, 1.0, 1e2, 1e4]}
    return GridSearchCV(learner, grid, scoring=make_scorer(r_squared), cv=_split(seed), error_score="raise")


def _split(seed: int) -> ShuffleSplit:
    return ShuffleSplit(n_splits=1, test_size=0.2, random_state=seed)


def compare_point(
    *, learner: str, d: int, n: int, seed: int, gamma: float = 0.4, n_test: int = 4000, max_bytes: int = MAX_BYTES
) -> dict[str, float]:
    """Draw a target (q = 2, g = identity) and a sample, tune and fit one learner, and measure error and cost.

    Parameters
    ----------
    learner : str
        One of `LEARNERS`.
    d : int
        Input dimension.
    n : int
        Number of samples, tuning included, at least 10.
    seed : int
        Seed of the target; the samples' seeds are derived from it, and samples of different size are nested.
    gamma : float, default 0.4
        Exponent of the weights.
    n_test : int, default 4000
        Number of fresh samples that measure the error.
    max_bytes : int, default 2**30
        Largest memory of a kernel or feature matrix.

    Returns
    -------
    dict
        ``mse`` (normalised test error), ``seconds`` (processor time of tuning and fit), ``mebibytes`` (largest
        memory that Python and NumPy held during them, beyond the data).

    Examples
    --------
    >>> from hierlib.learn.baselines import compare_point
    >>> point = compare_point(learner="all hermite features", d=4, n=800, seed=0)
    >>> point["mse"] < 0.01
    True
    """
    check_integer("n", n, low=10)
    target = HierarchicalTarget(d=d, gamma=gamma, seed=seed)
    model = make_learner(learner, n_features=target.n_features, seed=seed, max_bytes=max_bytes)
    X, y = target.sample(n, seed=2 * seed)
    X_test, y_test = target.sample(n_test, seed=2 * seed + 1)
    tracemalloc.start()
    start = time.process_time()
    model.fit(X, y)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"mse": normalized_mse(y_test, model.predict(X_test)), "seconds": seconds, "mebibytes": peak / 2**20}


def degree_energies(target: HierarchicalTarget) -> np.ndarray:
    r"""Split the variance of the second layer into Hermite and harmonic degrees, exactly, for q = 2.

    With :math:`h_i = x^\top B_i x - \mathrm{tr} B_i`, the product formula
    :math:`h_i^2 - 1 = I_4(B_i \otimes B_i) + 4 I_2(B_i^2)` has no constant part. Let :math:`M = \sum \lambda_i B_i^2`,
    :math:`t_i = \mathrm{tr} B_i` and :math:`G = A A^\top`. Then degrees 2 and 4 of :math:`h^{(2)}` have the energies

    .. math:: E_2 = 16\|M\|_F^2, \qquad
              E_4 = \sum_{ij} \lambda_i \lambda_j (G_{ij}^2 + 8\,\mathrm{tr}\,B_i B_j B_i B_j).

    Each Hermite degree is split further by what an orthogonally invariant kernel resolves: functions of the norm of
    x (harmonic degree 0), of the norm times a harmonic of degree 2, and harmonics of degree 4.

    Parameters
    ----------
    target : HierarchicalTarget
        With q = 2 and the identity link.

    Returns
    -------
    ndarray, shape (2, 3)
        Rows: Hermite degrees 2 and 4; columns: harmonic degrees 0, 2 and 4. The sum is the variance of y.

    Raises
    ------
    ValueError
        If q is not 2 or the link is not the identity.

    Notes
    -----
    Cost: d1^2 products of d x d matrices. With :math:`S = \sum \lambda_i` and Haar directions
    :math:`E_2 \approx 4(1 + S^2)/d`, of which :math:`4S^2/d` belongs to the norm of x alone, exactly.

    References
    ----------
    This book, chapter on depth.

    Examples
    --------
    >>> from hierlib import HierarchicalTarget
    >>> from hierlib.learn.baselines import degree_energies
    >>> degree_energies(HierarchicalTarget(d=16, n_features=1, seed=0)).sum(axis=1).round(2)
    array([0.46, 1.23])
    """
    if target.q != 2 or target.link != "identity":
        msg = f"target must have q = 2 and the identity link, got {target!r}."
        raise ValueError(msg)
    d, weights = target.d, target.weights
    rows, columns = np.triu_indices(d)
    B = np.zeros((target.n_features, d, d))
    B[:, rows, columns] = np.where(rows == columns, 1 / np.sqrt(2), 0.5) * target.directions
    B[:, columns, rows] = B[:, rows, columns]
    traces = np.trace(B, axis1=1, axis2=2)
    M = np.einsum("i,iab,ibc->ac", weights, B, B, optimize=True)
    alternating = np.array([[np.sum((first @ second) * (first @ second).T) for second in B] for first in B])
    gram = target.directions @ target.directions.T

    second, fourth = 16 * np.sum(M**2), weights @ (gram**2 + 8 * alternating) @ weights
    second_radial = 16 * np.trace(M) ** 2 / d
    # The symmetric tensor sum lambda_i B_i x B_i / sqrt 2 contracted once, times 3 sqrt 2: its traceless part N carries
    # the harmonics of degree 2 in the Hermite degree 4, its trace the functions of the norm.
    N = np.einsum("i,i,iab->ab", weights, traces, B) + 2 * M
    trace = np.trace(N)
    fourth_radial = 4 * trace**2 / (d * (d + 2))
    fourth_second = 8 * (np.sum(N**2) - trace**2 / d) / (d + 4)
    return np.array(
        [
            [second_radial, second - second_radial, 0.0],
            [fourth_radial, fourth_second, fourth - fourth_radial - fourth_second],
        ]
    )


def sample_energy(X: np.ndarray, y: np.ndarray, degree: int) -> tuple[float, float]:
    r"""Estimate the energy of a function in one Hermite degree from a sample, for any q and link.

    .. math:: E_k = \|\mathbb{E}\,y F_k(x)\|^2
              \approx \frac{1}{n(n-1)} \sum_{\mu\ne\nu} y_\mu y_\nu F_k(x_\mu)^\top F_k(x_\nu),

    with the orthonormal Hermite features of degree k: unbiased.

    Parameters
    ----------
    X : array_like, shape (n_samples, d)
        Standard normal inputs, at least 20.
    y : array_like, shape (n_samples,)
        Values of the function.
    degree : int
        k, at least 0.

    Returns
    -------
    energy, error : float
        Estimate, and its standard error by the jackknife over ten blocks.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.baselines import sample_energy
    >>> X = np.random.default_rng(0).standard_normal((20_000, 3))
    >>> energy, error = sample_energy(X, X[:, 0] ** 2 - 1, degree=2)
    >>> abs(energy - 2) < 4 * error < 0.8
    True
    """
    X = check_array("X", X, shape=(None, None)).astype(float)
    y = check_array("y", y, shape=(len(X),)).astype(float)
    check_integer("degree", degree, low=0)
    check_integer("the number of rows of X", len(X), low=20)
    sums, squares, counts = [], [], []
    for block in np.array_split(np.arange(len(X)), 10):
        F = HermiteFeatures(X.shape[1], degree).transform(X[block]) if degree else np.ones((len(block), 1))
        sums.append(y[block] @ F)
        squares.append(np.sum((y[block, None] * F) ** 2))
        counts.append(len(block))

    def energy(keep: np.ndarray) -> float:
        n = np.sum(np.array(counts)[keep])
        total = np.sum(np.array(sums)[keep], axis=0)
        return float((total @ total - np.sum(np.array(squares)[keep])) / (n * (n - 1)))

    without = np.array([energy(np.arange(10) != j) for j in range(10)])
    return energy(np.ones(10, dtype=bool)), float(np.sqrt(0.9 * np.sum((without - without.mean()) ** 2)))
