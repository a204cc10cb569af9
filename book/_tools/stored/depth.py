"""Recompute book/data/depth.csv, the larger run of the chapter on depth: about fifteen minutes on one core.

Finished points are kept in _build/depth: a killed run goes on where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from _tools.stored import table
from hierlib.learn.baselines import compare_point
from hierlib.learn.sweep import run

SEEDS = [1, 2, 3, 4, 5]
KERNELS = ["kernel rbf", "kernel polynomial", "kernel tangent"]
RANDOM = ["random relu", "random quartic"]


def powers(low: int, high: int) -> list[int]:
    """Sample sizes 2**low, ..., 2**high."""
    return [2**k for k in range(low, high + 1)]


# (learners, dimensions, sample sizes): each block is a full grid, the blocks together are not.
BLOCKS = [
    (["hierarchical"], [8, 12, 16, 24, 32, 48], powers(8, 16)),
    (["all hermite features", "kernel rbf"], [6, 8], powers(6, 10)),
    (["all hermite features", "kernel rbf"], [10], powers(7, 11)),
    (["all hermite features"], [12], powers(8, 12)),
    (["all hermite features"], [16], powers(8, 11)),
    (["one-shot projection"], [16, 24, 32], powers(8, 12)),
    (KERNELS, [16, 24, 32], powers(8, 11)),
    (["head polynomial"], [16, 24, 32], powers(9, 14)),
    (["head kernel"], [16, 24, 32], [2**11, 2**13]),
    (RANDOM, [16, 24, 32], [2**9, 2**11]),
    (["network"], [16, 24, 32], [2**9, 2**11]),
    (["kernel tangent"], [16], [2**12]),
    (["nystroem polynomial"], [16], [2**11, 2**12]),
    (["random relu"], [32], [2**13, 2**14]),
    (["all hermite features"], [16], [2**12]),
]
FIELDS = ["learner", "d", "n", "seed", "mse", "seconds", "mebibytes"]


def states() -> Iterator[tuple[list[list], list[str]]]:
    """Compute what is missing, block after block."""
    rows: list[list] = []
    for learners, dimensions, sizes in BLOCKS:
        grid = {"learner": learners, "d": dimensions, "n": sizes}
        result = run(compare_point, grid, seeds=SEEDS, directory=table.ROOT / "_build" / "depth")
        for (learner, d, n, seed), part in result.stack(row=["learner", "d", "n", "seed"]).groupby("row"):
            rows.append([learner, d, n, seed, *(f"{float(part[name].squeeze()):.4g}" for name in FIELDS[4:])])
        yield (
            rows,
            [
                f"seeds: {SEEDS} (targets; compare_point derives those of the samples)",
                f"processor time of the fits: {sum(float(row[5]) for row in rows):.0f} s, one thread",
                "seconds: processor time of tuning and fit; mebibytes: peak beyond the data; mse: test error / Var y",
            ],
        )


if __name__ == "__main__":
    sys.exit(table.keep("depth", FIELDS, states))
