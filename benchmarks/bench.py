"""Measure the engine against stated limits and baselines, and print one table.

``make bench`` runs it. Every row gives a time, what it is compared with in the same run, and the ratio (above 1: faster
than the limit or the baseline). The limit of a pass is the time of 4 n d^2 k operations at the speed of a large
single-precision matrix product, the dense cost of multiplying k symmetric d x d matrices with n samples twice.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh, lobpcg

from hierlib import HierarchicalTarget
from hierlib.krylov import largest_modulus
from hierlib.metrics import principal_angles, subspace_overlap
from hierlib.moment import MomentOperator, label_weights

ROW = "{:44s} {:>9s} {:>9s} {:>7s}  {}"


def best_time(function: Callable, repeats: int = 3) -> float:
    """Shortest of several runs, in seconds: what the machine can do when it is not disturbed."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def matmul_speed(size: int = 3000) -> float:
    """Operations a second of a large single-precision matrix product on all cores."""
    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    return 2 * size**3 / best_time(lambda: a @ a, 4)


def subspace_iteration(operator: LinearOperator, start: np.ndarray, n_products: int = 15) -> np.ndarray:
    """Baseline: repeated multiplication and orthogonalisation, without Rayleigh-Ritz until the end."""
    basis = np.linalg.qr(start)[0]
    for _ in range(n_products):
        basis = np.linalg.qr(operator @ basis)[0]
    values, vectors = np.linalg.eigh(basis.T @ (operator @ basis))
    return basis @ vectors[:, np.argsort(-np.abs(values))]


def bench_pass(d: int, k: int, n: int, degree: int, speed: float) -> None:
    """Time one product of the moment operator with k columns."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    single, double = (MomentOperator((X, y), degree=degree, dtype=dtype) for dtype in ("float32", "float64"))
    V = np.linalg.qr(rng.standard_normal((single.shape[0], k)))[0]
    seconds = best_time(lambda: single @ V)
    # For q = 2 the dense cost; other degrees have none as small, and are compared with two products with F.
    limit = (4 * n * d**2 * k if degree == 2 else 4 * n * single.shape[0] * k) / speed
    reference = double @ V
    error = np.linalg.norm(single @ V - reference) / np.linalg.norm(reference)
    name = f"pass q={degree} d={d} k={k} n={n}"
    print(
        ROW.format(name, f"{seconds:.2f} s", f"{limit:.2f} s", f"{limit / seconds:.2f}", f"float32 error {error:.0e}")
    )


def bench_eigenpairs(d: int, ratio: int) -> None:
    """Time ways to the leading eigenvectors on the same data; the angle is to a converged reference."""
    target = HierarchicalTarget(d=d, seed=0)
    X, y = target.sample(ratio * target.dim, seed=1)
    operator = MomentOperator((X, label_weights(y, "tanh")), normalize=True)
    k, rng = target.n_features, np.random.default_rng(1)
    exact = largest_modulus(operator, k, rng=rng, tol=1e-4, max_products=100).eigenvectors
    start = rng.standard_normal((operator.shape[0], 2 * k - 1))
    methods = {
        "15 subspace iterations, block 2 k - 1": lambda: subspace_iteration(operator, start)[:, :k],
        "block Krylov (hierlib.krylov)": lambda: (
            largest_modulus(operator, k, rng=np.random.default_rng(1)).eigenvectors
        ),
        "scipy eigsh": lambda: eigsh(operator, k, which="LM", tol=1e-2, v0=start[:, 0])[1],
        "scipy lobpcg, on the square": lambda: lobpcg(
            LinearOperator(
                operator.shape, matmat=lambda V: operator @ (operator @ V), matvec=lambda v: operator @ (operator @ v)
            ),
            start[:, :k],
            tol=1e-3,
            maxiter=20,
        )[1],
    }
    baseline = None
    for name, method in methods.items():
        operator.samples_read = 0
        begin = time.perf_counter()
        vectors = method()
        seconds = time.perf_counter() - begin
        baseline = baseline or seconds
        angle = principal_angles(vectors.T, exact.T)[0]
        overlap = subspace_overlap(vectors.T, target.directions)
        note = f"{operator.samples_read / len(y):.0f} passes, angle {angle:.3f}, overlap {overlap:.3f}"
        print(ROW.format(name, f"{seconds:.2f} s", f"{baseline:.2f} s", f"{baseline / seconds:.2f}", note))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller sizes, half a minute in all")
    quick = parser.parse_args().quick
    speed = matmul_speed()
    print(f"single-precision matrix product: {speed / 1e9:.0f} GFlop/s\n")
    print(ROW.format("", "time", "limit", "ratio", ""))
    bench_pass(120, 21, 60_000 if quick else 254_608, 2, speed)
    bench_pass(250, 30, 10_000 if quick else 60_000, 2, speed)
    bench_pass(40, 10, 20_000 if quick else 100_000, 3, speed)
    d, ratio = (60, 24) if quick else (120, 35)
    print(f"\neigenvectors at q=2 d={d} n={ratio} D")
    print(ROW.format("", "time", "baseline", "ratio", ""))
    bench_eigenpairs(d, ratio)


if __name__ == "__main__":
    main()
