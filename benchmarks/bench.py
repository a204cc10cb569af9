"""Measure the engine against stated limits and baselines, and print one table.

``make bench`` runs it. Every row gives a measured value, what it is compared with in the same run, and the ratio, above
1 where the target is met or the baseline beaten. The limit of a pass is the time of 4 n d^2 k operations (4 n D k for
other degrees than 2) at the speed of a large single-precision matrix product.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _tools.stored import table
from baselines import ChunkedNumpyOperator, dense_eigenvectors, subspace_iteration
from scipy.sparse.linalg import LinearOperator, eigsh, lobpcg

from hierlib import HierarchicalTarget
from hierlib.engine.krylov import largest_modulus
from hierlib.engine.moment import MomentOperator, collect_labels, label_weights
from hierlib.learn.sweep import learning_curve, learning_point
from hierlib.model.metrics import principal_angles, subspace_overlap

ROW = "{:46s} {:>10s} {:>10s} {:>6s}  {}"
# Relative residual that keeps the largest angle to the exact space below 1e-2.
TOL = 3e-3
# What the chapter on clusters computes with, written by --store: name -> (value, unit).
CONSTANTS: dict[str, tuple[float, str]] = {}


def row(name: str, value: float, limit: float, note: str = "", unit: str = "s", ratio: float | None = None) -> None:
    ratio = limit / value if ratio is None else ratio
    print(ROW.format(name, f"{value:.3g} {unit}", f"{limit:.3g} {unit}", f"{ratio:.2f}", note), flush=True)


def timed(function: Callable) -> tuple[float, object]:
    """Seconds that a call took, and its result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def best_time(function: Callable, repeats: int = 3) -> float:
    """Shortest of several runs, in seconds: what the machine can do when it is not disturbed."""
    return min(timed(function)[0] for _ in range(repeats))


def matmul_speed(size: int = 3000) -> float:
    """Operations a second of a large single-precision matrix product on all cores."""
    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    return 2 * size**3 / best_time(lambda: a @ a, 4)


def bench_pass(d: int, k: int, n: int, degree: int, speed: float) -> float:
    """Time one product of the moment operator with k columns; return its ratio to the limit."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    single, double = (MomentOperator((X, y), degree=degree, dtype=dtype) for dtype in ("float32", "float64"))
    V = np.linalg.qr(rng.standard_normal((single.shape[0], k)))[0]
    result, reference = single @ V, double @ V
    error = np.linalg.norm(result - reference) / np.linalg.norm(reference)
    seconds = best_time(lambda: single @ V)
    limit = 4 * n * (d**2 if degree == 2 else single.shape[0]) * k / speed
    row(f"pass q={degree} d={d} k={k} n={n}", seconds, limit, f"float32 error {error:.0e}")
    return limit / seconds


def bench_other_passes(d: int, k: int, n: int, speed: float) -> None:
    """Compare the pass with plain numpy, with one core, and with PyTorch's arrays."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    operators = [MomentOperator((X, y), n_jobs=n_jobs) for n_jobs in (-1, 1)]
    V = np.linalg.qr(rng.standard_normal((operators[0].shape[0], k)))[0]
    for operator in operators:
        operator @ V  # Lays the tiles out.
    both, one = (best_time(lambda op=op: op @ V) for op in operators)
    plain = best_time(lambda: ChunkedNumpyOperator(X, y) @ V, 2)
    row(f"pass against chunked numpy, d={d} k={k} n={n}", both, plain, "baseline: benchmarks/baselines.py")
    efficiency = one / both / 2
    row("two cores against half of one core's time", both, one / 2, "parallel efficiency")
    CONSTANTS["parallel_efficiency"] = (efficiency, "")
    stream = HierarchicalTarget(d, n_features=2).stream(n, 1)
    drawn = best_time(lambda: [batch.draw() for batch in stream.input_batches], 2)
    CONSTANTS["draw"] = (drawn / (n * d), "core seconds a number")
    try:
        import torch
    except ImportError:
        return
    there = MomentOperator((torch.asarray(X, dtype=torch.float32), torch.asarray(y)))
    limit = 4 * n * d**2 * k / speed
    row(f"pass on PyTorch arrays ({torch.empty(0).device})", best_time(lambda: there @ V), limit)


