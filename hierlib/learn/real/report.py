r"""How many features a table of data shows, and how many samples would show the next one: one call.

The columns are prepared for the spectral method (heavy tails, collinear and constant columns), the eigenvalues of the
moment matrix are compared with those of permuted labels, and the strengths of the features that stand out are continued
to the next one. What may mislead is reported with the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import rankdata

from hierlib.checks import check_real, check_seed
from hierlib.engine.krylov import by_modulus
from hierlib.engine.scaling import power_of_two, varies
from hierlib.learn.real.alignment import constants_of, permutation_edges
from hierlib.learn.real.tables import fewer_rows, listed, read_inputs, read_labels, whitened_columns

__all__ = ["FeatureReport", "feature_report"]

MIN_SAMPLES = 30
FOLDS = 5
MIN_TERMS = 10
# Share of the labels that one value makes up, from which on they are rare events.
RARE = 0.98
CLOSE_TO_LINEAR = 0.5
# Excess kurtosis along a feature that is worth a word: that of the Laplace law.
HEAVY_ALONG = 3.0


@dataclass(frozen=True)
class FeatureReport:
    """What `feature_report` found; `print` it, look at `warnings`, and `plot` it.

    Attributes
    ----------
    n_features : int
        Number of eigenvalues that labels without relation to the inputs do not reach.
    n_next : float
        Estimated number of samples that would show one feature more; infinite where the data show no sign of one.
    n_next_range : tuple of two floats
        From a size that is certainly not enough to one that should be; infinite where there is no sign.
    table : pandas.DataFrame
        One row a feature, strongest first: ``eigenvalue``; ``strength``, its size without the noise; ``constant`` a;
        ``alignment``, the expected squared cosine 1 - a/n with the true direction; ``n_for_90``, the samples for an
        alignment of 0.9; ``inputs``, the columns that correlate most with the feature.
    warnings : list of str
        What was changed in the data, and what makes the answer doubtful.
    eigenvalues : ndarray, shape (dim,)
        All eigenvalues of the moment matrix: those of the features by modulus, and then the others.
    interval : ndarray, shape (2,)
        What permuted labels do not leave at the level.
    level : float
        The level.
    n_samples : int
        Number of rows used.
    directions : ndarray, shape (n_features, d)
        Correlation of each feature with each column; 0 for constant ones.
    """

    n_features: int
    n_next: float
    n_next_range: tuple[float, float]
    table: pd.DataFrame
    warnings: list[str]
    eigenvalues: np.ndarray
    interval: np.ndarray
    level: float
    n_samples: int
    directions: np.ndarray = field(repr=False)

    def __str__(self) -> str:
        lines = [f"{self.n_features} of {len(self.eigenvalues)} directions show a feature (level {self.level:g})."]
        if self.n_features:
            lines.append(self.table.round(3).to_string())
        low, high = self.n_next_range
        if np.isfinite(self.n_next):
            lines.append(f"One more: about {self.n_next:,.0f} samples (between {low:,.0f} and {high:,.0f}).")
        else:
            lines.append(f"One more: no sign of it; more than {low:,.0f} samples.")
        return "\n".join([*lines, *(f"Caution: {text}" for text in self.warnings)])

    def plot(self) -> np.ndarray:
        """Draw the eigenvalues with the interval of permuted labels, and the alignment of each feature against n.

        Returns
        -------
        ndarray of matplotlib.axes.Axes, shape (2,)
            The two panels.
        """
        from matplotlib import pyplot as plt

        _, axes = plt.subplots(1, 2, figsize=(9, 3.4))
        ranks = np.arange(1, len(self.eigenvalues) + 1)
        found = ranks <= self.n_features
        axes[0].axhspan(*self.interval, color="0.9", label="permuted labels")
        for part, color, label in ((found, "C0", "feature"), (~found, "0.5", "noise")):
            axes[0].plot(ranks[part], self.eigenvalues[part], "o", color=color, label=label, ms=4)
        axes[0].set(xlabel="rank", ylabel="eigenvalue")
        axes[0].legend()
        sizes = self.n_samples * np.geomspace(0.1, 10)
        for i, row in self.table.iterrows():
            axes[1].plot(sizes, np.maximum(0, 1 - row["constant"] / sizes), label=f"feature {i}")
        axes[1].axvline(self.n_samples, color="0.5", ls=":", label="these data")
        if np.isfinite(self.n_next):
            axes[1].axvline(self.n_next, color="0.5", ls="--", label="the next feature")
        axes[1].set(xscale="log", xlabel="samples $n$", ylabel="expected alignment", ylim=(0, 1.02))
        axes[1].legend(fontsize="small")
        return axes


def feature_report(
    X: ArrayLike, y: ArrayLike, *, level: float = 0.99, random_state: int | np.random.Generator = 0
) -> FeatureReport:
    r"""Say how many features a data set shows, and how many samples would show the next one.

    A feature is a direction in the space of the inputs along which the *spread* of the inputs goes with the label:
    an eigenvector of :math:`\frac1n\sum_\mu W_\mu x_\mu x_\mu^\top`, x the whitened inputs and W the centred ranks of
    the labels. As many features are counted as there are eigenvalues outside the interval that permuted labels keep to.

    Parameters
    ----------
    X : array_like or data frame, shape (n_samples, d)
        Inputs, numbers without gaps, at least 30 rows that are independent of each other.
    y : array_like, shape (n_samples,)
        Labels, numbers; for classes, one class against the rest: ``y == c``.
    level : float, default 0.99
        Probability of no feature where labels have nothing to do with inputs, between 0.5 and 0.999.
    random_state : int or numpy.random.Generator, default 0
        Permutations, folds, and the choice of rows where there are too many.

    Returns
    -------
    FeatureReport
        The counts, a table and what to be careful about.

    Raises
    ------
    ValueError
        If X or y are not tables of finite numbers of as many rows, have fewer than 30 rows, or all labels or all inputs
        are constant, or an argument is out of range.

    Notes
    -----
    What is done to the data, each with a warning: constant columns are dropped; columns with an excess kurtosis above 6
    are replaced by their normal scores; collinear columns are merged; at most 100 principal components, and one for ten
    rows, are kept, whitened; of many rows a random choice is used. Labels enter by their ranks alone.

    The strength :math:`\theta` of a feature is its eigenvalue :math:`\lambda` less what noise adds:
    :math:`\lambda=\theta+e^2/(4\theta)`, e the edge of the bulk of noise. From two features on, the power law through
    the strengths is continued to the next one. A second estimate needs no power law: the quadratic form of the best
    further direction of four fifths of the data on the last fifth; it is at most the next strength, and gives the upper
    end of the range. The feature shows when n has shrunk the interval of permuted labels to its eigenvalue.
    On synthetic targets with power-law weights the estimate is right within a factor of two, rather too low.

    Cost: some seconds, at most 30.

    References
    ----------
    This book, chapter *Real Inputs*.

    Examples
    --------
    >>> from hierlib import HierarchicalTarget
    >>> from hierlib.learn.real import feature_report
    >>> target = HierarchicalTarget(d=12, q=1, n_features=6, gamma=0.6, seed=0)
    >>> report = feature_report(*target.sample(250, seed=1))
    >>> report.n_features, report.n_next > 250
    (4, True)
    """
    level = check_real("level", level, low=0.5, high=0.999)
    check_seed("random_state", random_state)
    rng = np.random.default_rng(random_state)
    inputs, names = read_inputs(X)
    labels = read_labels(y, len(inputs))
    if len(inputs) < MIN_SAMPLES:
        msg = f"X must have at least {MIN_SAMPLES} rows, got {len(inputs)}."
        raise ValueError(msg)
    if not varies(labels):
        msg = f"y must vary, got {labels[0]:g} for all {len(labels)} rows."
        raise ValueError(msg)
    notes: list[str] = []
    n_permutations = max(99, int(np.ceil(round(2 / (1 - level), 6))) - 1)
    inputs, labels = fewer_rows(inputs, labels, n_permutations, notes, rng)
    whitened, loadings = whitened_columns(inputs, names, notes)
    n, dim = whitened.shape
    weights = 2 * rankdata(labels / power_of_two(labels)) / n
    weights -= weights.mean()
    _look_at_labels(whitened, labels, weights, notes)

    permuted: dict[str, Any] = {
        "level": level,
        "n_permutations": n_permutations,
        "label_transform": None,
        "random_state": rng,
    }
    interval = permutation_edges(whitened, weights, **permuted)
    values, vectors = np.linalg.eigh((whitened * weights[:, None]).T @ whitened / n)
    order = by_modulus(values)
    # Features first, so that a lopsided interval hides none behind noise of the other sign.
    outside = (values[order] < interval[0]) | (values[order] > interval[1])
    order = np.concatenate([order[outside], order[~outside]])
    values, vectors, k = values[order], vectors[:, order], int(outside.sum())
    squares = (whitened @ vectors) ** 2
    variances = (weights[:, None] ** 2 * squares[:, :k]).T @ squares[:, k:] / n
    constants = constants_of(variances, values)
    noise_edge = 2 * np.sqrt(np.mean(weights**2) * (dim - k) / n)
    strengths = _undo_noise(np.abs(values[:k]), noise_edge)
    directions = vectors[:, :k].T @ loadings
    table = pd.DataFrame(
        {
            "eigenvalue": values[:k],
            "strength": strengths,
            "constant": constants,
            "alignment": np.maximum(0.0, 1 - constants / n),
            "n_for_90": 10 * constants,
            "inputs": [_largest(row, names) for row in directions],
        },
        index=pd.RangeIndex(1, k + 1, name="feature"),
    )
    estimate, reach = _next(whitened, weights, values, interval, strengths, noise_edge, notes, rng)
    _look_at_features(squares[:, :k], table, dim, n, notes)
    return FeatureReport(k, estimate, reach, table, notes, values, interval, level, n, directions)


def _largest(correlations: np.ndarray, names: list[str]) -> str:
    leading = np.argsort(-np.abs(correlations), kind="stable")[:3]
    return ", ".join(f"{names[j]} ({correlations[j]:+.2f})" for j in leading)


def _look_at_labels(whitened: np.ndarray, labels: np.ndarray, weights: np.ndarray, notes: list[str]) -> None:
    n, dim = whitened.shape
    distinct = np.unique(labels).size
    if 2 < distinct <= 10:
        notes.append(f"y has {distinct} values, taken as ordered numbers: for classes, ask for each one, y == c.")
    share = np.unique(labels, return_counts=True)[1].max() / n
    if share > RARE:
        notes.append(f"one value makes up {share:.1%} of y: a few samples decide.")
    linear = np.sum((whitened.T @ weights / n) ** 2) / np.mean(weights**2) - dim / n
    if linear > CLOSE_TO_LINEAR:
        notes.append(
            f"{linear:.0%} of the variance of the labels' ranks is linear in the inputs, which a feature here is not: "
            "a linear model comes first."
        )
    copies = n - len(np.unique(np.column_stack([whitened, labels]), axis=0))
    if copies > n // 20:
        notes.append(f"{copies} rows are copies of others: the level holds for independent rows only.")


def _look_at_features(squares: np.ndarray, table: pd.DataFrame, dim: int, n: int, notes: list[str]) -> None:
    flat = [str(i) for i, row in table.iterrows() if row["constant"] > n / 2]
    if flat:
        notes.append(
            f"flat spectrum: the direction of feature {listed(flat)} is not known, as others have nearly its "
            "eigenvalue; the number of features may still be right."
        )
    kurtosis = np.mean(squares**2, axis=0) - 3
    heavy = [str(i + 1) for i in np.flatnonzero(kurtosis > HEAVY_ALONG)]
    if heavy:
        notes.append(
            f"the inputs have heavy tails along feature {listed(heavy)}: inputs far from normal have eigenvalues "
            "that are no features."
        )


def _next(
    whitened: np.ndarray,
    weights: np.ndarray,
    values: np.ndarray,
    interval: np.ndarray,
    strengths: np.ndarray,
    noise_edge: float,
    notes: list[str],
    rng: np.random.Generator,
) -> tuple[float, tuple[float, float]]:
    """Estimate of the sample size that shows one feature more, and its range."""
    (n, dim), k = whitened.shape, len(strengths)
    if k == dim:
        notes.append("every direction shows a feature: there is no next one.")
        return np.inf, (np.inf, np.inf)
    needed = _undo_noise(np.abs(interval).mean(), noise_edge)

    def size(strength: float) -> float:
        return float(n * (needed / strength) ** 2)

    slope, height = np.polyfit(np.log(np.arange(1, k + 1)), np.log(strengths), 1) if k > 1 else (0.0, 0.0)
    step = min(slope, 0.0) * np.log(1 + 1 / max(k, 1))
    # Beyond n, and within the step of the law from there if the last feature shows from n on: the middle.
    least = max(n + 1.0, n * float(np.exp(-step)))
    seen = _seen_by_others(whitened, weights, k, values, rng)
    upper = max(least, size(seen)) if seen > 0 else np.inf
    if k < 2:
        return upper, (float(n), upper)
    continued = size(float(np.exp(height + min(slope, 0.0) * np.log(k) + step)))
    if continued < n / 2:
        notes.append(f"strengths fall faster after feature {k} than the power law of those before.")
        return upper, (float(n), upper)
    if not seen > 0:
        notes.append("the next feature is where the power law of the strengths leads; the data show no sign of it yet.")
    return min(max(least, continued), upper), (float(n), upper)


def _undo_noise(eigenvalues: Any, noise_edge: float) -> Any:
    """Strength whose eigenvalue among noise is given: the larger root of theta + edge^2 / (4 theta) = eigenvalue."""
    return (eigenvalues + np.sqrt(np.maximum(0.0, np.square(eigenvalues) - noise_edge**2))) / 2


def _seen_by_others(
    whitened: np.ndarray, weights: np.ndarray, k: int, values: np.ndarray, rng: np.random.Generator
) -> float:
    """Strength that the best further direction of most of the data has on the rest; 0 if it could be chance."""
    n = len(weights)
    fold = rng.permutation(n) % FOLDS
    terms = np.zeros((2, n))
    for f in range(FOLDS):
        train, test = fold != f, fold == f
        vectors = np.linalg.eigh((whitened[train] * weights[train, None]).T @ whitened[train])[1]
        # As many features of either sign as the whole data show come first from outside.
        low, high = np.count_nonzero(values[:k] < 0), np.count_nonzero(values[:k] > 0)
        for side, place in ((0, low), (1, vectors.shape[1] - 1 - high)):
            terms[side, test] = (2 * side - 1) * weights[test] * (whitened[test] @ vectors[:, place]) ** 2
    mean, error = terms.mean(axis=1), terms.std(axis=1) / np.sqrt(n)
    # Where few samples make up the sum, such as those of a rare class, its error says nothing.
    many = np.sum(terms**2, axis=1) ** 2 >= MIN_TERMS * np.sum(terms**4, axis=1)
    # Either of two directions may be taken: each at 2.5 %.
    return float(np.max(np.where(many & (mean > ndtri(0.975) * error), mean, 0.0)))
