"""Argument checks shared by every module: name the argument, show the value, say what is allowed."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "check_array",
    "check_callable",
    "check_choice",
    "check_generator",
    "check_integer",
    "check_jobs",
    "check_real",
    "check_seed",
]


def check_integer(name: str, value: object, *, low: int | None = None, high: int | None = None) -> int:
    """Return `value` as an int, or raise a ValueError that names it and the allowed interval."""
    allowed = _interval("an integer", low, high)
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        msg = f"{name} must be {allowed}, got {_shown(value)}."
        raise ValueError(msg)
    number = int(value)
    if (low is not None and number < low) or (high is not None and number > high):
        msg = f"{name} must be {allowed}, got {_shown(value)}."
        raise ValueError(msg)
    return number


def check_real(
    name: str,
    value: object,
    *,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return `value` as a finite float, or raise a ValueError that names it and the allowed interval."""
    allowed = _interval("a finite number", low, high, open_low=open_low, open_high=open_high)
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real) or not _is_finite(value):
        msg = f"{name} must be {allowed}, got {_shown(value)}."
        raise ValueError(msg)
    number = float(value)
    too_low = low is not None and (number < low or (open_low and number == low))
    too_high = high is not None and (number > high or (open_high and number == high))
    if too_low or too_high:
        msg = f"{name} must be {allowed}, got {_shown(value)}."
        raise ValueError(msg)
    return number


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`, or raise a ValueError that lists them."""
    if not isinstance(value, str) or value not in choices:
        msg = f"{name} must be one of {', '.join(map(repr, choices))}, got {_shown(value)}."
        raise ValueError(msg)
    return value


def check_callable(name: str, value: object) -> Callable:
    """Return `value` if it can be called, or raise a ValueError that names it."""
    if not callable(value):
        msg = f"{name} must be callable, got {_shown(value)}."
        raise ValueError(msg)
    return value


def check_jobs(n_jobs: object) -> int | None:
    """Return `n_jobs` if joblib can take it, or raise a ValueError."""
    if n_jobs is None:
        return None
    if check_integer("n_jobs", n_jobs) == 0:
        msg = "n_jobs must be an integer other than 0 (-1: all cores), got 0."
        raise ValueError(msg)
    return int(n_jobs)  # type: ignore[call-overload]


def check_seed(name: str, value: object) -> None:
    """Raise a ValueError unless `value` is an integer >= 0, None, or one of numpy's sources of random numbers."""
    sources = (np.random.Generator, np.random.BitGenerator, np.random.SeedSequence, np.random.RandomState)
    if value is None or isinstance(value, sources):
        return
    number: Any = value
    if isinstance(number, bool | np.bool_) or not isinstance(number, numbers.Integral) or int(number) < 0:
        msg = f"{name} must be an integer >= 0 or a numpy.random.Generator, got {value!r}."
        raise ValueError(msg)


def check_generator(rng: object) -> np.random.Generator:
    """Return `rng` if it is a numpy.random.Generator, or raise a ValueError."""
    if not isinstance(rng, np.random.Generator):
        msg = f"rng must be a numpy.random.Generator, got {rng!r}."
        raise ValueError(msg)
    return rng


def check_array(
    name: str, value: ArrayLike, *, shape: tuple[int | None, ...] | None, finite: bool = True
) -> np.ndarray:
    """Return `value` as a finite array of the given shape (None: any length, or any shape), single or double precision.

    Other types of numbers become double precision: their squares may not fit where they do themselves.
    """
    if np.ma.is_masked(value):
        # The array under the mask holds whatever was there.
        msg = f"{name} must have no masked entries: fill or drop them."
        raise ValueError(msg)
    try:
        array = np.asarray(value)
    except ValueError:
        msg = f"{name} must be an array of real numbers, got rows of different lengths."
        raise ValueError(msg) from None
    if array.dtype.kind not in "fiub":
        msg = f"{name} must be an array of real numbers, got dtype {array.dtype}."
        raise ValueError(msg)
    if array.dtype not in (np.float32, np.float64):
        with np.errstate(over="ignore"):
            array = array.astype(float)
    if shape is not None and not (
        array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    ):
        wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
        msg = f"{name} must have shape {wanted}, got {array.shape}."
        raise ValueError(msg)
    if finite and not np.isfinite(array).all():
        msg = f"{name} must be finite, got NaN or infinite entries."
        raise ValueError(msg)
    return array


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python refuses to write integers of more than 4300 digits
        return "an integer of thousands of digits"


def _is_finite(value: numbers.Real) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def _interval(
    kind: str, low: float | None, high: float | None, *, open_low: bool = False, open_high: bool = False
) -> str:
    parts = []
    if low is not None:
        parts.append(f"{'>' if open_low else '>='} {low}")
    if high is not None:
        parts.append(f"{'<' if open_high else '<='} {high}")
    return " ".join([kind, " and ".join(parts)]).strip()
