"""The parameters of a chapter, checked before anything is computed.

A chapter is run again with other values by papermill, which sets whatever names it is given and only warns when the
chapter has no such name. One call below the parameters turns a slip of the keyboard into an error at once.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from hierlib._checks import check_choice, check_integer, check_real

__all__ = ["check_parameters"]

# What papermill can set; everything else in a notebook's namespace comes from its imports.
PLAIN = (bool, int, float, str, list, dict, type(None))
OF_IPYTHON = {"In", "Out", "exit", "quit", "get_ipython", "open"}
CHECKED = "_parameters_checked"


def check_parameters(namespace: MutableMapping[str, object], /, **allowed: object) -> None:
    r"""Refuse values that a chapter does not allow, and names that it does not have.

    A parameter :math:`v` with the bounds ``(low, high)`` has to obey :math:`\mathrm{low} \le v \le \mathrm{high}`.

    Parameters
    ----------
    namespace : dict
        Global names of the notebook, as ``globals()`` gives them below the parameters.
    **allowed : tuple or list
        What each parameter may be. ``(low, high)`` with integers: an integer in this range; with a float among
        them: a finite number in this range; None is no bound. ``("one", "two")``: one of these strings.
        ``[spec]``: a list of values that each obey ``spec``; ``2 * [spec]``: a list of two or more of them.

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
        _check(name, namespace[name], spec)
    namespace[CHECKED] = True


def _refuse_unknown(namespace: Mapping[str, object], allowed: Mapping[str, object]) -> None:
    for name, value in namespace.items():
        ours = name in allowed or name in OF_IPYTHON or name.startswith("_")
        if not ours and isinstance(value, PLAIN):
            msg = f"{name} (= {value!r}) is not a parameter of this chapter; its parameters are: {', '.join(allowed)}."
            raise ValueError(msg)


def _check(name: str, value: object, spec: object) -> None:
    match spec:
        case [first, *_] if isinstance(spec, list):
            if not isinstance(value, list | tuple) or len(value) < len(spec):
                msg = f"{name} must be a list of at least {len(spec)} value(s), got {value!r}."
                raise ValueError(msg)
            for position, item in enumerate(value):
                _check(f"{name}[{position}]", item, first)
        case (str(), *_):
            check_choice(name, value, tuple(map(str, spec)))
        case (int() | None as low, int() | None as high) if (low, high) != (None, None):
            check_integer(name, value, low=low, high=high)
        case (float() | int() | None as low, float() | int() | None as high) if (low, high) != (None, None):
            check_real(name, value, low=low, high=high)
        case _:
            msg = f"{name} needs bounds, choices or a list of one of them, got {spec!r}."
            raise ValueError(msg)
