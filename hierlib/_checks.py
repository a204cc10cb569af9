"""Argument checks shared by every module: name the argument, show the value, say what is allowed."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["check_array", "check_callable", "check_choice", "check_integer", "check_real"]


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


def check_array(name: str, value: ArrayLike, *, shape: tuple[int | None, ...] | None) -> np.ndarray:
    """Return `value` as a finite floating-point array of the given shape (None: any length, or any shape)."""
    try:
        array = np.asarray(value)
    except ValueError:
        msg = f"{name} must be an array of real numbers, got rows of different lengths."
        raise ValueError(msg) from None
    if array.dtype.kind not in "fiub":
        msg = f"{name} must be an array of real numbers, got dtype {array.dtype}."
        raise ValueError(msg)
    if array.dtype.kind != "f":
        array = array.astype(float)
    if shape is not None and not (
        array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    ):
        wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
        msg = f"{name} must have shape {wanted}, got {array.shape}."
        raise ValueError(msg)
    if not np.isfinite(array).all():
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
