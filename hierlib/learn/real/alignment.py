r"""How well eigenvectors of the moment matrix are known: no model of the data, no constant fitted.

Let :math:`\hat C=\frac1N\sum_\mu W_\mu F_\mu F_\mu^\top` be the moment matrix of N samples with centred weights W,
:math:`(\theta_j,u_j)` its eigenpairs by modulus, and :math:`h_j=\langle u_j,F\rangle`. A fresh sample of size n moves
:math:`u_i` out of the span of the first k by a random vector with the mean square :math:`a_i/n`, to first order in
1/n, where

.. math:: a_i = \sum_{j>k}\frac{\operatorname{Var}(W h_ih_j)}{(\theta_i-\theta_j)^2}
             = \frac1N\sum_\mu W_\mu^2h_{i\mu}^2\,\bigl\|(\theta_i-P\hat CP)^{-1}PF_\mu\bigr\|^2,

P the projection that removes the first k. The second form needs no eigenvector beyond k, which serves where D is large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator, eigsh

from hierlib.checks import check_array, check_integer, check_jobs, check_real, check_seed
from hierlib.engine.density import lanczos_rules
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.krylov import by_modulus, largest_modulus
from hierlib.engine.moment import MomentOperator, label_weights
from hierlib.engine.scaling import power_of_two, varies

__all__ = ["AlignmentConstants", "alignment_constants", "permutation_edges"]

# Up to this dimension all eigenpairs are computed: a few seconds.
MAX_DENSE_DIM = 1500
# Beyond it, random vectors a feature, and Lanczos steps from each.
N_PROBES = 32
N_STEPS = 40
# Of the largest mean square, which is that of a product of two features and so a fourth power.
ROUNDING = 1e-24
# Numbers that features take at once: 256 MiB.
SLICE_SIZE = 2**25


class AlignmentConstants(NamedTuple):
    r"""What `alignment_constants` returns; unpacks as a tuple.

    Attributes
    ----------
    eigenvalues : ndarray, shape (k,)
        Eigenvalues :math:`\theta_i` of the moment matrix, by modulus, largest first.
    directions : ndarray, shape (k, dim)
        Their eigenvectors :math:`u_i`, orthonormal rows; the entry of largest modulus of each is positive.
    constants : ndarray, shape (k,)
        The :math:`a_i`, in samples.
    n_reference : int
        Number N of samples that all of this was computed from.
    """

    eigenvalues: np.ndarray
    directions: np.ndarray
    constants: np.ndarray
    n_reference: int

    def alignments(self, n: ArrayLike, *, fresh: bool = False) -> np.ndarray:
        r"""Predict the squared cosine of each direction with the first k eigenvectors of n other samples.

        .. math:: \cos^2\theta_i = 1 - a_i\Bigl(\frac1n+\frac1N\Bigr),

        at least 0: both samples err. It is the first order in 1/n: good above 0.7, of no use below 0.5.

        Parameters
        ----------
        n : array_like, any shape
            Sample sizes, positive.
        fresh : bool, default False
            Leave 1/N out: the alignment of n samples with the truth, in the place of the `directions`.

        Returns
        -------
        ndarray, shape of n and (k,)
            The alignments.

        Raises
        ------
        ValueError
            If a size is not a positive number.

        Examples
        --------
        >>> import numpy as np
        >>> from hierlib.learn.real import AlignmentConstants
        >>> constants = AlignmentConstants(np.ones(1), np.eye(1, 5), np.array([30.0]), 1000)
        >>> constants.alignments([100, 1000]).round(2).tolist()
        [[0.67], [0.94]]
        """
        sizes = check_array("n", n, shape=None)
        if not (sizes > 0).all():
            msg = f"n must be positive, got {sizes}."
            raise ValueError(msg)
        error = 1 / sizes + (0 if fresh else 1 / self.n_reference)
        return np.maximum(0.0, 1 - self.constants * error[..., None])


def alignment_constants(
    X: ArrayLike,
    y: ArrayLike,
    k: int,
    degree: int = 1,
    *,
    label_transform: str | Callable | None = "tanh",
    n_jobs: int | None = -1,
    random_state: int | np.random.Generator = 0,
) -> AlignmentConstants:
    r"""Predict from a sample how the leading eigenvectors of other samples will agree with its own.

    Parameters
    ----------
    X : array_like, shape (n_samples, d)
        Inputs. Nothing is done to them: centre and whiten them before, such as with
        ``sklearn.decomposition.PCA(whiten=True)``, or else large columns rule the moment matrix.
    y : array_like, shape (n_samples,)
        Labels, not all equal; for classes, one class against the rest: ``y == c``.
    k : int
        Number of leading eigenvectors, between 1 and the dimension D of the features.
    degree : int, default 1
        Degree of the Hermite features; with 1 they are the inputs.
    label_transform : {"tanh"} or callable, optional
        Function of the standardised labels whose values, centred, are the weights W; None for the centred labels. On
        two classes it is a factor.
    n_jobs : int, default -1
        Number of joblib workers of the passes over the data; -1 uses all cores.
    random_state : int or numpy.random.Generator, default 0
        Random vectors, where D is above 1500.

    Returns
    -------
    AlignmentConstants
        Eigenvalues, directions, constants and the number of samples; its `alignments` are the prediction.

    Raises
    ------
    ValueError
        If an argument is out of range, X or y have other shapes or are not finite, or all labels are equal.

    Notes
    -----
    Up to D = 1500, all eigenpairs: 4 n D^2 + 10 D^3 operations. Beyond, leading eigenpairs and 40 Lanczos steps from 32
    random vectors a feature (the square in the second form is an expectation over them): 5000 n D k operations and 1300
    D numbers of memory. The relative error of a constant is then below :math:`\sqrt{2/32}`, which a single nearby
    eigenvalue causes; over a bulk of r eigenvalues it is :math:`\sqrt{2/(32r)}`.

    The eigenvalues are the sample's own: their noise makes the constants of a sample of fewer than about 20 D unsure.

    References
    ----------
    This book, chapter *Real Inputs*; the first-order perturbation is the paper's (3.2).

    Examples
    --------
    >>> from hierlib import HierarchicalTarget
    >>> from hierlib.learn.real import alignment_constants
    >>> target = HierarchicalTarget(d=30, q=1, n_features=2, seed=0)
    >>> constants = alignment_constants(*target.sample(4000, seed=1), k=2)
    >>> constants.directions.shape, constants.alignments([500, 2000]).round(2).tolist()
    ((2, 30), [[0.88, 0.82], [0.96, 0.94]])
    """
    X, y, degree = _checked(X, y, degree)
    features = HermiteFeatures(X.shape[1], degree)
    k = check_integer("k", k, low=1, high=features.dim)
    check_jobs(n_jobs)
    check_seed("random_state", random_state)
    weights = label_weights(y, label_transform)
    unit = power_of_two(weights)
    weights /= unit
    operator = MomentOperator((X, y), weights, degree=degree, dtype="float64", n_jobs=n_jobs)
    if features.dim <= MAX_DENSE_DIM:
        eigenvalues, vectors = np.linalg.eigh(operator.to_dense())
        order = by_modulus(eigenvalues)
        eigenvalues, vectors = eigenvalues[order], vectors[:, order]
        constants = _sums_over_the_rest(features, X, weights, eigenvalues, vectors, k)
    else:
        rng = np.random.default_rng(random_state)
        pairs = largest_modulus(operator, k, rng=rng, tol=1e-4, max_products=300)
        eigenvalues, vectors = pairs.eigenvalues, pairs.eigenvectors
        constants = _quadratures(operator, features, X, weights, eigenvalues, vectors, rng)
    if np.isnan(constants).any():
        msg = "X must be small enough for fourth powers of its features to be finite: standardise it."
        raise ValueError(msg)
    directions = vectors[:, :k].T
    peaks = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return AlignmentConstants(unit * eigenvalues[:k], np.sign(peaks) * directions, constants, len(y))


def permutation_edges(
    X: ArrayLike,
    y: ArrayLike,
    degree: int = 1,
    *,
    level: float = 0.99,
    n_permutations: int = 199,
    label_transform: str | Callable | None = "tanh",
    random_state: int | np.random.Generator = 0,
) -> np.ndarray:
    r"""Return the interval that eigenvalues of the moment matrix leave when the labels have to do with the inputs.

    The labels are permuted again and again, and the extreme eigenvalues of each moment matrix noted. Where labels are
    independent of the inputs, the data are one more permutation: all their eigenvalues lie inside the interval with a
    probability of at least `level`, whatever the law of the inputs and of the labels. No theory is used.

    Parameters
    ----------
    X : array_like, shape (n_samples, d)
        Inputs, rows independent of each other.
    y : array_like, shape (n_samples,)
        Labels, not all equal.
    degree : int, default 1
        Degree of the Hermite features.
    level : float, default 0.99
        Probability that noise stays inside, between 0 and 1.
    n_permutations : int, default 199
        At least 2/(1 - level) - 1: with fewer no interval has the level.
    label_transform : {"tanh"} or callable, optional
        As for `alignment_constants`.
    random_state : int or numpy.random.Generator, default 0
        The permutations.

    Returns
    -------
    ndarray, shape (2,)
        Lower and upper end.

    Raises
    ------
    ValueError
        If an argument is out of range, X or y have other shapes or are not finite, or all labels are equal.

    Notes
    -----
    The number of eigenvalues outside is a test of how many features a data set shows. The level is that of the first:
    given that there are some, it is approximate for further ones. Cost: n D^2 + D^3 operations a permutation, up to
    D = 1500 and 256 MiB of features; beyond, some fifty products of 4 n D.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib import HierarchicalTarget
    >>> from hierlib.learn.real import permutation_edges
    >>> X, y = HierarchicalTarget(d=30, q=1, n_features=2, seed=0).sample(2000, seed=1)
    >>> permutation_edges(X, y).round(2)
    array([-0.14,  0.15])
    """
    X, y, degree = _checked(X, y, degree)
    level = check_real("level", level, low=0, high=1, open_low=True, open_high=True)
    tail = (1 - level) / 2
    least = int(np.ceil(round(1 / tail, 6))) - 1
    n_permutations = check_integer("n_permutations", n_permutations, low=least)
    check_seed("random_state", random_state)
    weights, rng = label_weights(y, label_transform), np.random.default_rng(random_state)
    features = HermiteFeatures(X.shape[1], degree)
    small = features.dim <= MAX_DENSE_DIM and features.dim * len(X) <= SLICE_SIZE
    F = features.transform(X) if small else None
    ends = np.array([_extremes(X, F, rng.permutation(weights), degree) for _ in range(n_permutations)])
    # Of the data and the permutations together, `inside` are at most as far out: exchangeable under independence.
    inside = int(np.ceil(round((n_permutations + 1) * (1 - tail), 6)))
    interval = np.array([-np.sort(-ends[:, 0])[inside - 1], np.sort(ends[:, 1])[inside - 1]])
    # Labels of a rare class give the same eigenvalue in every permutation, up to rounding.
    return interval + np.array([-1, 1]) * 1e-9 * np.abs(interval).max()


def _checked(X: ArrayLike, y: ArrayLike, degree: int) -> tuple[np.ndarray, np.ndarray, int]:
    X = check_array("X", X, shape=(None, None)).astype(float)
    y = check_array("y", y, shape=(len(X),)).astype(float)
    if len(X) < 2 or not X.shape[1]:
        msg = f"X must have at least two rows and a column, got shape {X.shape}."
        raise ValueError(msg)
    if not varies(y):
        msg = f"y must vary, got {y[0]} for all {len(y)} samples."
        raise ValueError(msg)
    return X, y, check_integer("degree", degree, low=1)


def _slices(features: HermiteFeatures, n_samples: int) -> Iterator[slice]:
    rows = max(1, SLICE_SIZE // features.dim)
    return (slice(start, start + rows) for start in range(0, n_samples, rows))


def _sums_over_the_rest(
    features: HermiteFeatures, X: np.ndarray, weights: np.ndarray, values: np.ndarray, vectors: np.ndarray, k: int
) -> np.ndarray:
    """First form of the constants, given all eigenpairs."""
    # The mean of W h_i h_j is 0 for i != j, as the u are eigenvectors: the variance is the mean square.
    variances = np.zeros((k, features.dim - k))
    for part in _slices(features, len(X)):
        with np.errstate(over="ignore", invalid="ignore"):
            squares = (features.transform(X[part]) @ vectors) ** 2
            variances += (weights[part, None] ** 2 * squares[:, :k]).T @ squares[:, k:] / len(X)
    if not np.isfinite(variances).all():
        return np.full(k, np.nan)
    return constants_of(variances, values)


def constants_of(variances: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Constants of the first k eigenpairs, given Var(W h_i h_j) with each of the rest, shape (k, dim - k)."""
    # Inputs without a component along u_j have h_j = 0 up to rounding, and nothing is mixed up with it.
    mixed = variances > ROUNDING * variances.max(initial=0.0)
    k = len(variances)
    gaps = values[:k, None] - values[k:]
    with np.errstate(divide="ignore"):
        return np.sum(np.divide(variances, gaps**2, out=np.zeros_like(variances), where=mixed), axis=1)


