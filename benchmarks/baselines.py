"""What the engine is compared with: plain implementations of the same operations."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator

from hierlib.engine.krylov import by_modulus


class ChunkedNumpyOperator(LinearOperator):
    """The moment matrix of degree 2 by whole d x d matrices, a chunk of samples at a time, in single precision.

    What one writes first: three matrix products in numpy, on as many threads as the BLAS takes, and temporaries of the
    size of chunk x k x d.
    """

    def __init__(self, X: np.ndarray, weights: np.ndarray, chunk: int = 4096) -> None:
        self.X, self.weights, self.chunk = X, weights, chunk
        self.rows, self.columns = np.triu_indices(X.shape[1])
        super().__init__(np.dtype(float), (len(self.rows),) * 2)

    def _matmat(self, V: np.ndarray) -> np.ndarray:
        (n, d), k = self.X.shape, V.shape[1]
        diagonal = self.rows == self.columns
        values = np.where(diagonal, V.T / np.sqrt(2), V.T / 2)
        matrices = np.zeros((k, d, d), dtype=np.float32)
        matrices[:, self.rows, self.columns] = values
        matrices[:, self.columns, self.rows] = values
        traces = np.trace(matrices, axis1=1, axis2=2)
        packed = matrices.transpose(1, 0, 2).reshape(d, k * d)
        moments, totals = np.zeros((d, k * d)), np.zeros(k)
        for start in range(0, n, self.chunk):
            X = self.X[start : start + self.chunk].astype(np.float32)
            weights = self.weights[start : start + self.chunk].astype(np.float32)
            projections = ((X @ packed).reshape(len(X), k, d) * X[:, None]).sum(axis=2) - traces
            weighted = projections * weights[:, None]
            moments += X.T @ (weighted[:, :, None] * X[:, None]).reshape(len(X), k * d)
            totals += weighted.sum(axis=0)
        sums = moments.reshape(d, k, d)[self.rows, :, self.columns]
        sums[diagonal] = (sums[diagonal] - totals) / np.sqrt(2)
        return (sums - self.weights.sum() * V) / n

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._matmat(v.reshape(-1, 1))


def subspace_iteration(operator: LinearOperator, start: np.ndarray, n_products: int = 15) -> np.ndarray:
    """Repeat product and orthogonalisation, without Rayleigh-Ritz until the end, which takes one more product."""
    basis = np.linalg.qr(start)[0]
    for _ in range(n_products):
        basis = np.linalg.qr(operator @ basis)[0]
    values, vectors = np.linalg.eigh(basis.T @ (operator @ basis))
    return basis @ vectors[:, by_modulus(values)]


def dense_eigenvectors(operator, k: int) -> np.ndarray:
    """Form the matrix and take its whole spectrum."""
    values, vectors = np.linalg.eigh(operator.to_dense())
    return vectors[:, by_modulus(values)[:k]]
