"""Parts of the shallow learners of `hierlib.learn.baselines`, each with a bound on the memory that it may take."""

from __future__ import annotations

import warnings
from math import comb

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.utils.validation import check_is_fitted, validate_data

from hierlib.checks import check_array, check_choice, check_integer, check_real, check_seed
from hierlib.engine.hermite import HermiteFeatures

KERNELS = ("rbf", "polynomial", "tangent")
MAX_BYTES = 2**30


def _check_memory(what: str, n_bytes: int, max_bytes: int, alternative: str) -> None:
    if n_bytes > max_bytes:
        msg = (
            f"{what} would take about {n_bytes / 2**30:.3g} GiB, and max_bytes allows {max_bytes / 2**30:.3g} GiB: "
            f"{alternative}."
        )
        raise ValueError(msg)


def invariant_kernel(X: np.ndarray, Z: np.ndarray, *, kind: str = "rbf", scale: float = 1.0) -> np.ndarray:
    r"""Evaluate an orthogonally invariant kernel, one that :math:`(Ox, Oz)` does not change.

    With s the scale and d the dimension, ``"rbf"`` is :math:`e^{-s\|x-z\|^2/d}`, ``"polynomial"`` is
    :math:`(1 + s\,x^\top z/d)^4`, and ``"tangent"`` is the neural tangent kernel of one hidden layer of
    rectified linear units on :math:`u = (\sqrt s\,x/\sqrt d, 1)`,

    .. math:: \|u\|\|u'\|\,\bigl[\sqrt{1-c^2} + 2c\,(\pi - \arccos c)\bigr]/(2\pi), \qquad c = \cos\angle(u, u').

    Parameters
    ----------
    X : array_like, shape (n, d)
        First inputs, of size about :math:`\sqrt d`.
    Z : array_like, shape (m, d)
        Second inputs.
    kind : {"rbf", "polynomial", "tangent"}, default "rbf"
        Kernel.
    scale : float, default 1.0
        s, positive.

    Returns
    -------
    ndarray, shape (n, m)
        Kernel matrix.

    Raises
    ------
    ValueError
        If an argument is out of range or shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.baselines import invariant_kernel
    >>> invariant_kernel(np.ones((1, 4)), np.zeros((1, 4)), scale=2.0).round(4)
    array([[0.1353]])
    """
    check_choice("kind", kind, KERNELS)
    scale = check_real("scale", scale, low=0, open_low=True)
    X = check_array("X", X, shape=(None, None))
    Z = check_array("Z", Z, shape=(None, X.shape[1]))
    factor = scale / X.shape[1]
    K = X @ Z.T
    K *= factor
    if kind == "polynomial":
        K += 1
        K *= K
        K *= K
        return K
    square_x, square_z = factor * np.sum(X**2, axis=1)[:, None], factor * np.sum(Z**2, axis=1)
    if kind == "rbf":
        K *= 2
        K -= square_x
        K -= square_z
        return np.exp(np.minimum(K, 0, out=K), out=K)
    K += 1
    norms = np.sqrt((1 + square_x) * (1 + square_z))
    K /= norms
    np.clip(K, -1, 1, out=K)
    # In place throughout: the memory bound of InvariantKernelRidge counts the matrices alive here.
    bracket = np.arccos(K)
    np.subtract(np.pi, bracket, out=bracket)
    bracket *= 2
    bracket *= K
    np.multiply(K, K, out=K)
    np.subtract(1, K, out=K)
    bracket += np.sqrt(K, out=K)
    bracket *= norms
    bracket /= 2 * np.pi
    return bracket