def _quadratures(
    operator: MomentOperator,
    features: HermiteFeatures,
    X: np.ndarray,
    weights: np.ndarray,
    values: np.ndarray,
    vectors: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Second form of the constants, given the leading eigenpairs."""

    def without_leading(block: np.ndarray) -> np.ndarray:
        return block - vectors @ (vectors.T @ block)

    def product(block: np.ndarray) -> np.ndarray:
        return without_leading(operator @ without_leading(block))

    rest = LinearOperator(operator.shape, matvec=product, matmat=product, dtype=float)
    signs = rng.choice([-1.0, 1.0], size=(len(X), N_PROBES)) / np.sqrt(len(X))
    starts = np.zeros((len(values), features.dim, N_PROBES))
    for part in _slices(features, len(X)):
        F = features.transform(X[part])
        for start, h in zip(starts, (F @ vectors).T, strict=True):
            start += F.T @ ((weights[part] * h)[:, None] * signs[part])
    constants = np.zeros(len(values))
    for i, start in enumerate(starts):
        start = without_leading(start)
        nodes, shares = lanczos_rules(rest, start, n_steps=min(N_STEPS, features.dim))
        with np.errstate(divide="ignore"):
            sums = np.sum(shares / (values[i] - nodes) ** 2, axis=1)
        constants[i] = np.mean(np.sum(start**2, axis=0) * sums)
    return constants


def _extremes(X: np.ndarray, F: np.ndarray | None, weights: np.ndarray, degree: int) -> tuple[float, float]:
    """Smallest and largest eigenvalue of a moment matrix, of features that are given if they fit in memory."""
    if F is not None:
        values = np.linalg.eigvalsh((F * weights[:, None]).T @ F / len(F))
        return float(values[0]), float(values[-1])
    operator = MomentOperator((X, weights), degree=degree, dtype="float64", n_jobs=1)
    start = np.random.default_rng(0).standard_normal(operator.shape[0])
    low, high = np.sort(eigsh(operator, 2, which="BE", tol=1e-4, v0=start, return_eigenvectors=False))
    return float(low), float(high)
