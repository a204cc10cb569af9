r"""Targets whose label is another function of the first layer's features than the paper's.

A composition maps features h, shape (m, d1), to labels, shape (m,). Four are here: Hermite polynomials of higher order,
a quadratic form that is not diagonal, a tree of three levels, and a readout of several indices; any callable is one.
`CompositeTarget` puts a composition on top of Hermite features and samples it; `TreeTarget` draws a tree from a seed.
None of them is in the paper, which names more general compositions as future work; the chapter *Other Compositions*
says what the spectral step makes of them. Labels cost O(d1) or O(d1^2) a sample, beyond the O(D d1) of the features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import ArrayLike

from hierlib.checks import check_array, check_callable, check_integer, check_real
from hierlib.engine.hermite import HermiteFeatures
from hierlib.model.base import Target, checked_labels, orthonormal_rows

__all__ = [
    "CompositeTarget",
    "HermiteLayer",
    "Indices",
    "QuadraticForm",
    "Tree",
    "TreeTarget",
    "rank_one_directions",
]


def _check_weights(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return an array of finite numbers with at least one entry."""
    array = check_array(name, value, shape=shape).astype(float)
    if not array.size:
        msg = f"{name} must hold at least one number, got shape {array.shape}."
        raise ValueError(msg)
    return array


def _check_seen(name: str, unseen: np.ndarray) -> None:
    """Refuse features that the label does not contain: their directions are not determined by it."""
    if unseen.any():
        msg = f"{name} must weigh every feature, got zeros for feature {np.flatnonzero(unseen)[0]} (from 0)."
        raise ValueError(msg)


@dataclass(frozen=True, eq=False)
class HermiteLayer:
    r"""A second layer of Hermite polynomials of one order, :math:`y=\sum_i\lambda_i\,\mathrm{He}_k(h_i)/\sqrt{k!}`.

    For k = 2 the paper's. For larger k the labels themselves show nothing to the moment matrix.

    Parameters
    ----------
    weights : array_like, shape (d1,)
        The :math:`\lambda_i`, none of them 0; Var y is the sum of their squares.
    order : int, default 2
        The k, from 1 to 20.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> HermiteLayer([0.8, -0.6], order=3)(np.array([[2.0, 1.0]])).round(3)  # He_3(2) = 2, He_3(1) = -2
    array([1.143])
    """

    weights: np.ndarray
    order: int = 2

    def __post_init__(self) -> None:
        weights = _check_weights("weights", self.weights, (None,))
        _check_seen("weights", weights == 0)
        object.__setattr__(self, "weights", weights)
        check_integer("order", self.order, low=1, high=20)

    @property
    def n_features(self) -> int:
        """Number d1 of features."""
        return len(self.weights)

    def __call__(self, h: np.ndarray) -> np.ndarray:
        """Labels of features."""
        unit = np.zeros(self.order + 1)
        unit[-1] = 1 / np.sqrt(factorial(self.order))
        return np.polynomial.hermite_e.hermeval(h, unit) @ self.weights


@dataclass(frozen=True, eq=False)
class QuadraticForm:
    r"""A second layer that is a full matrix, :math:`y=(h^\top Bh-\operatorname{tr}B)/\sqrt2`.

    The paper's has diagonal B. Var y is the sum of the squares of B, for independent standard normal features.

    Parameters
    ----------
    matrix : array_like, shape (d1, d1)
        The B, symmetric and not singular.

    Raises
    ------
    ValueError
        If it is not symmetric up to rounding, or singular: a direction that the label ignores cannot be found.

    Examples
    --------
    >>> import numpy as np
    >>> QuadraticForm([[0.0, 0.5], [0.5, 0.0]])(np.array([[2.0, 1.0]])).round(3)
    array([1.414])
    """

    matrix: np.ndarray

    def __post_init__(self) -> None:
        matrix = _check_weights("matrix", self.matrix, (None, None))
        if matrix.shape[0] != matrix.shape[1] or np.abs(matrix - matrix.T).max() > 1e-12 * np.abs(matrix).max():
            msg = (
                f"matrix must be symmetric, got shape {matrix.shape} with other entries below the diagonal than above."
            )
            raise ValueError(msg)
        sizes = np.linalg.svd(matrix, compute_uv=False)
        if sizes[-1] <= 1e-12 * sizes[0]:
            msg = f"matrix must not be singular: the label would ignore a direction; got singular values {sizes}."
            raise ValueError(msg)
        object.__setattr__(self, "matrix", matrix)

    @property
    def n_features(self) -> int:
        """Number d1 of features."""
        return len(self.matrix)

    def __call__(self, h: np.ndarray) -> np.ndarray:
        """Labels of features."""
        return (np.einsum("mi,mi->m", h @ self.matrix, h) - np.trace(self.matrix)) / np.sqrt(2)


