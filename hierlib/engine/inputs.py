r"""Laws of the inputs, and their orthonormal polynomials of degree 1 and 2 as features.

A law has mean 0 and variance 1. Its features of degree 1 are the inputs; those of degree 2, for independent entries
with third cumulant :math:`\kappa_3` and fourth cumulant :math:`\kappa_4`, are

.. math:: x_ix_j \quad (i<j), \qquad \frac{x_i^2-\kappa_3x_i-1}{\sqrt{\kappa_4+2-\kappa_3^2}} .

They are linear in the Hermite features of the same degree, of one input more if :math:`\kappa_3\neq0`, so that the
kernels of these serve them all. On the hypercube the squares are constant and left out; on the sphere their sum is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, nan
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy.linalg import helmert
from scipy.sparse import csr_array, vstack

from hierlib.checks import check_array, check_callable, check_choice, check_integer, check_real
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.kernels import GroupedKernel, QuadraticKernel
from hierlib.engine.streams import Sampler

__all__ = ["InputLaw", "PolynomialFeatures", "features_of_law", "input_law"]

# Below this variance of its polynomial the square of an entry is constant up to rounding.
NULL_SQUARE = 1e-9
# Features of degree 2 are listed one by one, half a million numbers at d = 1000.
MAX_INPUTS = 20_000


@dataclass(frozen=True)
class InputLaw:
    r"""A law of inputs: independent entries of mean 0 and variance 1, or the uniform law on the sphere.

    Parameters
    ----------
    name : str
        What it is called.
    sampler : callable
        Takes a ``numpy.random.Generator`` and a shape (n, d), returns that many entries: independent draws from a law
        with these `cumulants`.
    cumulants : tuple of 4 float, default (0, 1, 0, 0)
        Mean, variance, third and fourth cumulant of an entry as `sampler` draws it. Draws are standardised with the
        first two.
    spherical : bool, default False
        Whether rows are uniform on the sphere of radius sqrt(d) instead. Its `cumulants` are not used.

    Attributes
    ----------
    skewness, excess_kurtosis : float
        Third and fourth cumulant of a standardised entry.

    Raises
    ------
    ValueError
        If the cumulants are not four finite numbers, such as those of a law without a fourth moment, or no law has
        them: the variance is positive, and the standardised fourth cumulant at least the square of the third less 2.

    Examples
    --------
    >>> from hierlib.engine.inputs import InputLaw
    >>> law = InputLaw("exponential", lambda rng, shape: rng.exponential(2.0, shape), (2.0, 4.0, 16.0, 96.0))
    >>> law.skewness, law.excess_kurtosis
    (2.0, 6.0)
    """

    name: str
    sampler: Sampler
    cumulants: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 0.0)
    spherical: bool = False

    def __post_init__(self) -> None:
        check_callable("sampler", self.sampler)
        try:
            values = np.asarray(self.cumulants, dtype=float)
        except (TypeError, ValueError):
            values = np.full(1, np.nan)
        if values.shape != (4,) or not np.isfinite(values).all():
            msg = (
                "cumulants must be four finite numbers (a law without a fourth moment has no features of degree 2, and "
                f"single entries make eigenvalues of their own), got {self.cumulants}."
            )
            raise ValueError(msg)
        _, variance, third, fourth = values
        check_real("cumulants[1]", float(variance), low=0, open_low=True)
        skewness, excess = third / variance**1.5, fourth / variance**2
        if excess - skewness**2 + 2 < -1e-9:
            msg = (
                "cumulants must be those of a law, whose standardised fourth cumulant is at least the square of the "
                f"third less 2, got {self.cumulants}."
            )
            raise ValueError(msg)

    def __repr__(self) -> str:
        return f"InputLaw({self.name!r})"

    @property
    def gaussian(self) -> bool:
        """Whether this is the law "gauss", whose features are Hermite's."""
        return self.sampler is _normal

    @property
    def skewness(self) -> float:
        """Third cumulant of a standardised entry."""
        return float(self.cumulants[2] / self.cumulants[1] ** 1.5)

    @property
    def excess_kurtosis(self) -> float:
        """Fourth cumulant of a standardised entry."""
        return float(self.cumulants[3] / self.cumulants[1] ** 2)

    @property
    def radius_variance(self) -> float:
        r"""Variance of :math:`\|x\|^2/\sqrt d`: 2 for Gaussian inputs, 0 on the hypercube and the sphere."""
        return 0.0 if self.spherical else max(0.0, self.excess_kurtosis + 2)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        """Draw standardised inputs.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of the draws.
        shape : tuple of int
            Numbers n of samples and d of inputs.

        Returns
        -------
        ndarray, shape (n, d)
            The inputs.

        Raises
        ------
        ValueError
            If the sampler returns another shape, or anything but finite real numbers.
        """
        X = check_array("draws of sampler", self.sampler(rng, shape), shape=shape)
        mean, variance = self.cumulants[:2]
        return X if (mean, variance) == (0.0, 1.0) else (X - mean) / np.sqrt(variance)


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_normal(shape)