def bench_eigenvectors(d: int, ratio: int) -> None:
    """Time ways to the leading eigenvectors on the same data; the angle is to a converged reference."""
    target = HierarchicalTarget(d=d, seed=0)
    X, y = target.sample(ratio * target.dim, seed=1)
    operator = MomentOperator((X, label_weights(y, "tanh")), normalize=True)
    k, rng = target.n_features, np.random.default_rng(1)
    exact = largest_modulus(operator, k, rng=rng, tol=1e-4, max_products=200).eigenvectors
    start = rng.standard_normal((operator.shape[0], 2 * k - 1))
    plain = ChunkedNumpyOperator(X * np.sqrt(d) / np.linalg.norm(X, axis=1, keepdims=True), operator.weights)
    square = LinearOperator(
        operator.shape, matmat=lambda V: operator @ (operator @ V), matvec=lambda v: operator @ (operator @ v)
    )
    methods = {
        "15 subspace iterations, chunked numpy": lambda: subspace_iteration(plain, start)[:, :k],
        "engine.krylov": lambda: largest_modulus(operator, k, rng=np.random.default_rng(1), tol=TOL).eigenvectors,
        "15 subspace iterations, this engine's pass": lambda: subspace_iteration(operator, start)[:, :k],
        "scipy eigsh": lambda: eigsh(operator, k, which="LM", tol=1e-2, v0=start[:, 0])[1],
        "scipy lobpcg, on the square": lambda: lobpcg(square, start[:, :k], tol=1e-3, maxiter=20)[1],
    }
    baseline = None
    for name, method in methods.items():
        operator.samples_read = 0
        seconds, vectors = timed(method)
        baseline = baseline or seconds
        angle = principal_angles(vectors.T, exact.T)[0]
        passes = operator.samples_read // len(y) or 16
        overlap = subspace_overlap(vectors.T, target.directions)
        note = f"{passes} passes, angle {angle:.3f}, overlap {overlap:.3f}"
        row(name, seconds, baseline, note)
        if name == "engine.krylov":
            row("  ... against a tenth of the baseline", seconds, baseline / 10, "target: ratio 1 and angle < 0.01")
            CONSTANTS["passes"] = (passes, f"to angle {angle:.3f} at d = {d}, n = {ratio} D")
            CONSTANTS["krylov_seconds"] = (seconds, "s")
            CONSTANTS["baseline_seconds"] = (baseline, "s")


def bench_dense(d: int, ratio: int) -> None:
    """Compare with the whole spectrum of the formed matrix."""
    target = HierarchicalTarget(d=d, seed=0)
    X, y = target.sample(ratio * target.dim, seed=1)
    operator = MomentOperator((X, label_weights(y, "tanh")), normalize=True)
    dense, _ = timed(lambda: dense_eigenvectors(operator, target.n_features))
    seconds, _ = timed(lambda: largest_modulus(operator, target.n_features, rng=np.random.default_rng(1), tol=TOL))
    row(f"engine.krylov against dense eigh, d={d}", seconds, dense)


def bench_sweep(d: int, alphas: list[float]) -> None:
    """Compare a sweep over nested sample sizes with twice its largest fit, and a warm start with a cold one."""
    options = {"d": d, "label_transform": "tanh", "normalize": True, "n_test": 1000}
    largest, last = timed(lambda: learning_point(alpha=alphas[-1], seed=0, **options))
    whole, curve = timed(lambda: learning_curve(alphas=alphas, seeds=[0], **options))
    warm = float(curve["n_passes"].sel(alpha=alphas[-1]).squeeze())
    row(f"sweep of {len(alphas)} sizes, twice its largest fit, d={d}", whole, 2 * largest)
    row("passes of the largest fit, warm and cold", warm, float(last["n_passes"]), unit="", note="warm start")


def bench_memory(n: int, d: int) -> None:
    """Peak memory of labels and a pass over a stream."""
    peak, labels, product = in_own_process(n, d)
    row(f"memory of a stream, n={n:.0e} d={d}", peak, 1024, f"labels {labels:.0f} s, pass {product:.0f} s", unit="MiB")
    CONSTANTS["stream_peak"] = (peak, f"MiB at n = {n:.0e}, d = {d}")


def in_own_process(n: int, d: int) -> list[float]:
    """Run `measure_memory` in a process of its own, whose peak is nobody else's."""
    command = [sys.executable, __file__, "--memory", str(n), str(d)]
    return list(map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()))