@dataclass(frozen=True, eq=False)
class Indices:
    r"""Several indices and a readout of all of them, :math:`y=g(z_1,\dots,z_r)`.

    .. math:: z_k = \frac{1}{\sqrt2}\sum_i\lambda_{ki}\,(h_i^2-1) .

    Parameters
    ----------
    weights : array_like, shape (r, d1)
        The :math:`\lambda_{ki}`; every feature is in an index, rows of unit norm give indices of unit variance.
    readout : callable
        The g: takes indices, shape (m, r), and returns labels, shape (m,).

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> composition = Indices([[1.0, 0.0], [0.0, 1.0]], readout=lambda z: z[:, 0] * z[:, 1])
    >>> composition(np.array([[2.0, 0.0]])).round(3)
    array([-1.5])
    """

    weights: np.ndarray
    readout: Callable[[np.ndarray], np.ndarray]

    def __post_init__(self) -> None:
        weights = _check_weights("weights", self.weights, (None, None))
        _check_seen("weights", (weights == 0).all(axis=0))
        object.__setattr__(self, "weights", weights)
        check_callable("readout", self.readout)

    @property
    def n_features(self) -> int:
        """Number d1 of features."""
        return self.weights.shape[1]

    def indices(self, h: np.ndarray) -> np.ndarray:
        """Compute the z_k, shape (m, r)."""
        return (h**2 - 1) @ self.weights.T / np.sqrt(2)

    def __call__(self, h: np.ndarray) -> np.ndarray:
        """Labels of features."""
        return self.readout(self.indices(h))


