"""Recompute book/data/paper.csv: Figures 2 to 5 of the paper at its own parameters, as far as two cores go.

A point is one fit at one sample size. Finished points are kept in _build/paper: a killed run goes on where it stopped,
and the table is written again after every block with all the points that there are.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from _tools.stored import table
from hierlib.learn.sweep import learning_point, run

FIELDS = ["d", "gamma", "link", "seed", "alpha", "mse", "overlap", "n_passes", "seconds"]
LARGEST_D1 = 20  # columns of alignments
KEPT = table.ROOT / "_build" / "paper"


@dataclass(frozen=True)
class Block:
    """A curve of one figure: one target law, some sample sizes and seeds."""

    d: int
    n_features: int  # the recorded experiments round sqrt(d) to the nearest integer
    alphas: tuple[float, ...]
    seeds: range
    gamma: float = 0.4
    link: str = "identity"
    processes: int = 2

    @property
    def name(self) -> str:
        """Name of the folder of finished points."""
        return f"d{self.d}-gamma{self.gamma}-{self.link}"


SHORT = (1.0, 1.5, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0)
FULL = (1.0, 1.25, 1.5, 1.75, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7, 2.8, 2.9, 3.0)
BLOCKS = [
    Block(120, 11, FULL, range(10)),
    *(Block(120, 11, SHORT, range(3), gamma=gamma) for gamma in (0.0, 0.2, 0.6, 0.8, 1.0)),
    *(Block(120, 11, SHORT, range(3), link=link) for link in ("tanh", "quadratic")),
    Block(250, 16, (2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6), range(3)),
    # One process: two samples of this size do not fit in the memory of a laptop.
    Block(400, 20, (2.0, 2.15, 2.3, 2.45), range(1), processes=1),
]


def paper_point(**arguments) -> dict:
    """One point of a sweep and the time it took."""
    started = time.perf_counter()
    return learning_point(**arguments) | {"seconds": time.perf_counter() - started}


def compute(block: Block) -> None:
    """Compute the points of a block that are missing."""
    run(
        paper_point,
        {"alpha": list(block.alphas)},
        seeds=list(block.seeds),
        directory=KEPT / block.name,
        n_jobs=block.processes,
        d=block.d,
        n_features=block.n_features,
        gamma=block.gamma,
        link=block.link,
        n_test=20_000,
    )


def finished(block: Block) -> list[list]:
    """Rows of the table for the points of a block that are there, by seed and sample size."""
    rows = []
    for path in (KEPT / block.name).glob("*.json"):
        content = json.loads(path.read_text())
        if "point" not in content:  # the sweep's own description
            continue
        point, result = json.loads(content["point"]), content["result"]
        numbers = [f"{result[name]:.5g}" for name in FIELDS[5:]]
        found = [f"{value:.4f}" for value in result["alignment"]]
        padding = [""] * (LARGEST_D1 - len(found))
        rows.append([block.d, block.gamma, block.link, point["seed"], point["alpha"], *numbers, *found, *padding])
    return sorted(rows, key=lambda row: row[3:5])


def states() -> Iterator[tuple[list[list], list[str]]]:
    """Compute what is missing, block after block."""
    rows: list[list] = []
    for block in BLOCKS:
        compute(block)
        rows += finished(block)
        yield (
            rows,
            [
                "seeds: of the targets; learning_point derives those of the samples",
                "settings: the paper's (labels as they are, raw inputs, ranking by modulus, "
                "same sample for all layers)",
                f"wall time of the points, added up: {sum(float(row[8]) for row in rows) / 3600:.1f} h",
                "mse: on 20 000 fresh samples, over Var y; seconds: wall time of one point",
            ],
        )


if __name__ == "__main__":
    sys.exit(table.keep("paper", FIELDS + [f"alignment_{i}" for i in range(1, LARGEST_D1 + 1)], states))
