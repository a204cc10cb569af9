r"""The hierarchical target: x -> h1 -> h2 -> y (paper, section 2, equations 2.2 to 2.5), and its samples.

A label is a link applied to a power-law weighted sum of d1 squared features, each a direction in the space of the D
Hermite features of a Gaussian input. Sampling n inputs and their labels costs O(n D d1); the directions hold d1 D
numbers, the samples nothing beyond the batch in hand.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import floor

import numpy as np

from hierlib.checks import check_array, check_choice, check_integer, check_real
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.inputs import InputLaw, features_of_law, input_law
from hierlib.engine.streams import VirtualSample

__all__ = ["HierarchicalTarget"]


def _identity(t: np.ndarray) -> np.ndarray:
    return t


def _quadratic(t: np.ndarray) -> np.ndarray:
    return t**2 + t - 1


LINKS: dict[str, Callable] = {"identity": _identity, "tanh": np.tanh, "quadratic": _quadratic}


class HierarchicalTarget:
    r"""The target of the paper, drawn from a seed.

    .. math::
        h^{(1)}_i = \langle A_i, F(x)\rangle, \qquad
        h^{(2)} = \frac{1}{\sqrt 2}\sum_{i \le d_1} \lambda_i\,\bigl((h^{(1)}_i)^2 - 1\bigr), \qquad y = g(h^{(2)}),

    with :math:`x \sim N(0, I_d)`, F the orthonormal Hermite features of degree q, unit vectors A_i and
    :math:`\lambda_i = Z_\gamma z_i i^{-\gamma}`, independent fair signs z_i and :math:`\sum_i \lambda_i^2 = 1`.

    Parameters
    ----------
    d : int
        Input dimension, at least 1.
    q : int, default 2
        Degree of the Hermite features, from 1 to 30.
    eps : float, default 0.5
        Exponent of the number of features, d1 = floor(d**eps), positive. Ignored if `n_features` is given.
    gamma : float, default 0.4
        Exponent of the weights, at least 0.
    link : {"identity", "tanh", "quadratic"} or callable, default "identity"
        Readout g; "quadratic" is t**2 + t - 1. A callable is applied to an array and must return finite real numbers in
        one of its shape.
    directions : {"orthonormal", "gaussian"}, default "orthonormal"
        Law of the A_i: Haar-distributed orthonormal vectors (the paper's experiments), or independent Gaussian
        vectors scaled to norm 1 (the paper's theory).
    seed : int, default 0
        Seed of the signs and the directions.
    n_features : int, optional
        Number d1 of features, between 1 and D.
    inputs : str or InputLaw, default "gauss"
        Law of the inputs, and with it the features, which are its orthonormal polynomials of degree q
        (`hierlib.engine.inputs.input_law`): "gauss", "rademacher", "uniform", "laplace", "student10" (any number above
        4), "sphere", or a sampler with its cumulants. Other laws than the Gaussian one have degrees 1 and 2.

    Attributes
    ----------
    weights : ndarray, shape (n_features,)
        The :math:`\lambda_i`.
    directions : ndarray, shape (n_features, dim)
        The A_i.
    dim : int
        Number D of Hermite features.
    features : HermiteFeatures
        The feature map.
    input_law : InputLaw
        Law of the inputs.
    link_function : callable
        The readout g.

    Raises
    ------
    ValueError
        If an argument is out of range, or there are more features than dimensions.

    References
    ----------
    Paper, equations (2.2) to (2.5).

    Examples
    --------
    >>> from hierlib import HierarchicalTarget
    >>> target = HierarchicalTarget(d=20, gamma=0.4, seed=0)
    >>> target.n_features, target.dim
    (4, 210)
    >>> X, y = target.sample(1000, seed=1)
    >>> X.shape, y.shape, bool((target.label(X) == y).all())
    ((1000, 20), (1000,), True)
    """

    def __init__(
        self,
        d: int,
        q: int = 2,
        eps: float = 0.5,
        gamma: float = 0.4,
        link: str | Callable = "identity",
        directions: str = "orthonormal",
        seed: int = 0,
        n_features: int | None = None,
        inputs: str | InputLaw = "gauss",
    ) -> None:
        d, q = check_integer("d", d, low=1), check_integer("q", q, low=1, high=30)
        self.inputs = inputs
        self.input_law = input_law(inputs)
        self.features = features_of_law(self.input_law, d, q)
        self.gamma = check_real("gamma", gamma, low=0)
        self.link = link
        self.link_function = link if callable(link) else LINKS[check_choice("link", link, tuple(LINKS))]
        self.seed = check_integer("seed", seed, low=0)
        law = check_choice("directions", directions, ("orthonormal", "gaussian"))
        eps = check_real("eps", eps, low=0, open_low=True)
        if n_features is None:
            # The tiny shift keeps exact powers exact: 125 ** (1 / 3) is 4.999... in floating point.
            # As D <= d**q, an exponent of q + 1 is too large already, and larger ones may overflow.
            n_features = floor(d ** min(eps, q + 1) * (1 + 1e-12))
            if n_features > self.dim:
                msg = f"eps must give floor(d**eps) <= D = {self.dim}, got {eps} and d = {d}."
                raise ValueError(msg)
        self.n_features = check_integer("n_features", n_features, low=1, high=self.dim)

        # Signs and directions have their own child seed each, apart from those of the samples.
        signs, entries = (np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0, j))) for j in (0, 1))
        powers = np.arange(1, self.n_features + 1) ** -self.gamma
        self.weights = signs.choice([-1.0, 1.0], size=self.n_features) * powers / np.linalg.norm(powers)
        gaussian = entries.standard_normal((self.n_features, self.dim))
        if law == "orthonormal":
            # QR is unique, hence Q Haar-distributed, only once R has a positive diagonal.
            basis, triangle = np.linalg.qr(gaussian.T)
            self.directions = (basis * np.sign(np.diag(triangle))).T
        else:
            self.directions = gaussian / np.linalg.norm(gaussian, axis=1, keepdims=True)

    @property
    def d(self) -> int:
        """Input dimension."""
        return self.features.n_inputs

    @property
    def q(self) -> int:
        """Degree of the Hermite features."""
        return self.features.degree

    @property
    def dim(self) -> int:
        """Number D of features."""
        return self.features.dim

    @property
    def radius_variance(self) -> float:
        r"""Variance of :math:`\|x\|^2/\sqrt d`, 2 for Gaussian inputs."""
        return self.input_law.radius_variance

    def __repr__(self) -> str:
        law = "" if self.input_law.gaussian else f", inputs={self.inputs!r}"
        return (
            f"HierarchicalTarget(d={self.d}, q={self.q}, n_features={self.n_features}, gamma={self.gamma}, "
            f"link={self.link!r}, seed={self.seed}{law})"
        )

    def gaussian_equivalent(self) -> HierarchicalTarget:
        """Replace the Hermite features by as many independent standard normals.

        With degree 1 the features are the inputs, so this is the target of degree 1 in dimension D with the same
        weights, directions and link.

        Returns
        -------
        HierarchicalTarget
            Target with ``q == 1`` and ``d == self.dim``.

        References
        ----------
        Paper, section 2 (Gaussian-equivalent model).

        Examples
        --------
        >>> from hierlib import HierarchicalTarget
        >>> HierarchicalTarget(d=20).gaussian_equivalent()
        HierarchicalTarget(d=210, q=1, n_features=4, gamma=0.4, link='identity', seed=0)
        """
        equivalent = copy.copy(self)
        equivalent.inputs, equivalent.input_law = "gauss", input_law("gauss")
        equivalent.features = HermiteFeatures(self.dim, 1)
        return equivalent

    def latent(self, X: np.ndarray) -> np.ndarray:
        r"""First-layer features :math:`h^{(1)}` of inputs.

        Parameters
        ----------
        X : array_like, shape (n_samples, d)
            Inputs.

        Returns
        -------
        ndarray, shape (n_samples, n_features)
            Each column has mean 0 and variance 1 over the law of the inputs.

        Raises
        ------
        ValueError
            If `X` has another number of columns or is not finite.
        """
        return self.features.project(X, self.directions)

    def second_layer(self, h1: np.ndarray) -> np.ndarray:
        r"""Second-layer feature :math:`h^{(2)}` from the first layer's, shape (n_samples,) (paper, 2.4)."""
        h1 = check_array("h1", h1, shape=(None, self.n_features))
        return (h1**2 - 1) @ self.weights / np.sqrt(2)

    def label(self, X: np.ndarray) -> np.ndarray:
        """Noiseless labels of inputs.

        Parameters
        ----------
        X : array_like, shape (n_samples, d)
            Inputs.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels y.

        Raises
        ------
        ValueError
            If `X` does not fit, or a callable link returns anything but finite real numbers in the shape it was given.
        """
        h2 = self.second_layer(self.latent(X))
        with np.errstate(all="ignore"):  # what is not finite is refused by name, in the place of numpy's warning
            y = np.asarray(self.link_function(h2))
        if y.shape != h2.shape:
            msg = f"link must map an array to an array of the same shape, got {y.shape} from {h2.shape}."
            raise ValueError(msg)
        if y.dtype.kind not in "fiub":
            msg = f"link must give real numbers, got dtype {y.dtype}."
            raise ValueError(msg)
        if not np.isfinite(y).all():
            where = h2[~np.isfinite(y)][0]
            msg = f"link must give finite labels, got {y[~np.isfinite(y)][0]} at h2 = {where:.6g}."
            raise ValueError(msg)
        return y

    def sample(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw inputs and labels; the first n rows of the stream with the same seed.

        Parameters
        ----------
        n : int
            Number of samples, from 1 to 10**10.
        seed : int
            Seed of the inputs, independent of the target's own.

        Returns
        -------
        X : ndarray, shape (n, d)
            Independent rows with the law `inputs`, N(0, I_d) by default.
        y : ndarray, shape (n,)
            Labels.
        """
        stream = self.stream(n, seed)
        X, y = np.empty((n, self.d)), np.empty(n)
        start = 0
        for batch, labels in stream.batches():
            X[start : start + len(batch)], y[start : start + len(batch)] = batch, labels
            start += len(batch)
        return X, y

    def stream(self, n: int, seed: int) -> VirtualSample:
        """Return a virtual data set of n samples, which is computed when read and never stored.

        Parameters
        ----------
        n : int
            Number of samples, from 1 to 10**10.
        seed : int
            Seed of the inputs, independent of the target's own.

        Returns
        -------
        VirtualSample
            Iterable over batches (X, y), again and again the same.

        Examples
        --------
        >>> from hierlib import HierarchicalTarget
        >>> stream = HierarchicalTarget(d=10).stream(20_000, seed=1)
        >>> [len(y) for X, y in stream]
        [8192, 8192, 3616]
        """
        return VirtualSample(self.label, self.d, n, seed, None if self.input_law.gaussian else self.input_law.draw)