@dataclass(frozen=True, eq=False)
class Tree:
    r"""Three levels: leaves are features, a branch is a sum of their He2, the label one of the branches' He2.

    .. math::
        z_k = \frac1{\sqrt2}\sum_i\lambda_{ki}\,(h_{ki}^2-1), \qquad
        y = \frac1{\sqrt2}\sum_k\mu_k\,(z_k^2-1) .

    Parameters
    ----------
    top : array_like, shape (n_branches,)
        The :math:`\mu_k`, none of them 0.
    leaves : array_like, shape (n_branches, n_leaves)
        The :math:`\lambda_{ki}`, none of them 0; the label is centred if the squares of each row sum to 1.

    Raises
    ------
    ValueError
        If a shape does not fit, an entry is 0, or the squares of a row do not sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> tree = Tree([0.8, -0.6], np.full((2, 4), 0.5))
    >>> tree.eigenvalues.round(3)
    array([ 0.566,  0.566,  0.566,  0.566, -0.424, -0.424, -0.424, -0.424])
    """

    top: np.ndarray
    leaves: np.ndarray

    def __post_init__(self) -> None:
        top = _check_weights("top", self.top, (None,))
        leaves = _check_weights("leaves", self.leaves, (len(top), None))
        _check_seen("top", top == 0)
        _check_seen("leaves", leaves.ravel() == 0)
        norms = np.sum(leaves**2, axis=1)
        if np.abs(norms - 1).max() > 1e-9:
            msg = f"leaves must have rows whose squares sum to 1, got sums {norms}."
            raise ValueError(msg)
        object.__setattr__(self, "top", top)
        object.__setattr__(self, "leaves", leaves)

    @property
    def n_features(self) -> int:
        """Number d1 of features, branch after branch."""
        return self.leaves.size

    @property
    def eigenvalues(self) -> np.ndarray:
        r"""Eigenvalue of each feature for T = id, :math:`\theta_{ki}=2\sqrt2\,\mu_k\lambda_{ki}^2`, shape (d1,).

        .. math:: E[y\,(h_{ki}^2-1)] = \tfrac{1}{\sqrt2}\,\mu_k\,\tfrac{\lambda_{ki}^2}{2}\,E[(h^2-1)^3],

        and the third moment of a centred chi-square is 8.
        """
        return (2 * np.sqrt(2) * self.top[:, None] * self.leaves**2).ravel()

    @property
    def variance(self) -> float:
        r"""Variance of the label, :math:`\sum_k\mu_k^2\,(1+6\sum_i\lambda_{ki}^4)`."""
        return float(self.top**2 @ (1 + 6 * np.sum(self.leaves**4, axis=1)))

    def branches(self, h: np.ndarray) -> np.ndarray:
        """Compute the z_k, shape (m, n_branches)."""
        squares = (h**2 - 1).reshape(len(h), *self.leaves.shape)
        return np.einsum("mki,ki->mk", squares, self.leaves) / np.sqrt(2)

    def __call__(self, h: np.ndarray) -> np.ndarray:
        """Labels of features."""
        return (self.branches(h) ** 2 - 1) @ self.top / np.sqrt(2)

    def explained(self, gram: ArrayLike) -> float:
        r"""Share of Var y that the best function of learned features explains, for Gaussian features.

        With G the projection of the A_i onto the learned space, in their own basis, and :math:`\Lambda_k` the diagonal
        matrix of a branch's weights,

        .. math::
            \operatorname{Var} E[y\mid\hat h] = \sum_{kl}\mu_k\mu_l\bigl[\tau_{kl}^2+2\rho_{kl}
            +4\operatorname{tr}(\Lambda_k^2G\Lambda_l^2G)\bigr],\quad
            \tau_{kl}=\operatorname{tr}(\Lambda_kG\Lambda_lG),\quad
            \rho_{kl}=\operatorname{tr}(\Lambda_kG\Lambda_lG)^2 ,

        with the square of the matrix inside the last trace: the chaos expansion of y, of order four and two.

        Parameters
        ----------
        gram : array_like, shape (d1,) or (d1, d1)
            G, or its diagonal where the rest is 0: the alignments.

        Returns
        -------
        float
            1 less the smallest test error over Var y, whatever the upper layers are.

        Raises
        ------
        ValueError
            If the shape does not fit.

        Examples
        --------
        >>> import numpy as np
        >>> tree = Tree([1.0], [[0.8, 0.6]])
        >>> round(tree.explained(np.ones(2)), 6), round(tree.explained(np.array([0.5, 0.5])), 3)
        (1.0, 0.158)
        """
        gram = check_array("gram", gram, shape=None).astype(float)
        diagonal = gram.ndim < 2
        check_array("gram", gram, shape=(self.n_features,) if diagonal else (self.n_features, self.n_features))
        if diagonal:  # blocks of different branches vanish
            squares = self.leaves**2 * gram.reshape(self.leaves.shape) ** 2
            rest = 2 * np.sum(squares**2, axis=1) + 4 * np.sum(self.leaves**2 * squares, axis=1)
            return float(self.top**2 @ (np.sum(squares, axis=1) ** 2 + rest) / self.variance)
        total, count = 0.0, self.leaves.shape[1]
        for k, (mu, own) in enumerate(zip(self.top, self.leaves, strict=True)):
            for j, (nu, other) in enumerate(zip(self.top, self.leaves, strict=True)):
                block = gram[k * count : (k + 1) * count, j * count : (j + 1) * count]
                matrix = (own[:, None] * block * other) @ block.T
                square = np.sum(own[:, None] ** 2 * block**2 * other**2)
                total += mu * nu * (np.trace(matrix) ** 2 + 2 * np.sum(matrix * matrix.T) + 4 * square)
        return float(total / self.variance)


