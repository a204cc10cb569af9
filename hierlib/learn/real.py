"""Real data: what the spectral method sees in them, from one half for the other."""

from __future__ import annotations

from hierlib.learn.digits import load_digits_10k

__all__ = ["load_digits_10k"]