def measure_memory(n: int, d: int) -> None:
    """Print the peak memory in MiB, and the seconds of labels and of a pass with two columns."""
    target = HierarchicalTarget(d=d, seed=0)
    labels, operator = timed(lambda: MomentOperator(target.stream(n, seed=1)))
    product, _ = timed(lambda: operator @ np.random.default_rng(0).standard_normal((target.dim, 2)))
    # Not the maximum of getrusage, which a process inherits from the one that started it.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1024, labels, product)


def bench_large(n: int, d: int, n_measured: int) -> None:
    """Time that a fit on a very large stream takes, from the speed on a part of it."""
    target = HierarchicalTarget(d=d, seed=0)
    stream = target.stream(n_measured, seed=1)
    labels, (_, y) = timed(lambda: collect_labels(stream))
    operator = MomentOperator(stream, y)
    V = np.random.default_rng(0).standard_normal((target.dim, 2))
    product, _ = timed(lambda: operator @ V)
    scale, passes = n / n_measured / 3600, CONSTANTS["passes"][0]
    print(
        f"n={n:.0e} d={d}, extrapolated from n={n_measured:.0e}: labels {labels * scale:.2f} h, a pass "
        f"{product * scale:.2f} h, {passes} passes {passes * product * scale:.1f} h; labels take {8 * n / 1e9:.1f} GB"
    )
    for name, seconds in (("stream_labels", labels), ("stream_pass", product)):
        CONSTANTS[name] = (seconds / n_measured, f"s a sample at d = {d}, all cores")


def store() -> None:
    """Write the constants under their provenance."""
    rows = [[name, f"{value:.4g}", unit] for name, (value, unit) in CONSTANTS.items()]
    command = " ".join(["python benchmarks/bench.py", *sys.argv[1:]])
    table.write("bench", ["name", "value", "unit"], rows, command=command, notes=[])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="much smaller sizes, to see that everything runs")
    parser.add_argument("--large", action="store_true", help="read a stream of 10^8 samples, too: ten minutes more")
    parser.add_argument("--store", action="store_true", help="write the constants of the chapter on clusters")
    parser.add_argument("--memory", nargs=2, type=int, metavar=("N", "D"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        measure_memory(*arguments.memory)
        return
    quick = arguments.quick
    speed = matmul_speed()
    CONSTANTS["matmul"] = (speed, "operations a second, single precision, two cores")
    print(f"single-precision matrix product: {speed / 1e9:.0f} GFlop/s\n")
    print(ROW.format("", "measured", "limit", "ratio", ""))
    ratio = bench_pass(120, 21, 20_000 if quick else 254_608, 2, speed)
    CONSTANTS["pass_ratio"] = (ratio, "of 4 n d^2 k operations at that speed, d = 120, k = 21")
    CONSTANTS["narrow_pass_ratio"] = (bench_pass(120, 2, 20_000 if quick else 254_608, 2, speed), "the same with k = 2")
    bench_pass(250, 30, 5_000 if quick else 60_000, 2, speed)
    bench_pass(40, 10, 10_000 if quick else 100_000, 3, speed)
    bench_pass(20, 10, 3_000 if quick else 40_000, 4, speed)
    bench_other_passes(120, 21, 8_000 if quick else 60_000, speed)
    d, ratio = (40, 24) if quick else (120, 35)
    print("\n" + ROW.format(f"eigenvectors at q=2 d={d} n={ratio} D", "measured", "limit", "ratio", ""))
    bench_eigenvectors(d, ratio)
    bench_dense(20 if quick else 50, 35)
    print("\n" + ROW.format("sweeps and streams", "measured", "limit", "ratio", ""))
    bench_sweep(*((30, [2.4, 2.6, 2.8]) if quick else (80, [2.1, 2.3, 2.5, 2.7, 2.9])))
    bench_memory(*((100_000, 100) if quick else (10**7, 100)))
    bench_large(10**8, 60, 20_000 if quick else 1_000_000)
    if arguments.store:
        store()
    if arguments.large:
        peak, labels, product = in_own_process(10**8, 60)
        print(f"n=1e8 d=60, read in full: labels {labels:.0f} s, a pass {product:.0f} s, peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