class CompositeTarget(Target):
    r"""Hermite features with any function of them on top.

    .. math:: h_i = \langle A_i, F(x)\rangle, \qquad y = c(h_1, \dots, h_{d_1}) .

    Parameters
    ----------
    d : int
        Input dimension, at least 1.
    q : int
        Degree of the Hermite features, from 1 to 30.
    composition : callable
        The c: takes features, shape (m, d1), and returns labels, shape (m,): `HermiteLayer`, `QuadraticForm`,
        `Indices`, `Tree`, or any other.
    n_features : int, optional
        Number d1 of features, between 1 and D. Not needed where the composition says it, or directions are given.
    directions : "orthonormal" or array_like, shape (n_features, dim), default "orthonormal"
        The A_i: drawn as Haar-distributed orthonormal vectors, or given, of norm 1 and linearly independent.
    seed : int, default 0
        Seed of the directions, if they are drawn.

    Attributes
    ----------
    n_features : int
        Number d1 of features.
    directions : ndarray, shape (n_features, dim)
        The A_i.
    composition : callable
        The function of the features.
    random_directions : bool
        Whether the directions were drawn.

    Raises
    ------
    ValueError
        If an argument is out of range, the number of features is not said or said twice differently, there are more
        features than dimensions, or given directions depend on each other.

    References
    ----------
    This book, chapter *Other Compositions*; not in the paper.

    Examples
    --------
    >>> from hierlib.model import CompositeTarget, HermiteLayer
    >>> target = CompositeTarget(d=40, q=1, composition=HermiteLayer([0.8, 0.6], order=3))
    >>> X, y = target.sample(1000, seed=1)
    >>> X.shape, y.shape, target
    ((1000, 40), (1000,), CompositeTarget(d=40, q=1, n_features=2, composition=HermiteLayer, seed=0))
    """

    def __init__(
        self,
        d: int,
        q: int,
        composition: Callable[[np.ndarray], np.ndarray],
        n_features: int | None = None,
        directions: str | ArrayLike = "orthonormal",
        seed: int = 0,
    ) -> None:
        self.features = HermiteFeatures(check_integer("d", d, low=1), check_integer("q", q, low=1, high=30))
        self.composition = check_callable("composition", composition)
        self.seed = check_integer("seed", seed, low=0)
        self.random_directions = isinstance(directions, str)
        given = None
        if not self.random_directions:
            given = _check_directions(directions, self.dim)
        elif directions != "orthonormal":
            msg = f"directions must be 'orthonormal' or an array of directions, got {directions!r}."
            raise ValueError(msg)
        self.n_features = _check_count(n_features, composition, given, self.dim)
        if given is None:
            # The child seed of a `HierarchicalTarget`'s directions: equal seeds give equal directions.
            rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0, 1)))
            given = orthonormal_rows(rng.standard_normal((self.n_features, self.dim)))
        self.directions = given

    def __repr__(self) -> str:
        name = getattr(self.composition, "__name__", type(self.composition).__name__)
        return (
            f"{type(self).__name__}(d={self.d}, q={self.q}, n_features={self.n_features}, composition={name}, "
            f"seed={self.seed})"
        )

    def label_features(self, h1: np.ndarray) -> np.ndarray:
        """Labels of first-layer features.

        Parameters
        ----------
        h1 : array_like, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels.

        Raises
        ------
        ValueError
            If the shape does not fit, or the composition returns anything but a finite real number for each row.
        """
        h1 = check_array("h1", h1, shape=(None, self.n_features))
        with np.errstate(all="ignore"):  # what is not finite is refused by name, in the place of numpy's warning
            y = self.composition(h1)
        return checked_labels("composition", y, h1, "h1")


