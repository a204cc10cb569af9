"""Recompute book/data/validation.csv, the simulations that the sharp constants are tested against.

A point is one fit of Algorithm 1 to one data set. Finished points are kept in _build/validation: a killed run goes on
where it stopped, and the table is written again after every block. It holds no prediction: the chapter computes those.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import numpy as np
import stored_table

from hierlib import HierarchicalSpectralRegressor, HierarchicalTarget, sweep, theory

FIELDS = ["d", "q", "gamma", "link", "signs", "setting", "n", "n_seeds", "quantity", "feature", "mean", "error"]
SETTINGS = ("paper", "bounded")
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

    @property
    def name(self) -> str:
        """Name of the folder of finished points."""
        return f"d{self.d}-q{self.q}-{self.gamma}-{self.link}-{self.setting}"


def blocks() -> list[Block]:
    """List the grid, the quick part first."""
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
        grid += [Block(d, 1, gamma, link, signs, setting, 6) for setting in SETTINGS]
    for d, signs in ((40, "+-+-+-"), (60, "+-++-+-")):
        for gamma, link in [
            *((gamma, "identity") for gamma in (0.0, 0.4, 0.8, 1.2)),
            *((gamma, link) for gamma in (0.4, 0.8) for link in ("tanh", "quadratic")),
        ]:
            grid += [Block(d, 2, gamma, link, signs, setting, 5, largest=140_000) for setting in SETTINGS]
    grid += [Block(120, 2, 0.4, "identity", "+-+-+-+-+-", "bounded", (4.0, 12.0, 36.0), largest=300_000)]
    grid += [Block(120, 2, 0.4, "identity", "+-+-+-+-+-", "paper", (36.0,), n_seeds=3, largest=300_000)]
    grid += [Block(40, 3, 0.4, "identity", "+-+-+-", "bounded", (6.0, 18.0), n_seeds=3)]
    grid += [Block(250, 2, 0.4, "identity", "+-+-+-+-+-+-+-+", "bounded", (8.0,), n_seeds=2)]
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


def rows(block: Block) -> tuple[list[list], float]:
    """Rows of the table for one block, computing what is missing, and the processor time that they took."""
    fixed = asdict(block)
    for name in ("ratios", "n_seeds", "largest"):
        del fixed[name]
    sizes = block.sizes()
    directory = stored_table.ROOT / "_build" / "validation" / block.name
    seeds = list(range(block.n_seeds))
    result = sweep.run(validation_point, {"n": sizes}, seeds=seeds, directory=directory, **fixed)
    mean = result.mean("seed")
    error = result.std("seed", ddof=1) / np.sqrt(block.n_seeds)
    table = []
    for n in sizes:
        for quantity in ("alignment", "eigenvalue", "mse same", "mse fresh"):
            pairs = np.stack([np.atleast_1d(part[quantity].sel(n=n)) for part in (mean, error)], axis=1)
            for feature, (value, spread) in enumerate(pairs, start=1):
                place = [*fixed.values(), n, block.n_seeds, quantity, feature if len(pairs) > 1 else 0]
                table.append([*place, f"{value:.5f}", f"{spread:.5f}"])
    return table, float(result["seconds"].sum())


def main() -> None:
    """Compute what is missing and write the table after every block."""
    table: list[list] = []
    seconds = 0.0
    for block in blocks():
        part, spent = rows(block)
        table += part
        seconds += spent
        stored_table.write(
            "validation",
            FIELDS,
            table,
            command="make validation-data",
            notes=[
                f"processor time: {seconds / 60:.0f} minutes, one thread",
                "means over independent targets and samples of the same weights, and their standard errors",
                "signs: of the weights, one a feature; feature: from 1, or 0 for the errors",
                "setting: paper (labels as they are) or bounded (tanh of standardised labels, for q > 1 on the sphere)",
                "mse: best readout of the second layer learned on the same or on a fresh sample, over Var y",
            ],
        )


if __name__ == "__main__":
    main()
