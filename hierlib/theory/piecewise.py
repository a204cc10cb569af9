"""A function of the label that can be stored and sent: a table and straight lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["PiecewiseLinear"]


@dataclass(frozen=True, eq=False, repr=False)
class PiecewiseLinear:
    """Piecewise linear function, constant beyond its ends.

    Parameters
    ----------
    points : ndarray, shape (m,)
        Where its values are given, increasing.
    values : ndarray, shape (m,)
        Its values there.
    """

    points: np.ndarray
    values: np.ndarray

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Evaluate the function."""
        return np.interp(y, self.points, self.values)

    def __repr__(self) -> str:
        return f"PiecewiseLinear({len(self.points)} points from {self.points[0]:.3g} to {self.points[-1]:.3g})"