class TreeTarget(CompositeTarget):
    r"""A tree of three levels, drawn from a seed.

    .. math::
        z_k = \frac1{\sqrt2}\sum_i\lambda_{ki}\,(h_{ki}^2-1), \qquad
        y = \frac1{\sqrt2}\sum_k\mu_k\,(z_k^2-1),

    with :math:`\mu_k\propto\pm k^{-\gamma_{top}}` and :math:`\lambda_{ki}\propto\pm i^{-\gamma_{leaf}}`, independent
    fair signs, the squares of the :math:`\mu_k` and of the leaves of each branch summing to 1.

    Parameters
    ----------
    d : int
        Input dimension, at least 1.
    q : int, default 2
        Degree of the Hermite features, from 1 to 30.
    n_branches, n_leaves : int, default 2 and 3
        Number of branches, and of leaves of each; their product is at most D.
    gamma_top, gamma_leaf : float, default 0.4
        Exponents of the weights, at least 0.
    seed : int, default 0
        Seed of signs and directions.

    Attributes
    ----------
    composition : Tree
        The weights and the function of the features.
    eigenvalues : ndarray, shape (n_branches * n_leaves,)
        The :math:`\theta_{ki}=2\sqrt2\,\mu_k\lambda_{ki}^2` of the labels themselves, T = id: exact for q = 1, the
        limit of large d otherwise (`hierlib.theory.asymptotics.predict` has the strengths at this d).
    directions : ndarray, shape (n_branches * n_leaves, dim)
        The A_ki, branch after branch.
    top_weights, leaf_weights : ndarray, shapes (n_branches,) and (n_branches, n_leaves)
        The :math:`\mu_k` and :math:`\lambda_{ki}`.

    Raises
    ------
    ValueError
        If an argument is out of range, or the tree has more leaves than D.

    References
    ----------
    This book, chapter *Other Compositions*; not in the paper.

    Examples
    --------
    >>> from hierlib import TreeTarget
    >>> target = TreeTarget(d=300, q=1, n_branches=2, n_leaves=3, gamma_top=0.5, gamma_leaf=0.4, seed=0)
    >>> target.directions.shape, target.eigenvalues.round(2)
    ((6, 300), array([-1.16, -0.67, -0.48,  0.82,  0.47,  0.34]))
    """

    composition: Tree

    def __init__(
        self,
        d: int,
        q: int = 2,
        n_branches: int = 2,
        n_leaves: int = 3,
        gamma_top: float = 0.4,
        gamma_leaf: float = 0.4,
        seed: int = 0,
    ) -> None:
        dim = HermiteFeatures(check_integer("d", d, low=1), check_integer("q", q, low=1, high=30)).dim
        n_branches = check_integer("n_branches", n_branches, low=1)
        n_leaves = check_integer("n_leaves", n_leaves, low=1)
        if n_branches * n_leaves > dim:
            msg = (
                f"n_branches * n_leaves must be at most D = {dim}, as the leaves have orthonormal directions, "
                f"got {n_branches} * {n_leaves} = {n_branches * n_leaves}."
            )
            raise ValueError(msg)
        self.gamma_top = check_real("gamma_top", gamma_top, low=0)
        self.gamma_leaf = check_real("gamma_leaf", gamma_leaf, low=0)
        # The child seed of the signs, as in a `HierarchicalTarget`.
        rng = np.random.default_rng(np.random.SeedSequence(check_integer("seed", seed, low=0), spawn_key=(0, 0)))
        top = rng.choice([-1.0, 1.0], size=n_branches) * _power_law(n_branches, self.gamma_top)
        signs = rng.choice([-1.0, 1.0], size=(n_branches, n_leaves))
        super().__init__(d, q, Tree(top, signs * _power_law(n_leaves, self.gamma_leaf)), seed=seed)

    def __repr__(self) -> str:
        n_branches, n_leaves = self.leaf_weights.shape
        return (
            f"TreeTarget(d={self.d}, q={self.q}, n_branches={n_branches}, n_leaves={n_leaves}, "
            f"gamma_top={self.gamma_top}, gamma_leaf={self.gamma_leaf}, seed={self.seed})"
        )

    @property
    def top_weights(self) -> np.ndarray:
        r"""The :math:`\mu_k`."""
        return self.composition.top

    @property
    def leaf_weights(self) -> np.ndarray:
        r"""The :math:`\lambda_{ki}`."""
        return self.composition.leaves

    @property
    def eigenvalues(self) -> np.ndarray:
        r"""The :math:`\theta_{ki}` of the labels themselves."""
        return self.composition.eigenvalues


