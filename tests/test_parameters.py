"""A chapter's parameters are refused when they are unknown or out of range, and only then."""

import math
import re

import pytest

from hierlib.chapters.claims import ClaimsNotMet, check_claim
from hierlib.chapters.parameters import check_cost, check_parameters

ALLOWED = {
    "d": (16, 60),
    "gamma": (0.0, 1.5),
    "alphas": 2 * [(1.2, 3.4)],
    "dimensions": [(4, None)],
    "link": ("identity", "tanh"),
    "noise": (0.0, None),
    "seed": (0, None),
}
VALUES = {
    "d": 32,
    "gamma": 0.4,
    "alphas": [1.6, 1.9, 2.2],
    "dimensions": [8],
    "link": "tanh",
    "noise": 0.5,
    "seed": 0,
}


def refused(message, **values):
    with pytest.raises(ValueError, match=message):
        check_parameters({**VALUES, **values}, **ALLOWED)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"d": 16},
        {"d": 60},
        {"gamma": 0},
        {"gamma": 1.5},
        {"alphas": [1.2, 3.4]},
        {"alphas": (2, 3)},
        {"dimensions": [4, 10**6]},
        {"link": "identity"},
        {"noise": 1e9},
        {"seed": 2**40},
    ],
)
def test_values_up_to_the_ends_of_their_ranges_pass(values):
    check_parameters({**VALUES, **values}, **ALLOWED)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"d": 15}, "d must be an integer >= 16 and <= 60, got 15."),
        ({"d": 61}, "d must be an integer >= 16 and <= 60, got 61."),
        ({"d": 32.5}, "d must be an integer >= 16 and <= 60, got 32.5."),
        ({"d": 61.0}, "d must be an integer >= 16 and <= 60, got 61."),
        ({"d": True}, "d must be an integer >= 16 and <= 60, got True."),
        ({"d": "32"}, "d must be an integer >= 16 and <= 60, got '32'."),
        ({"d": None}, "d must be an integer >= 16 and <= 60, got None."),
        ({"gamma": -0.1}, "gamma must be a finite number >= 0.0 and <= 1.5, got -0.1."),
        ({"gamma": 1.6}, "gamma must be a finite number >= 0.0 and <= 1.5, got 1.6."),
        ({"gamma": math.nan}, "gamma must be a finite number >= 0.0 and <= 1.5, got nan."),
        ({"noise": math.inf}, "noise must be a finite number >= 0.0, got inf."),
        ({"seed": -1}, "seed must be an integer >= 0, got -1."),
        ({"link": "relu"}, "link must be one of 'identity', 'tanh', got 'relu'."),
        ({"alphas": [1.6, 3.5]}, "alphas[1] must be a finite number >= 1.2 and <= 3.4, got 3.5."),
        ({"alphas": 1.6}, "alphas must be a list of 2 to 12 values, got 1.6."),
        ({"alphas": [1.6]}, "alphas must be a list of 2 to 12 values, got [1.6]."),
        ({"dimensions": 13 * [8]}, f"dimensions must be a list of 1 to 12 values, got {13 * [8]}."),
        ({"dimensions": []}, "dimensions must be a list of 1 to 12 values, got []."),
        ({"dimensions": [8, 3]}, "dimensions[1] must be an integer >= 4, got 3."),
        (
            {"dimensions": "88"},
            "dimensions must be a list, got the string '88': papermill takes lists as -y 'dimensions: [...]'.",
        ),
    ],
)
def test_value_that_is_not_allowed_is_named_with_what_is(values, message):
    refused(f"^{re.escape(message)}$", **values)


@pytest.mark.parametrize("value", [0.8, 3, True, None, "0.8", [0.8], {"a": 1}])
def test_unknown_name_is_refused_with_a_list_of_the_parameters(value):
    refused(
        rf"^gama \(= {re.escape(repr(value))}\) is not a parameter of this chapter.*: {', '.join(ALLOWED)}\.$",
        gama=value,
    )


def test_name_of_an_import_that_is_overwritten_by_a_value_is_refused():
    refused("np .* is not a parameter", np=3)


def test_imports_private_names_and_names_of_ipython_are_left_alone():
    others = {"math": math, "check": check_parameters, "Kind": type, "_": 3, "__name__": "__main__", "_i1": "d = 3"}
    ipython = {"In": [""], "Out": {}, "exit": object(), "quit": object(), "get_ipython": print, "open": open}
    check_parameters({**VALUES, **others, **ipython}, **ALLOWED)


def test_results_of_later_cells_are_no_unknown_parameters_when_the_check_runs_again():
    namespace = dict(VALUES)
    check_parameters(namespace, **ALLOWED)
    namespace.update(n=1000, error=[0.1], d=20)
    check_parameters(namespace, **ALLOWED)
    namespace["d"] = 8
    with pytest.raises(ValueError, match=r"^d must be an integer"):
        check_parameters(namespace, **ALLOWED)


def test_missing_parameter_is_named():
    with pytest.raises(ValueError, match=r"^seed must be set"):
        check_parameters({name: value for name, value in VALUES.items() if name != "seed"}, **ALLOWED)


@pytest.mark.parametrize("spec", [(None, None), (1,), (1, 2, 3), 3, "any", [], None])
def test_specification_that_says_nothing_is_refused(spec):
    with pytest.raises(ValueError, match="d needs bounds, choices or a list"):
        check_parameters({"d": [3]}, d=spec)


def test_whole_number_written_as_a_float_becomes_an_integer():
    namespace = VALUES | {"d": 24.0, "dimensions": [8.0], "gamma": 1}
    check_parameters(namespace, **ALLOWED)
    assert (namespace["d"], namespace["dimensions"]) == (24, [8])
    assert isinstance(namespace["d"], int)
    assert isinstance(namespace["dimensions"][0], int)


@pytest.mark.parametrize("values", [[2.0, 1.6], [1.6, 1.6], [1.6, 2.0, 1.9]])
def test_list_that_must_increase_is_refused_when_it_does_not(values):
    check_parameters({**VALUES}, increasing=("alphas",), **ALLOWED)
    with pytest.raises(ValueError, match=rf"^alphas must increase, got {re.escape(str(values))}\.$"):
        check_parameters(VALUES | {"alphas": values}, increasing=("alphas",), **ALLOWED)


@pytest.mark.parametrize(
    ("changed", "stops"), [({}, True), ({"d": 32.0}, True), ({"d": 24}, False), ({"alphas": [1.6, 1.9]}, False)]
)
def test_failed_claim_stops_a_chapter_at_its_defaults_only(changed, stops):
    check_parameters(VALUES | changed, defaults=VALUES, **ALLOWED)
    if stops:
        with pytest.raises(ClaimsNotMet):
            check_claim("claim-a", "m", 0, at_least=1, because="test")
    else:
        check_claim("claim-a", "m", 0, at_least=1, because="test")


@pytest.mark.parametrize(
    "cost", [{"gibibytes": 8.1}, {"seconds": 1801.0}, {"seconds": math.nan}, {"seconds": math.inf}]
)
def test_cost_beyond_the_limit_is_refused_with_what_it_would_be(cost):
    ((name, value),) = cost.items()
    unit = {"gibibytes": "GiB of memory, and 8 are", "seconds": "seconds on one core, and 1800 are"}[name]
    with pytest.raises(
        ValueError, match=rf"^d, n must be smaller: these values would take {value:.4g} {unit} allowed\.$"
    ):
        check_cost(**cost, reduce="d, n")
    check_cost(gibibytes=8.0, seconds=1800.0, reduce="d, n")
