"""Recompute book/data/visible.csv, the measurements of the chapter on visible thresholds: some minutes on one core.

Finished points are kept in _build/visible: a killed run goes on where it stopped, and the table is written again after
every block with all the points that there are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np

from _tools.stored import table
from hierlib.engine.hermite import HermiteFeatures
from hierlib.learn.sweep import learning_point, run

BOUNDED, NORMALISED = {"label_transform": "tanh"}, {"normalize": True}
UPPER = {"second_layer": "least_squares", "leave_one_out": True}
VARIANTS = {
    "paper": {},
    "bounded": BOUNDED,
    "normalised": NORMALISED,
    "both": BOUNDED | NORMALISED,
    "recommended": BOUNDED | NORMALISED | {"ranking": "edge"} | UPPER,
}
FIELDS = ["d", "q", "n_features", "gamma", "link", "ratio", "n", "variant", "seed", "mse", "overlap"]
LARGEST_D1 = 7  # columns of alignments


@dataclass(frozen=True)
class Block:
    """Targets of one law, at some sizes n/D, seen by some variants of the estimator."""

    ratios: tuple[float, ...]
    variants: tuple[str, ...] = ("paper", "recommended")
    seeds: tuple[int, ...] = (0, 1, 2)
    d: int = 45
    q: int = 2
    n_features: int = 6
    gamma: float = 0.4
    link: str = "identity"

    @property
    def name(self) -> str:
        """Name of the folder of finished points."""
        return f"d{self.d}-q{self.q}-{self.n_features}-{self.gamma}-{self.link}"


BLOCKS = [
    Block((24.357,), tuple(VARIANTS), d=60, n_features=7),
    Block((3, 6, 12, 24, 48, 96)),
    *(Block((6, 12, 24), d=d, n_features=n) for d, n in ((20, 4), (30, 5))),
    *(Block((24,), gamma=gamma) for gamma in (0.0, 0.8, 1.2)),
    *(Block((24,), link=link) for link in ("tanh", "quadratic")),
    Block((18.315,), ("bounded", "both", "recommended"), (0, 1), d=26, q=3, n_features=5),
]


def visible_point(*, d: int, q: int, ratio: float, variant: str, **target) -> dict:
    """One fit at n = ratio D."""
    n = round(ratio * HermiteFeatures(d, q).dim)
    options = VARIANTS[variant]
    return {"n": n} | learning_point(d=d, q=q, alpha=float(np.log(n) / np.log(d)), n_test=10_000, **target, **options)


def compute(block: Block) -> list[list]:
    """Rows of the table for one block, from the points kept and those still missing."""
    shape = {name: asdict(block)[name] for name in FIELDS[:5]}
    result = run(
        visible_point,
        {"ratio": list(block.ratios), "variant": list(block.variants)},
        seeds=list(block.seeds),
        directory=table.ROOT / "_build" / "visible" / block.name,
        **shape,
    )
    rows = []
    for ratio, variant, seed in product(block.ratios, block.variants, block.seeds):
        found = result.sel(ratio=ratio, variant=variant, seed=seed)
        alignments = [f"{value:.4f}" for value in found["alignment"].values]
        numbers = [
            ratio,
            int(found["n"]),
            variant,
            seed,
            f"{float(found['mse']):.4f}",
            f"{float(found['overlap']):.4f}",
        ]
        rows.append([*shape.values(), *numbers, *alignments, *[""] * (LARGEST_D1 - len(alignments))])
    return rows


def states() -> Iterator[tuple[list[list], list[str]]]:
    """Compute what is missing, block after block."""
    rows: list[list] = []
    for block in BLOCKS:
        rows += compute(block)
        yield (
            rows,
            [
                "seeds: of the targets; learning_point derives those of the samples",
                *(f"{name}: {options or 'the defaults'}" for name, options in VARIANTS.items()),
                "mse: on 10 000 fresh samples, over Var y; ratio: n/D",
            ],
        )


if __name__ == "__main__":
    sys.exit(table.keep("visible", FIELDS + [f"alignment_{i}" for i in range(1, LARGEST_D1 + 1)], states))
