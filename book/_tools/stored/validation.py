"""Compute what book/data/validation.csv lacks: the simulations that the sharp constants are tested against.

Points that the table has are kept; delete the file to compute all of them again. A fit that is finished is kept in
_build/validation: a killed run goes on where it stopped, and the table is written again after every block. It holds no
prediction: the chapter computes those. Needs one core or more, and 1.5 GB each.
"""

from __future__ import annotations

import csv
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from _tools.stored import table
from hierlib import HierarchicalSpectralRegressor, HierarchicalTarget, theory
from hierlib.learn import sweep

FIELDS = ["d", "q", "gamma", "link", "signs", "setting", "n", "n_seeds", "quantity", "feature", "mean", "error"]
TABLE = table.ROOT / "book/data/validation.csv"
N_FRESH = 40_000  # samples for the fresh second layer, which has at most 15^2 entries
N_TEST = 20_000
PIECES = 16  # of the scalar readout


@dataclass(frozen=True)
class Block:
    """A target law and an estimator, at some sample sizes."""

    d: int
    q: int
    gamma: float
    link: str
    signs: str  # one a feature: their number is d1
    setting: str
    ratios: tuple[float, ...] | int  # n/D, or how many from half the first threshold to ten times the last
    n_seeds: int = 5
    largest: int = 100_000  # sample sizes above it are left out

    def sizes(self) -> list[int]:
        """Sample sizes n."""
        dim = HierarchicalTarget(self.d, self.q, n_features=1).dim
        if not isinstance(self.ratios, int):
            return [round(ratio * dim) for ratio in self.ratios]
        size = {"dim": dim, "n_features": len(self.signs), "gamma": self.gamma}
        first, last = (theory.recovery_threshold(i, sharp=True, strict=False, **size) for i in (1, len(self.signs)))
        sizes = np.geomspace(first / 2, 10 * last, self.ratios).round()
        return [int(n) for n in sizes if n <= self.largest]

    def point(self, n: int) -> tuple[str, ...]:
        """First fields of the rows of one sample size."""
        fixed = (self.d, self.q, self.gamma, self.link, self.signs, self.setting, n)
        return tuple(map(str, fixed))

    @property
    def name(self) -> str:
        """Name of the folder of finished points."""
        return f"d{self.d}-q{self.q}-{self.gamma}-{self.link}-{self.setting}"


def blocks() -> list[Block]:
    """List the grid, the quick part first."""
    both = ("paper", "bounded")
    grid = []
    # Degree 1: Gaussian features, the Gaussian-equivalent model of dimension d.
    for d, gamma, link, signs in [
        *((60, gamma, "identity", "+-++--+") for gamma in (0.0, 0.4, 0.8, 1.2)),
        (120, 0.4, "tanh", "+-+--++-+-"),
        (120, 0.4, "quadratic", "+-+--++-+-"),
        (250, 0.4, "identity", "+--+-++-+-+--++"),
        (250, 0.8, "tanh", "+--+-++-+-+--++"),
        (820, 0.4, "identity", "+-+-+-"),  # the equivalent of d = 40, q = 2
    ]:
        grid += [Block(d, 1, gamma, link, signs, setting, 6) for setting in both]
    for d, signs in ((40, "+-+-+-"), (60, "+-++-+-")):
        for gamma, link, ratios, largest in [
            *((gamma, "identity", 5, 420_000) for gamma in (0.0, 0.4, 0.8, 1.2)),
            *((gamma, link, 5, 140_000) for gamma in (0.4, 0.8) for link in ("tanh", "quadratic")),
            *((gamma, link, 3, 140_000) for gamma in (0.0, 1.2) for link in ("tanh", "quadratic")),
        ]:
            grid += [Block(d, 2, gamma, link, signs, setting, ratios, largest=largest) for setting in both]
    # Here ten times the last threshold is out of reach: n goes from below the first one as far as is affordable.
    signs = {40: "+-+-+-", 120: "+-+-+-+-+-", 250: "+-+-+-+-+-+-+-+"}
    for d, q, gamma, link, setting, ratios in [
        (120, 2, 0.4, "identity", "bounded", (4.0, 12.0, 36.0)),
        (120, 2, 0.4, "identity", "paper", (0.9, 4.0, 12.0, 36.0)),
        (120, 2, 0.0, "identity", "bounded", (2.5, 16.0)),
        (120, 2, 0.8, "identity", "bounded", (0.5, 6.0, 36.0)),
        (120, 2, 1.2, "identity", "bounded", (0.35, 6.0, 36.0)),
        (120, 2, 0.4, "tanh", "bounded", (16.0,)),
        (120, 2, 0.4, "quadratic", "bounded", (16.0,)),
        (40, 3, 0.4, "identity", "bounded", (0.7, 6.0, 18.0)),
        (40, 3, 0.0, "identity", "bounded", (8.0,)),
        (40, 3, 0.8, "identity", "bounded", (8.0,)),
        (40, 3, 1.2, "identity", "bounded", (8.0,)),
        (40, 3, 0.4, "tanh", "bounded", (6.0,)),
        (40, 3, 0.4, "quadratic", "bounded", (6.0,)),
        (40, 3, 0.4, "identity", "paper", (6.0,)),
        (250, 2, 0.4, "identity", "bounded", (1.0, 8.0)),
        (250, 2, 0.8, "identity", "bounded", (8.0,)),
        (250, 2, 0.4, "tanh", "bounded", (8.0,)),
        (250, 2, 1.2, "identity", "bounded", (8.0,)),
    ]:
        grid.append(Block(d, q, gamma, link, signs[d], setting, ratios, largest=300_000))
    return grid


