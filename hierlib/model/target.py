r"""The hierarchical target: x -> h1 -> h2 -> y (paper, section 2, equations 2.2 to 2.5), and its samples.

A label is a link applied to a power-law weighted sum of d1 squared features, each a direction in the space of the D
Hermite features of a Gaussian input.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor

import numpy as np

from hierlib.checks import check_array, check_choice, check_integer, check_real
from hierlib.engine.inputs import InputLaw, features_of_law, input_law
from hierlib.model.base import Target, checked_labels, orthonormal_rows

__all__ = ["HierarchicalTarget"]


def _identity(t: np.ndarray) -> np.ndarray:
    return t


def _quadratic(t: np.ndarray) -> np.ndarray:
    return t**2 + t - 1


LINKS: dict[str, Callable] = {"identity": _identity, "tanh": np.tanh, "quadratic": _quadratic}


class HierarchicalTarget(Target):
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
            self.directions = orthonormal_rows(gaussian)
        else:
            self.directions = gaussian / np.linalg.norm(gaussian, axis=1, keepdims=True)

    def __repr__(self) -> str:
        law = "" if self.input_law.gaussian else f", inputs={self.inputs!r}"
        return (
            f"HierarchicalTarget(d={self.d}, q={self.q}, n_features={self.n_features}, gamma={self.gamma}, "
            f"link={self.link!r}, seed={self.seed}{law})"
        )

    def second_layer(self, h1: np.ndarray) -> np.ndarray:
        r"""Second-layer feature :math:`h^{(2)}` from the first layer's, shape (n_samples,) (paper, 2.4)."""
        h1 = check_array("h1", h1, shape=(None, self.n_features))
        return (h1**2 - 1) @ self.weights / np.sqrt(2)

    def label_features(self, h1: np.ndarray) -> np.ndarray:
        """Noiseless labels from the first layer's features, shape (n_samples,) (paper, 2.5)."""
        h2 = self.second_layer(h1)
        with np.errstate(all="ignore"):  # what is not finite is refused by name, in the place of numpy's warning
            y = self.link_function(h2)
        return checked_labels("link", y, h2, "h2")