class InvariantKernelRidge(RegressorMixin, BaseEstimator):
    r"""Kernel ridge regression with an orthogonally invariant kernel, under a bound on memory.

    The prediction is :math:`\bar y + k(x)^\top (K + \alpha I)^{-1}(y - \bar y)`.

    Parameters
    ----------
    kind, scale
        Kernel (see `invariant_kernel`).
    alpha : float, default 1.0
        Ridge penalty, positive.
    max_bytes : int, default 2**30
        Largest memory of a fit.

    Raises
    ------
    ValueError
        If a fit would take more than `max_bytes`, before anything is allocated.

    Notes
    -----
    A fit takes n^3/3 multiply-adds and at most five n x n matrices of float64; predictions go in slices.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.baselines import InvariantKernelRidge
    >>> X = np.random.default_rng(0).standard_normal((400, 3))
    >>> model = InvariantKernelRidge(kind="polynomial", alpha=1e-6).fit(X, X[:, 0] ** 2)
    >>> round(model.score(X, X[:, 0] ** 2), 4)
    1.0
    """

    def __init__(self, kind: str = "rbf", scale: float = 1.0, alpha: float = 1.0, max_bytes: int = MAX_BYTES) -> None:
        self.kind = kind
        self.scale = scale
        self.alpha = alpha
        self.max_bytes = max_bytes

    def fit(self, X: np.ndarray, y: np.ndarray) -> InvariantKernelRidge:
        """Fit on arrays of shapes (n_samples, d) and (n_samples,)."""
        X, y = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        y = y.astype(float)
        check_real("alpha", self.alpha, low=0, open_low=True)
        _check_memory(
            f"X must have fewer rows, got {len(X)}: their kernel matrices",
            5 * 8 * len(X) ** 2,
            check_integer("max_bytes", self.max_bytes, low=1),
            "use 'nystroem polynomial' or 'random relu' of make_learner, or fewer samples",
        )
        self.X_, self.mean_ = X, y.mean()
        solver = KernelRidge(alpha=self.alpha, kernel="precomputed").fit(self._kernel(X), y - self.mean_)
        self.dual_coef_ = solver.dual_coef_
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict labels, ndarray of shape (n_samples,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        slices = (X[start : start + 1024] for start in range(0, len(X), 1024))
        return self.mean_ + np.concatenate([self._kernel(part) @ self.dual_coef_ for part in slices])

    def _kernel(self, X: np.ndarray) -> np.ndarray:
        return invariant_kernel(X, self.X_, kind=self.kind, scale=self.scale)


class BoundedNystroem(Nystroem):
    """Scikit-learn's Nystroem features, of a kernel on few of the samples, under a bound on memory.

    Parameters
    ----------
    kernel : {"polynomial", "rbf"}, default "polynomial"
        The polynomial has degree 4.
    gamma : float, optional
        Factor of the inner product or of the squared distance; 1/d by default.
    coef0 : float, default 1.0
        Constant of the polynomial.
    n_components : int, default 1000
        Number of centres; no more than there are samples are used.
    random_state : int, default 0
        Seed of the choice of centres.
    max_bytes : int, default 2**30
        Largest memory of a fit.

    Raises
    ------
    ValueError
        If a fit would take more than `max_bytes`, before anything is allocated.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.baselines import BoundedNystroem
    >>> BoundedNystroem(n_components=5).fit_transform(np.eye(20)).shape
    (20, 5)
    """

    def __init__(
        self,
        kernel: str = "polynomial",
        gamma: float | None = None,
        coef0: float = 1.0,
        n_components: int = 1000,
        random_state: int = 0,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(
            kernel, gamma=gamma, coef0=coef0, degree=4, n_components=n_components, random_state=random_state
        )
        self.max_bytes = max_bytes

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> BoundedNystroem:
        """Choose the centres and orthogonalise their kernels."""
        check_seed("random_state", self.random_state)
        n, m = len(X), min(len(X), self.n_components)
        _check_memory(
            f"n_components must be smaller, got {self.n_components}: kernels of {n} samples on {m} centres",
            8 * (3 * n * m + 4 * m**2),
            self.max_bytes,
            "use fewer centres or fewer samples",
        )
        with warnings.catch_warnings():
            # It warns when it lowers n_components to the number of samples, which is meant here.
            warnings.filterwarnings("ignore", message="n_components > n_samples")
            return super().fit(X, y)


class RandomFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Random features :math:`\sigma(\sqrt s\,w_j^\top x/\sqrt d + b_j)`, with w and b standard normal.

    Parameters
    ----------
    activation : {"relu", "quartic"}, default "relu"
        :math:`\max(t, 0)`, or :math:`t^4/\sqrt{96}`, of variance 1 for standard normal t.
    n_components : int, default 1000
        Number of features.
    scale : float, default 1.0
        s, positive.
    random_state : int, default 0
        Seed of w and b.
    max_bytes : int, default 2**30
        Largest memory of the features.

    Raises
    ------
    ValueError
        If an argument is out of range, or the features would take more than `max_bytes`.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.baselines import RandomFeatures
    >>> RandomFeatures(n_components=5).fit_transform(np.zeros((2, 3))).shape
    (2, 5)
    """

    def __init__(
        self,
        activation: str = "relu",
        n_components: int = 1000,
        scale: float = 1.0,
        random_state: int = 0,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.activation = activation
        self.n_components = n_components
        self.scale = scale
        self.random_state = random_state
        self.max_bytes = max_bytes

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> RandomFeatures:
        """Draw the weights; only the number of columns of `X` matters."""
        X = validate_data(self, X, dtype=np.float64)
        check_choice("activation", self.activation, ("relu", "quartic"))
        check_integer("n_components", self.n_components, low=1)
        check_seed("random_state", self.random_state)
        rng = np.random.default_rng(self.random_state)
        root = np.sqrt(check_real("scale", self.scale, low=0, open_low=True) / X.shape[1])
        self.weights_ = root * rng.standard_normal((X.shape[1], self.n_components))
        self.biases_ = rng.standard_normal(self.n_components)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Evaluate the features, ndarray of shape (n_samples, n_components)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        n_bytes = 2 * 8 * len(X) * self.n_components
        _check_memory(
            f"n_components must be smaller, got {self.n_components}: the features",
            n_bytes,
            self.max_bytes,
            "use fewer components or fewer samples",
        )
        T = X @ self.weights_
        T += self.biases_
        return np.maximum(T, 0, out=T) if self.activation == "relu" else T**4 / np.sqrt(96)

    @property
    def _n_features_out(self) -> int:
        return self.n_components


class HermiteMap(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """All orthonormal Hermite features of degrees 1 to `max_degree`: C(d + max_degree, max_degree) - 1 columns.

    Parameters
    ----------
    max_degree : int, default 4
        Largest degree, at least 1.
    max_bytes : int, default 2**30
        Largest memory of the features.

    Raises
    ------
    ValueError
        If the features would take more than `max_bytes`, before anything is allocated.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.baselines import HermiteMap
    >>> HermiteMap(max_degree=4).fit_transform(np.zeros((1, 8))).shape
    (1, 494)
    """

    def __init__(self, max_degree: int = 4, max_bytes: int = MAX_BYTES) -> None:
        self.max_degree = max_degree
        self.max_bytes = max_bytes

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> HermiteMap:
        """Check the sizes; nothing is learned."""
        X = validate_data(self, X, dtype=np.float64)
        check_integer("max_degree", self.max_degree, low=1)
        self._check_size(len(X))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Evaluate the features, ndarray of shape (n_samples, n_columns)."""
        check_is_fitted(self, "n_features_in_")
        X = validate_data(self, X, reset=False, dtype=np.float64)
        self._check_size(len(X))
        degrees = range(1, self.max_degree + 1)
        return np.hstack([HermiteFeatures(X.shape[1], degree).transform(X) for degree in degrees])

    @property
    def _n_features_out(self) -> int:
        return comb(self.n_features_in_ + self.max_degree, self.max_degree) - 1

    def _check_size(self, n: int) -> None:
        columns = self._n_features_out
        _check_memory(
            f"max_degree must be smaller, got {self.max_degree}: {columns} Hermite features of {n} samples",
            2 * 8 * n * columns,
            self.max_bytes,
            "use 'kernel polynomial' or 'random quartic' of make_learner",
        )


class DegreeTwoProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Project x on the leading eigenvectors of :math:`\frac1n\sum_\mu (y_\mu - \bar y)(x_\mu x_\mu^\top - I)`.

    The spectral method without a hierarchy: Algorithm 1's first step with q = 1.

    Parameters
    ----------
    n_components : int, default 1
        Number of eigenvectors, of largest modulus; no more than there are inputs are used.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.baselines import DegreeTwoProjection
    >>> X = np.random.default_rng(0).standard_normal((4000, 5))
    >>> z = DegreeTwoProjection().fit(X, X[:, 2] ** 2).transform(np.eye(5))
    >>> int(np.abs(z[:, 0]).argmax()), bool(np.abs(z[2, 0]) > 0.99)
    (2, True)
    """

    def __init__(self, n_components: int = 1) -> None:
        self.n_components = n_components

    def fit(self, X: np.ndarray, y: np.ndarray) -> DegreeTwoProjection:
        """Diagonalise the moment matrix."""
        X, y = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        y = y.astype(float)
        check_integer("n_components", self.n_components, low=1)
        # The centred labels sum to zero: the identity drops out.
        values, vectors = np.linalg.eigh((X * (y - y.mean())[:, None]).T @ X / len(X))
        self.components_ = vectors[:, np.argsort(-np.abs(values))[: self.n_components]].T
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Project, ndarray of shape (n_samples, n_components)."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False, dtype=np.float64) @ self.components_.T

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)
