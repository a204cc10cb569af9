"""A claim holds, fails or is untested; the ledger says so, stops a chapter at its own parameters and nowhere else."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierlib.chapters import claims
from hierlib.chapters.claims import ClaimsNotMet, check_claim, open_ledger, report_claims

FINITE = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-3, 1e6)


@pytest.fixture
def published(monkeypatch):
    """What `report_claims` hands on, as JSON would carry it."""
    found = []
    monkeypatch.setattr(claims, "_publish", lambda content: found.append(json.loads(json.dumps(content))))
    return found


def agrees(measured, predicted, tolerance):
    open_ledger()
    try:
        check_claim("claim-a", "m", measured, predicted, tolerance=tolerance, because="test")
    except ClaimsNotMet:
        return False
    return True


@given(FINITE, FINITE, POSITIVE)
def test_prediction_agrees_exactly_within_its_tolerance(measured, predicted, tolerance):
    assert agrees(measured, predicted, tolerance) == (abs(measured - predicted) <= tolerance)


@given(POSITIVE, st.sampled_from([0.8, 1.25]))
def test_prediction_wrong_by_a_quarter_fails_under_a_tolerance_of_a_tenth(value, factor):
    assert agrees(value, value, 0.1 * value)
    assert not agrees(value, factor * value, 0.1 * value)


def test_one_entry_out_of_many_decides_and_is_named():
    open_ledger()
    with pytest.raises(ClaimsNotMet) as failure:
        check_claim("claim-a", "slopes", [1.0, 2.0, 3.0], [1.0, 2.5, 3.1], tolerance=0.2, because="four errors")
    assert str(failure.value) == (
        "claim-a, slopes (entry 1 of 3): measured 2, predicted 2.5, tolerance 0.2 (four errors)."
    )


@pytest.mark.parametrize("bad", [np.nan, [0.0, np.nan]])
def test_nan_agrees_with_nothing(bad):
    assert not agrees(bad, 0.0, np.inf)
    open_ledger()
    with pytest.raises(ClaimsNotMet, match="measured nan, at least -1"):
        check_claim("claim-a", "m", bad, at_least=-1, because="test")


@pytest.mark.parametrize(("low", "high", "holds"), [(1, None, True), (None, 3, True), (1, 3, True), (2.1, 3, False)])
def test_bounds_include_their_ends(low, high, holds):
    open_ledger(exploring=True)
    check_claim("claim-a", "m", [2, 1 if low == 1 else 2], at_least=low, at_most=high, because="test")
    check_claim("claim-b", "m", 3, at_least=3, at_most=3, because="test")
    if holds:
        report_claims()
    else:
        with pytest.raises(
            ClaimsNotMet, match=r"^1 of 2 claims not met here\.\nclaim-a, m \(entry 0 of 2\): measured 2, "
        ):
            report_claims()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "check_claim needs predicted and tolerance, or at_least or at_most, for claim-a."),
        ({"predicted": 1}, "check_claim needs predicted and tolerance, or at_least or at_most, for claim-a."),
        ({"predicted": 1, "tolerance": 1, "at_most": 2}, "check_claim needs predicted and tolerance, or at_least or"),
        ({"at_most": 2, "tolerance": 1}, "check_claim needs predicted and tolerance, or at_least or at_most, for"),
        ({"predicted": [1, 2, 3], "tolerance": 1}, "predicted must fit measured, of shape (2,), for claim-a, got sh"),
        ({"predicted": 1, "tolerance": -0.1}, "tolerance must be at least 0 for claim-a, got -0.1."),
    ],
)
def test_comparison_that_means_nothing_is_refused(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        check_claim("claim-a", "m", [1.0, 2.0], because="test", **values)


def test_nothing_measured_is_untested_not_met(published):
    open_ledger()
    with pytest.raises(ClaimsNotMet, match="nothing to measure here"):
        check_claim("claim-a", "m", [], 1.0, tolerance=0.1, because="test")
    open_ledger(exploring=True)
    check_claim("claim-a", "m", [], 1.0, tolerance=0.1, because="test")
    report_claims()
    assert published[0] == {
        "met": [],
        "missed": [],
        "untested": ["claim-a"],
        "checks": [{"claim": "claim-a", "quantity": "m", "status": "untested", "noticed": None}],
    }


def test_exploration_goes_on_shows_what_failed_and_fails_at_the_end(published, capsys):
    open_ledger(exploring=True)
    check_claim("claim-a", "slope", 1.0, 2.0, tolerance=0.1, because="four errors")
    check_claim("claim-a", "intercept", 1.0, 1.0, tolerance=0.1, because="four errors")
    check_claim("claim-b", "count", 3, at_least=2, because="a majority")
    shown = "claim-a, slope: measured 1, predicted 2, tolerance 0.1 (four errors)."
    assert capsys.readouterr().out == f"claim not met here: {shown}\n"
    with pytest.raises(ClaimsNotMet) as failure:
        report_claims()
    assert str(failure.value) == f"1 of 2 claims not met here.\n{shown}"
    (content,) = published
    assert (content["met"], content["missed"], content["untested"]) == (["claim-b"], ["claim-a"], [])


@pytest.mark.parametrize(
    ("predicted", "tolerance", "noticed"),
    [(1.0, 0.1, [True, True]), (1.0, 0.22, [True, False]), (1.0, 0.3, [False, False]), (0.0, 0.1, None)],
)
def test_ledger_notes_whether_a_wrong_prediction_would_have_been_noticed(predicted, tolerance, noticed, published):
    open_ledger()
    check_claim("claim-a", "m", predicted, predicted, tolerance=tolerance, because="test")
    report_claims()
    assert published[0]["checks"][0]["noticed"] == noticed


def test_a_new_run_starts_from_an_empty_list(published):
    open_ledger(exploring=True)
    check_claim("claim-a", "m", 0, at_least=1, because="test")
    open_ledger()
    report_claims()
    assert published == [{"met": [], "missed": [], "untested": [], "checks": []}]