def validation_point(
    *, d: int, q: int, gamma: float, link: str, signs: str, setting: str, n: int, seed: int
) -> dict[str, float | np.ndarray]:
    """Fit Algorithm 1 once: alignments, eigenvalues of the features, and the error of the best readout."""
    started = time.process_time()
    target = HierarchicalTarget(d, q, gamma=gamma, link=link, n_features=len(signs), seed=seed)
    target.weights = np.abs(target.weights) * np.array([1.0 if sign == "+" else -1.0 for sign in signs])
    # Inputs of degree 1 are the Gaussian features themselves: there is nothing to normalise.
    cures = {"label_transform": "tanh", "normalize": q > 1} if setting == "bounded" else {}
    model = HierarchicalSpectralRegressor(len(signs), q, n_jobs=1, **cures)
    model.fit(*target.sample(n, seed=3 * seed))
    squares = (target.directions @ model.components_.T) ** 2
    X, y = target.sample(N_FRESH, seed=3 * seed + 1)
    h = model.transform(X)
    fresh = (h * (y - y.mean())[:, None]).T @ h / N_FRESH
    X, y = target.sample(N_TEST, seed=3 * seed + 2)
    h = model.transform(X)
    return {
        "alignment": squares.sum(axis=1),
        # Features of nearly equal strength share eigenvectors: each gets the mean over those it is in.
        "eigenvalue": squares @ model.eigenvalues_ / squares.sum(axis=1),
        "mse same": best_readout_error(np.einsum("mi,ij,mj->m", h, model.second_layer_, h, optimize=True), y),
        "mse fresh": best_readout_error(np.einsum("mi,ij,mj->m", h, fresh, h, optimize=True), y),
        "seconds": time.process_time() - started,
    }


def best_readout_error(x: np.ndarray, y: np.ndarray) -> float:
    """Error over Var y of a line on each of `PIECES` equal shares of the sample, ordered by x."""
    order = np.argsort(x)
    dx, dy = (v[order].reshape(PIECES, -1) - v[order].reshape(PIECES, -1).mean(axis=1, keepdims=True) for v in (x, y))
    # Two coefficients a piece were fitted to its samples.
    share = dx.shape[1] - 2
    return float(
        np.sum(dy**2 - (np.mean(dx * dy, 1) / np.mean(dx**2, 1))[:, None] * dx * dy) / PIECES / share / y.var()
    )


def rows(block: Block, sizes: list[int]) -> tuple[dict[int, list[list]], float]:
    """Rows of the table at some sample sizes of a block, and the processor time that they took."""
    fixed = asdict(block)
    for name in ("ratios", "n_seeds", "largest"):
        del fixed[name]
    directory = table.ROOT / "_build" / "validation" / block.name
    seeds = list(range(block.n_seeds))
    result = sweep.run(validation_point, {"n": sizes}, seeds=seeds, directory=directory, n_jobs=-1, **fixed)
    mean = result.mean("seed")
    error = result.std("seed", ddof=1) / np.sqrt(block.n_seeds)
    found: dict[int, list[list]] = {n: [] for n in sizes}
    for n in sizes:
        for quantity in ("alignment", "eigenvalue", "mse same", "mse fresh"):
            pairs = np.stack([np.atleast_1d(part[quantity].sel(n=n)) for part in (mean, error)], axis=1)
            for feature, (value, spread) in enumerate(pairs, start=1):
                place = [*fixed.values(), n, block.n_seeds, quantity, feature if len(pairs) > 1 else 0]
                found[n].append([*place, f"{value:.5f}", f"{spread:.5f}"])
    return found, float(result["seconds"].sum())


def read(path: Path) -> tuple[dict[tuple, list[list]], float]:
    """Rows of the stored table by point (all fields up to n), and the minutes that they took."""
    points: dict[tuple, list[list]] = defaultdict(list)
    if not path.exists():
        return points, 0.0
    text = path.read_text()
    for row in csv.reader(line for line in text.splitlines()[1:] if not line.startswith(("#", "d,"))):
        points[tuple(row[:7])].append(row)
    return points, float(re.search(r"processor time: ([\d.]+) minutes", text)[1])


def states() -> Iterator[tuple[list[list], list[str]]]:
    """Compute what the table lacks, block after block."""
    points, minutes = read(TABLE)
    grid = [(block, n, block.point(n)) for block in blocks() for n in block.sizes()]
    for block in blocks():
        # A point with fewer seeds stays in the table until all of its seeds are there.
        missing = [
            n for n in block.sizes() if (r := points.get(block.point(n))) is None or int(r[0][7]) < block.n_seeds
        ]
        if not missing:
            continue
        parts, seconds = rows(block, missing)
        points |= {block.point(n): part for n, part in parts.items()}
        minutes += seconds / 60
        yield (
            [row for _, _, point in grid for row in points.get(point, [])],
            [
                f"processor time: {minutes:.1f} minutes, one thread",
                "means over independent targets and samples of the same weights, and their standard errors",
                "signs: of the weights, one a feature; feature: from 1, or 0 for the errors",
                "setting: paper (labels as they are) or bounded (tanh of standardised labels, for q > 1 on the sphere)",
                "mse: best readout of the second layer learned on the same or on a fresh sample, over Var y",
            ],
        )


if __name__ == "__main__":
    sys.exit(table.keep("validation", FIELDS, states))