def _rademacher(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return 2.0 * rng.integers(0, 2, shape) - 1.0


def _uniform(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.uniform(-(3**0.5), 3**0.5, shape)


def _laplace(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.laplace(0.0, 0.5**0.5, shape)


def _sphere(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    X = rng.standard_normal(shape)
    return X * (shape[1] ** 0.5 / np.linalg.norm(X, axis=1, keepdims=True))


@dataclass(frozen=True)
class _Student:
    freedom: float

    def __call__(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return rng.standard_t(self.freedom, shape) * (1 - 2 / self.freedom) ** 0.5


_LAWS = {
    "gauss": InputLaw("gauss", _normal),
    "rademacher": InputLaw("rademacher", _rademacher, (0.0, 1.0, 0.0, -2.0)),
    "uniform": InputLaw("uniform", _uniform, (0.0, 1.0, 0.0, -1.2)),
    "laplace": InputLaw("laplace", _laplace, (0.0, 1.0, 0.0, 3.0)),
    "sphere": InputLaw("sphere", _sphere, spherical=True),
}


def input_law(inputs: str | InputLaw) -> InputLaw:
    """Return the law of a name.

    Parameters
    ----------
    inputs : str or InputLaw
        "gauss", "rademacher" (the hypercube), "uniform", "laplace", "sphere", or "student" followed by its degrees of
        freedom, above 4, such as "student10". A law is returned as it is.

    Returns
    -------
    InputLaw
        Standardised.

    Raises
    ------
    ValueError
        If there is no such law, or it has no fourth moment.

    Examples
    --------
    >>> from hierlib.engine.inputs import input_law
    >>> input_law("student10").excess_kurtosis
    1.0
    """
    if isinstance(inputs, InputLaw):
        return inputs
    name: object = inputs
    if isinstance(name, str) and name.startswith("student"):
        try:
            freedom = float(name.removeprefix("student"))
        except ValueError:
            freedom = nan
        if 4 < freedom < inf:
            return InputLaw(name, _Student(freedom), (0.0, 1.0, 0.0, 6 / (freedom - 4)))
        if -inf < freedom <= 4:
            msg = f"inputs must have a fourth moment: a Student law of more than 4 degrees of freedom, got {name!r}."
            raise ValueError(msg)
    # Students are found above: this one stands for all in the message.
    return _LAWS[check_choice("inputs", inputs, (*_LAWS, "student10"))]


def features_of_law(inputs: str | InputLaw, n_inputs: int, degree: int) -> HermiteFeatures:
    """Build the feature map of a law: Hermite features for Gaussian inputs, `PolynomialFeatures` for others.

    Parameters
    ----------
    inputs : str or InputLaw
        As for `input_law`.
    n_inputs, degree : int
        Dimension d of the input, degree q.

    Returns
    -------
    HermiteFeatures
        The feature map. Features of degree 1 are the inputs, whatever the law.

    Raises
    ------
    ValueError
        If a law that is not Gaussian has no features of this degree, or they are not implemented.
    """
    law = input_law(inputs)
    if law.gaussian or degree == 1:
        return HermiteFeatures(n_inputs, degree)
    return PolynomialFeatures(n_inputs, degree, law)


class PolynomialFeatures(HermiteFeatures):
    r"""Orthonormal features of degree 2 of a law that is not Gaussian.

    The products :math:`x_ix_j`, i < j, and the polynomials of the squares, in the order of `HermiteFeatures`. On the
    hypercube there are only products; on the sphere the d - 1 combinations of squares (those of Helmert) that are
    orthogonal to their sum come last.

    Parameters
    ----------
    n_inputs : int
        Dimension d of the input, from 2 to 20 000.
    degree : int
        2.
    law : InputLaw
        Law of the inputs.

    Attributes
    ----------
    dim : int
        Number D of features: d (d + 1)/2, d less on the hypercube, 1 less on the sphere.

    Raises
    ------
    ValueError
        If the degree is not 2: features of degree q need 2 q moments, and four are known; or if there are none.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.engine.inputs import PolynomialFeatures, input_law
    >>> X = np.array([[1.0, -1.0, 1.0]])
    >>> PolynomialFeatures(3, 2, input_law("rademacher")).transform(X)
    array([[-1.,  1., -1.]])
    """

    def __init__(self, n_inputs: int, degree: int, law: InputLaw) -> None:
        super().__init__(check_integer("d", n_inputs, low=1, high=MAX_INPUTS), degree)
        if self.degree != 2:
            msg = (
                f"degree must be 1 or 2 with inputs {law.name!r}: orthonormal polynomials of degree q need 2 q moments "
                f"of the law, of which four are known; got {self.degree}."
            )
            raise ValueError(msg)
        if self.n_inputs < 2:
            msg = f"d must be at least 2 with inputs {law.name!r} and degree 2, got {self.n_inputs}."
            raise ValueError(msg)
        self.law = law
        self.radius_variance = law.radius_variance
        self._constant = int(not law.spherical and law.skewness != 0)
        self._whole = HermiteFeatures(self.n_inputs + self._constant, 2)
        self._map = _sphere_map(self._whole) if law.spherical else _product_map(self._whole, self.n_inputs, law)
        self.dim = self._map.shape[0]

    def __repr__(self) -> str:
        return f"PolynomialFeatures(n_inputs={self.n_inputs}, degree={self.degree}, law={self.law!r})"

    @cached_property
    def index_tuples(self) -> np.ndarray:
        """Sorted input indices of the leading term of each feature, ndarray of int, shape (dim, 2)."""
        tuples = self._whole.index_tuples
        own = tuples[:, 0] >= self._constant
        return tuples[own][np.abs(self._map[:, own]).argmax(axis=1)] - self._constant

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Evaluate all features: see `HermiteFeatures.transform`."""
        X = check_array("X", X, shape=(None, self.n_inputs))
        whole = self._whole.transform(_augmented(X.T, self._constant).T)
        return (self._map @ whole.T).T.astype(X.dtype, copy=False)

    def kernel(self, k: int) -> Any:
        """Products of tiles of numpy arrays with k columns."""
        return LawKernel(self._whole.kernel(k), self._map, self._constant)

    def accelerated_kernel(self, k: int) -> Any:
        """Products of large tiles of another library's arrays with k columns."""
        return LawKernel(self._whole.accelerated_kernel(k), self._map, self._constant)


class LawKernel:
    """A kernel of Hermite features, with columns mapped to these and products mapped back.

    Parameters
    ----------
    kernel : QuadraticKernel or GroupedKernel
        Of the Hermite features.
    to_law : sparse array, shape (dim, number of Hermite features)
        The law's features in terms of those.
    constant : int
        Number of constant inputs 1 in front, 0 or 1.
    """

    def __init__(self, kernel: QuadraticKernel | GroupedKernel, to_law: csr_array, constant: int) -> None:
        self.kernel, self.to_law, self.constant = kernel, to_law, constant

    def pack(self, V: np.ndarray, **options: Any) -> list:
        """Lay the columns of V, shape (dim, k), out."""
        return self.kernel.pack((self.to_law.T @ V).astype(V.dtype, copy=False), **options)

    def zero_sums(self, **options: Any) -> list:
        """Float64 accumulators."""
        return self.kernel.zero_sums(**options)

    def project(self, packed: list, tile: Any) -> Any:
        """Inner products of the packed columns with the features of a tile: shape (k, m)."""
        return self.kernel.project(packed, _augmented(tile, self.constant))

    def accumulate(self, sums: list, tile: Any, coefficients: Any) -> None:
        """Add the features of a tile, weighted by each row of coefficients, shape (k, m), to the accumulators."""
        self.kernel.accumulate(sums, _augmented(tile, self.constant), coefficients)

    def add_product(self, sums: list, packed: list, tile: Any, weights: Any) -> None:
        """Add the tile's F diag(weights) F^T V to the accumulators."""
        self.kernel.add_product(sums, packed, _augmented(tile, self.constant), weights)

    def unpack(self, sums: list) -> np.ndarray:
        """Turn accumulators into an array of shape (dim, k)."""
        return self.to_law @ self.kernel.unpack(sums)


def _augmented(tile: Any, constant: int) -> Any:
    """Put a constant input 1 in front of those of a tile, shape (d, m)."""
    if not constant:
        return tile
    xp = array_namespace(tile)
    return xp.concat([xp.ones_like(tile[:1, :]), tile], axis=0)


def _product_map(whole: HermiteFeatures, d: int, law: InputLaw) -> csr_array:
    """Features of independent entries in terms of Hermite features, of a constant and the inputs if the law is skew."""
    first, second = whole.index_tuples.T
    constant = whole.n_inputs - d
    own = first >= constant
    variance = law.excess_kurtosis + 2 - law.skewness**2
    if variance < NULL_SQUARE:  # a square is a linear function of its entry
        own &= first < second
    columns = np.flatnonzero(own)
    squares = np.flatnonzero(first[columns] == second[columns])
    scale = np.ones(len(columns))
    scale[squares] = (2 / max(variance, NULL_SQUARE)) ** 0.5
    entries, rows = [scale], [np.arange(len(columns))]
    if constant and len(squares):
        entries.append(np.full(d, -law.skewness / variance**0.5))
        rows.append(squares)
        columns = np.append(columns, np.flatnonzero((first == 0) & (second > 0)))
    place = np.concatenate(rows), columns
    return csr_array((np.concatenate(entries), place), shape=(int(own.sum()), whole.dim))


def _sphere_map(whole: HermiteFeatures) -> csr_array:
    """Features of the sphere in terms of Hermite features: products, and Helmert's combinations of squares."""
    d = whole.n_inputs
    first, second = whole.index_tuples.T
    pairs, squares = np.flatnonzero(first < second), np.flatnonzero(first == second)
    products = csr_array((np.ones(len(pairs)), (np.arange(len(pairs)), pairs)), shape=(len(pairs), whole.dim))
    rows, columns = np.nonzero(helmert(d))
    combinations = csr_array((helmert(d)[rows, columns], (rows, squares[columns])), shape=(d - 1, whole.dim))
    return csr_array(((d + 2) / d) ** 0.5 * vstack([products, combinations]))
