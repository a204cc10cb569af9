r"""The claims of a chapter: each check says what was measured, what was predicted, how far apart they may be and why.

A prediction :math:`p` of a measurement :math:`m` holds if :math:`|m - p| \le t` in every entry, a bound :math:`b` if
:math:`m \ge b` (or :math:`m \le b`). Under a chapter's own parameters a claim that fails is an error and stops the
chapter. Under other parameters it is a result: it is shown, the chapter goes on, and `report_claims`, its last line,
fails with the list. The ledger also notes which predictions would have failed if they had been wrong by a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["ClaimsNotMet", "check_claim", "open_ledger", "report_claims"]

MIME_TYPE = "application/vnd.hierlib.claims+json"
# A check that lets a prediction pass after either of these does not test its constant.
WRONG_FACTORS = (1.25, 0.8)


class ClaimsNotMet(AssertionError):
    """A claim does not hold for what was measured; the message names it, both numbers and the tolerance."""


@dataclass(frozen=True)
class Check:
    """One comparison, as the ledger keeps it."""

    claim: str
    quantity: str
    status: str  # "met", "missed" or "untested"
    message: str
    # Whether each of WRONG_FACTORS would have been noticed; None without a prediction other than zero.
    noticed: tuple[bool, ...] | None


@dataclass
class Ledger:
    """What one run of a chapter has checked so far."""

    exploring: bool = False
    checks: list[Check] = field(default_factory=list)


_ledger = Ledger()


def open_ledger(*, exploring: bool = False) -> None:
    """Start a chapter's list of claims anew; `hierlib.chapters.parameters.check_parameters` does.

    Parameters
    ----------
    exploring : bool, default False
        Whether the chapter runs under other parameters than its own, so that a failed claim does not stop it.

    Notes
    -----
    From this book.
    """
    global _ledger
    _ledger = Ledger(exploring)


def check_claim(
    claim: str,
    quantity: str,
    measured: ArrayLike,
    predicted: ArrayLike | None = None,
    *,
    tolerance: ArrayLike | None = None,
    at_least: ArrayLike | None = None,
    at_most: ArrayLike | None = None,
    because: str,
) -> None:
    r"""Compare a measurement with a prediction, or with bounds, and enter the result under a claim.

    Parameters
    ----------
    claim : str
        Label of a numbered claim of the chapter, ``claim-...``, or any other name for what a sentence says.
    quantity : str
        What was measured, in words.
    measured : array_like
        One number or many; all have to agree. Without any, nothing is tested.
    predicted : array_like, optional
        The theory's numbers, of a shape that fits `measured`.
    tolerance : array_like, optional
        Largest allowed :math:`|m-p|`, at least 0; with `predicted`. It must not be computed from the prediction.
    at_least, at_most : array_like, optional
        Bounds instead of a prediction.
    because : str
        Why the tolerance, or the bound, is what it is.

    Raises
    ------
    ClaimsNotMet
        If the claim does not hold, or nothing was tested, under the chapter's own parameters.
    ValueError
        If neither or both of a prediction and bounds are given, or shapes do not fit, or a tolerance is negative.

    Notes
    -----
    A NaN agrees with nothing. From this book.

    Examples
    --------
    >>> from hierlib.chapters.claims import check_claim, open_ledger
    >>> open_ledger()
    >>> check_claim("claim-mean", "sample mean", 0.02, 0.0, tolerance=0.05, because="five errors")
    >>> check_claim("claim-mean", "sample mean", 0.2, 0.0, tolerance=0.05, because="five errors")
    Traceback (most recent call last):
    hierlib.chapters.claims.ClaimsNotMet: claim-mean, sample mean: measured 0.2, predicted 0, tolerance 0.05 (five
    errors).
    """
    m = np.asarray(measured, dtype=float)
    if (predicted is None) == (at_least is None and at_most is None) or (predicted is None) != (tolerance is None):
        msg = f"check_claim needs predicted and tolerance, or at_least or at_most, for {claim}."
        raise ValueError(msg)
    noticed = None
    if predicted is not None:
        p, t = (_fitted(name, value, m, claim) for name, value in (("predicted", predicted), ("tolerance", tolerance)))
        if (t < 0).any():
            msg = f"tolerance must be at least 0 for {claim}, got {t.min()}."
            raise ValueError(msg)
        holds = np.abs(m - p) <= t
        if p.any():
            noticed = tuple(not bool(np.all(np.abs(m - factor * p) <= t)) for factor in WRONG_FACTORS)
        allowed = [("predicted", p), ("tolerance", t)]
        excess = np.abs(m - p) - t
    else:
        low = _fitted("at_least", -np.inf if at_least is None else at_least, m, claim)
        high = _fitted("at_most", np.inf if at_most is None else at_most, m, claim)
        holds = (m >= low) & (m <= high)
        allowed = [("at least", low)] * (at_least is not None) + [("at most", high)] * (at_most is not None)
        excess = np.maximum(low - m, m - high)
    if not m.size:
        _enter(Check(claim, quantity, "untested", f"{claim}, {quantity}: nothing to measure here.", None))
        return
    worst = int(np.argmax(np.where(np.isnan(excess), np.inf, excess)))
    place = f" (entry {worst} of {m.size})" if m.size > 1 else ""
    numbers = ", ".join(f"{name} {value.ravel()[worst]:.4g}" for name, value in [("measured", m), *allowed])
    message = f"{claim}, {quantity}{place}: {numbers} ({because})."
    _enter(Check(claim, quantity, "met" if holds.all() else "missed", message, noticed))


def _fitted(name: str, value: ArrayLike | None, measured: np.ndarray, claim: str) -> np.ndarray:
    array = np.asarray(value, dtype=float)
    try:
        return np.broadcast_to(array, measured.shape)
    except ValueError:
        msg = f"{name} must fit measured, of shape {measured.shape}, for {claim}, got shape {array.shape}."
        raise ValueError(msg) from None


def _enter(check: Check) -> None:
    _ledger.checks.append(check)
    if check.status == "met":
        return
    if not _ledger.exploring:
        raise ClaimsNotMet(check.message)
    print(_shown(check))


def _shown(check: Check) -> str:
    return f"claim not {'met' if check.status == 'missed' else 'tested'} here: {check.message}"


def report_claims() -> None:
    """Hand the list of claims on to whoever runs the notebook, and fail if one was missed.

    The list is an output of type ``application/vnd.hierlib.claims+json`` of the cell, with the labels under "met",
    "missed" and "untested", and under "checks" the quantities, each with what became of it and whether a prediction
    multiplied by 1.25 and by 0.8 would have been noticed.

    Raises
    ------
    ClaimsNotMet
        If a claim was missed, with the messages of all.

    Notes
    -----
    A claim with several checks is missed if one is, and met if one is and none is missed. From this book.

    Examples
    --------
    >>> from hierlib.chapters.claims import check_claim, open_ledger, report_claims
    >>> open_ledger(exploring=True)
    >>> check_claim("claim-sign", "share of positive numbers", 0.4, at_least=0.5, because="a majority")
    claim not met here: claim-sign, share of positive numbers: measured 0.4, at least 0.5 (a majority).
    >>> report_claims()
    Traceback (most recent call last):
    hierlib.chapters.claims.ClaimsNotMet: 1 of 1 claims not met here.
    claim-sign, share of positive numbers: measured 0.4, at least 0.5 (a majority).
    """
    found: dict[str, set[str]] = {}
    for check in _ledger.checks:
        found.setdefault(check.claim, set()).add(check.status)
    # In the order of severity: one missed check outweighs any number of others.
    verdicts = {claim: next(s for s in ("missed", "met", "untested") if s in seen) for claim, seen in found.items()}
    content: dict[str, list] = {
        status: [claim for claim, verdict in verdicts.items() if verdict == status]
        for status in ("met", "missed", "untested")
    }
    content["checks"] = [
        {"claim": c.claim, "quantity": c.quantity, "status": c.status, "noticed": c.noticed and list(c.noticed)}
        for c in _ledger.checks
    ]
    _publish(content)
    if content["missed"]:
        messages = [check.message for check in _ledger.checks if check.status == "missed"]
        raise ClaimsNotMet("\n".join([f"{len(content['missed'])} of {len(verdicts)} claims not met here.", *messages]))


def _publish(content: dict) -> None:
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return
    # Outside a notebook nobody reads it.
    if get_ipython() is not None:
        display({MIME_TYPE: content}, raw=True)
