"""Virtual samples: random inputs that are drawn when they are read, labelled by any function, never stored.

A sample is a list of recipes, one a batch, each from its own child of a seed sequence, so that it reads the same again
and again, in any number of workers. It knows a label function, not what is behind it. A batch holds 16 MiB at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from hierlib.checks import check_integer
from hierlib.engine.parallel import ordered_map

__all__ = ["InputBatch", "VirtualSample"]

Sampler = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

# Numbers drawn from one child seed, at most: 16 MiB, so that several batches fit in memory in any dimension.
BATCH_NUMBERS = 2**21


@dataclass(frozen=True)
class InputBatch:
    """The recipe of one batch of inputs: small to send, drawn where it is needed.

    Parameters
    ----------
    rows, d : int
        Shape of the batch.
    seed, index : int
        Seed of the sample and number of the batch in it.
    sampler : callable, optional
        Takes a ``numpy.random.Generator`` and a shape, returns inputs; standard normal by default.
    """

    rows: int
    d: int
    seed: int
    index: int
    sampler: Sampler | None = None

    def draw(self) -> np.ndarray:
        """Draw the batch, shape (rows, d)."""
        # Spawn key (1, index): the children of a target's own seed start with 0.
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(1, self.index)))
        shape = (self.rows, self.d)
        return self.sampler(rng, shape) if self.sampler else rng.standard_normal(shape)


class VirtualSample:
    """A re-iterable sequence of batches (X, y), each regenerated from its own child of a seed sequence.

    Parameters
    ----------
    label : callable
        Takes inputs, shape (m, d), and returns their labels, shape (m,).
    d : int
        Input dimension.
    n_samples : int
        Number of samples, from 1 to 10**10.
    seed : int
        Seed of the inputs.
    sampler : callable, optional
        As for `InputBatch`.

    Attributes
    ----------
    input_batches : list of InputBatch
        The recipes of the inputs, in order.
    """

    def __init__(
        self,
        label: Callable[[np.ndarray], np.ndarray],
        d: int,
        n_samples: int,
        seed: int,
        sampler: Sampler | None = None,
    ) -> None:
        self.label = label
        self.d = d
        self.n_samples = check_integer("n", n_samples, low=1, high=10**10)
        self.seed = check_integer("seed", seed, low=0)
        # A function of the dimension alone, so that row r is the same number in every sample with this seed.
        size = max(64, min(8192, BATCH_NUMBERS // d))
        starts = range(0, self.n_samples, size)
        self.input_batches = [
            InputBatch(min(size, self.n_samples - start), d, self.seed, index, sampler)
            for index, start in enumerate(starts)
        ]

    def __len__(self) -> int:
        return len(self.input_batches)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return self.batches(n_jobs=1)

    def batches(self, *, n_jobs: int = -1) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the batches (X, y) in order, drawn and labelled by `n_jobs` workers (-1: all cores)."""
        return ordered_map(_draw_and_label, ((self.label, batch) for batch in self.input_batches), n_jobs=n_jobs)


def _draw_and_label(label: Callable, batch: InputBatch) -> tuple[np.ndarray, np.ndarray]:
    X = batch.draw()
    return X, label(X)
