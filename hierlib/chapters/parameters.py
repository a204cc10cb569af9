"""The parameters of a chapter, checked before anything is computed.

A chapter is run again with other values by papermill, which sets whatever names it is given and only warns when the
chapter has no such name. One call below the parameters turns a slip of the keyboard into an error at once.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from itertools import pairwise
from typing import Any

from hierlib.chapters.claims import open_ledger
from hierlib.checks import check_choice, check_integer, check_real

__all__ = ["check_cost", "check_parameters"]

# A list longer than this is a grid: one notebook a point reads better than one that never ends.
MAX_VALUES = 12
# What a chapter may take on a reader's machine.
MAX_GIBIBYTES = 8.0
MAX_SECONDS = 1800.0

# What papermill can set; everything else in a notebook's namespace comes from its imports.
PLAIN = (bool, int, float, str, list, dict, type(None))
OF_IPYTHON = {"In", "Out", "exit", "quit", "get_ipython", "open"}
CHECKED = "_parameters_checked"


def check_parameters(
    namespace: MutableMapping[str, object],
    /,
    *,
    defaults: Mapping[str, object] | None = None,
    increasing: Sequence[str] = (),
    **allowed: object,
) -> None:
    r"""Refuse values that a chapter does not allow, and names that it does not have; open its list of claims.

    A parameter :math:`v` with the bounds ``(low, high)`` has to obey :math:`\mathrm{low} \le v \le \mathrm{high}`.

    Parameters
    ----------
    namespace : dict
        Global names of the notebook, as ``globals()`` gives them below the parameters.
    defaults : mapping, optional
        The chapter's own value of each parameter, for which its claims have to hold; with any other value a claim that
        fails is shown and does not stop the chapter (`hierlib.chapters.claims`). Without it the values count as the
        defaults.
    increasing : sequence of str
        Names of lists whose values must increase.
    **allowed : tuple or list
        What each parameter may be. ``(low, high)`` with integers: an integer in this range; with a float among
        them: a finite number in this range; None is no bound. ``("one", "two")``: one of these strings.
        ``[spec]``: a list of values that each obey ``spec``; ``2 * [spec]``: a list of two or more of them; twelve at
        most.

    Raises
    ------
    ValueError
        If a parameter is missing or not allowed, or if there is a plain value (number, string, list, dict, bool or
        None) of another name. Names that start with an underscore, and IPython's own, are left alone. Other names
        are sought in the first call only: when cells are run again, the results of later cells are there, too.

    Notes
    -----
    From this book.

    Examples
    --------
    >>> check_parameters({"d": 32, "gamma": 0.4}, d=(16, 60), gamma=(0.0, 1.5))
    >>> check_parameters({"d": 32, "gamma": 2}, d=(16, 60), gamma=(0.0, 1.5))
    Traceback (most recent call last):
    ValueError: gamma must be a finite number >= 0.0 and <= 1.5, got 2.
    >>> check_parameters({"d": 32, "gama": 0.4}, d=(16, 60))
    Traceback (most recent call last):
    ValueError: gama (= 0.4) is not a parameter of this chapter; its parameters are: d.
    """
    if CHECKED not in namespace:
        _refuse_unknown(namespace, allowed)
    for name, spec in allowed.items():
        if name not in namespace:
            msg = f"{name} must be set, but it is missing."
            raise ValueError(msg)
        namespace[name] = _check(name, namespace[name], spec)
    for name in increasing:
        values: Any = namespace[name]
        if any(after <= before for before, after in pairwise(values)):
            msg = f"{name} must increase, got {values!r}."
            raise ValueError(msg)
    open_ledger(exploring=defaults is not None and any(namespace[name] != defaults[name] for name in allowed))
    namespace[CHECKED] = True


def check_cost(*, gibibytes: float = 0.0, seconds: float = 0.0, reduce: str) -> None:
    """Refuse, before any work starts, a computation that would take too much memory or time.

    Parameters
    ----------
    gibibytes : float, default 0
        Memory that the chapter would need; 8 are allowed.
    seconds : float, default 0
        Time that it would take on one core; 1800 are allowed.
    reduce : str
        The parameters that decide it.

    Raises
    ------
    ValueError
        If it is too much; the message says what it would take.

    Notes
    -----
    From this book. A grid of single parameters stays far below: every end of a range alone takes five minutes at most.

    Examples
    --------
    >>> check_cost(gibibytes=37.3, reduce="d, n_features")
    Traceback (most recent call last):
    ValueError: d, n_features must be smaller: these values would take 37.3 GiB of memory, and 8 are allowed.
    """
    for needed, limit, unit in (
        (gibibytes, MAX_GIBIBYTES, "GiB of memory"),
        (seconds, MAX_SECONDS, "seconds on one core"),
    ):
        # Not `needed > limit`: an estimate that overflowed to NaN is refused as well.
        if not needed <= limit:
            msg = f"{reduce} must be smaller: these values would take {needed:.4g} {unit}, and {limit:g} are allowed."
            raise ValueError(msg)


def _refuse_unknown(namespace: Mapping[str, object], allowed: Mapping[str, object]) -> None:
    for name, value in namespace.items():
        ours = name in allowed or name in OF_IPYTHON or name.startswith("_")
        if not ours and isinstance(value, PLAIN):
            msg = f"{name} (= {value!r}) is not a parameter of this chapter; its parameters are: {', '.join(allowed)}."
            raise ValueError(msg)


def _check(name: str, value: object, spec: object) -> object:
    """Return `value`, with whole numbers as integers where an integer is meant, or refuse it."""
    match spec:
        case [first, *_] if isinstance(spec, list):
            if isinstance(value, str):
                msg = f"{name} must be a list, got the string {value!r}: papermill takes lists as -y '{name}: [...]'."
                raise ValueError(msg)
            if not isinstance(value, list | tuple) or not len(spec) <= len(value) <= MAX_VALUES:
                msg = f"{name} must be a list of {len(spec)} to {MAX_VALUES} values, got {value!r}."
                raise ValueError(msg)
            return [_check(f"{name}[{position}]", item, first) for position, item in enumerate(value)]
        case (str(), *_):
            return check_choice(name, value, tuple(map(str, spec)))
        case (int() | None as low, int() | None as high) if (low, high) != (None, None):
            # From a spreadsheet or a command line a whole number may come as 24.0.
            whole = int(value) if isinstance(value, float) and value.is_integer() else value
            return check_integer(name, whole, low=low, high=high)
        case (float() | int() | None as low, float() | int() | None as high) if (low, high) != (None, None):
            check_real(name, value, low=low, high=high)
            return value
    msg = f"{name} needs bounds, choices or a list of one of them, got {spec!r}."
    raise ValueError(msg)
