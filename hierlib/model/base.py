r"""What every target shares: features of the input, directions among them, labels that are functions of these, samples.

A target differs from another by the function of its features alone: `label_features`. Sampling n inputs and their
labels costs O(n D d1); the directions hold d1 D numbers, the samples nothing beyond the batch in hand.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.inputs import InputLaw, input_law
from hierlib.engine.streams import VirtualSample

__all__ = ["Target", "checked_labels", "orthonormal_rows"]


class Target(ABC):
    r"""A label that depends on an input through :math:`h_i = \langle A_i, F(x)\rangle`, i = 1, ..., d1, alone.

    Attributes
    ----------
    features : HermiteFeatures
        The feature map F, D features of degree q of d inputs.
    inputs : str or InputLaw
        The law of the inputs as it was named, "gauss" unless a target takes others.
    input_law : InputLaw
        The law of the inputs.
    directions : ndarray, shape (n_features, dim)
        The A_i, of norm 1.
    """

    features: HermiteFeatures
    directions: np.ndarray
    inputs: str | InputLaw = "gauss"
    input_law: InputLaw = input_law("gauss")

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

    def gaussian_equivalent(self) -> Self:
        """Replace the Hermite features by as many independent standard normals.

        With degree 1 the features are the inputs, so this is the target of degree 1 in dimension D with the same
        directions and the same function of the features.

        Returns
        -------
        Target
            Of the same class, with ``q == 1`` and ``d == self.dim``.

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

    @abstractmethod
    def label_features(self, h1: np.ndarray) -> np.ndarray:
        """Labels of first-layer features, given as an array of shape (n_samples, n_features)."""

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
            If `X` does not fit, or the target's function of the features returns anything but a finite real number for
            each sample.
        """
        return self.label_features(self.latent(X))

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


def checked_labels(name: str, y: np.ndarray, argument: np.ndarray, shown: str) -> np.ndarray:
    """Return what a user's function made of an argument, or refuse what are no finite real numbers, one a sample.

    Parameters
    ----------
    name : str
        What the function is called.
    y : array_like
        Its values.
    argument : ndarray, shape (m,) or (m, d1)
        What it was applied to.
    shown : str
        What that is called.
    """
    y = np.asarray(y)
    shape = argument.shape[:1]
    if y.shape != shape:
        rule = "an array to an array of the same shape" if argument.ndim == 1 else "an array to a number for each row"
        msg = f"{name} must map {rule}, got {y.shape} from {argument.shape}."
        raise ValueError(msg)
    if y.dtype.kind not in "fiub":
        msg = f"{name} must give real numbers, got dtype {y.dtype}."
        raise ValueError(msg)
    if not np.isfinite(y).all():
        where = argument[~np.isfinite(y)][0]
        place = f"{where:.6g}" if argument.ndim == 1 else np.array2string(where, precision=6)
        msg = f"{name} must give finite labels, got {y[~np.isfinite(y)][0]} at {shown} = {place}."
        raise ValueError(msg)
    return y


def orthonormal_rows(entries: np.ndarray) -> np.ndarray:
    """Return Haar-distributed orthonormal rows from as many rows of independent standard normals, at most square."""
    # QR is unique, hence Q Haar-distributed, only once R has a positive diagonal.
    basis, triangle = np.linalg.qr(entries.T)
    return (basis * np.sign(np.diag(triangle))).T