def rank_one_directions(units: ArrayLike, degree: int) -> np.ndarray:
    r"""Return the directions whose features are Hermite polynomials of single projections.

    .. math:: \langle A,F(x)\rangle = \mathrm{He}_q(\langle u,x\rangle)/\sqrt{q!}, \qquad
              A_a = \sqrt{q!/a!}\,\prod_j u_j^{a_j}

    for the multi-index a, :math:`|a|=q`: the symmetric tensor of rank one.

    Parameters
    ----------
    units : array_like, shape (k, d)
        The vectors u; normalised here, none of them 0.
    degree : int
        The degree q, from 1 to 30.

    Returns
    -------
    ndarray, shape (k, dim)
        Unit vectors in feature space; the inner product of two is :math:`\langle u,u'\rangle^q`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> rank_one_directions([[3.0, 4.0]], degree=2).round(3)
    array([[0.36 , 0.679, 0.64 ]])
    """
    units = _check_weights("units", units, (None, None))
    norms = np.linalg.norm(units, axis=1, keepdims=True)
    if not norms.all():
        msg = "units must not be 0."
        raise ValueError(msg)
    features = HermiteFeatures(units.shape[1], check_integer("degree", degree, low=1, high=30))
    # An index repeated m times in a sorted tuple divides by 1 * 2 * ... * m.
    repeats = np.ones(features.index_tuples.shape)
    for column in range(1, features.degree):
        same = features.index_tuples[:, column] == features.index_tuples[:, column - 1]
        repeats[:, column] = np.where(same, repeats[:, column - 1] + 1, 1)
    sizes = np.sqrt(factorial(features.degree) / repeats.prod(axis=1))
    return sizes * np.prod((units / norms)[:, features.index_tuples], axis=2)


def _power_law(count: int, exponent: float) -> np.ndarray:
    powers = np.arange(1, count + 1) ** -exponent
    return powers / np.linalg.norm(powers)


def _check_directions(directions: ArrayLike, dim: int) -> np.ndarray:
    """Return given directions, or refuse what is no set of independent unit vectors."""
    array = _check_weights("directions", directions, (None, dim))
    norms = np.linalg.norm(array, axis=1)
    if np.abs(norms - 1).max() > 1e-9:
        msg = f"directions must be rows of norm 1, got norms from {norms.min():.6g} to {norms.max():.6g}."
        raise ValueError(msg)
    rank = np.linalg.matrix_rank(array)
    if rank < len(array):
        msg = (
            "directions must be linearly independent, or the label is a function of fewer features than are named; "
            f"got {len(array)} of rank {rank}."
        )
        raise ValueError(msg)
    return array


def _check_count(n_features: int | None, composition: Callable, given: np.ndarray | None, dim: int) -> int:
    """Return the number of features that all who say it agree on."""
    said = {}
    if n_features is not None:
        said["n_features"] = check_integer("n_features", n_features, low=1)
    if hasattr(composition, "n_features"):
        said["composition"] = check_integer("composition.n_features", composition.n_features, low=1)
    if given is not None:
        said["directions"] = len(given)
    if not said:
        msg = "n_features must be given for a composition that does not say how many features it takes, got None."
        raise ValueError(msg)
    if len(set(said.values())) > 1:
        msg = (
            "n_features must be the same everywhere, got " + ", ".join(f"{k} {name}" for name, k in said.items()) + "."
        )
        raise ValueError(msg)
    count = next(iter(said.values()))
    if count > dim:
        msg = f"n_features must be at most D = {dim}, as directions are linearly independent, got {count}."
        raise ValueError(msg)
    return count
