"""A chapter's parameters are refused when they are unknown or out of range, and only then."""

import math
import re

import pytest

from hierlib.parameters import check_parameters

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
        ({"d": 32.0}, "d must be an integer >= 16 and <= 60, got 32.0."),
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
        ({"alphas": 1.6}, "alphas must be a list of at least 2 value(s), got 1.6."),
        ({"alphas": [1.6]}, "alphas must be a list of at least 2 value(s), got [1.6]."),
        ({"dimensions": []}, "dimensions must be a list of at least 1 value(s), got []."),
        ({"dimensions": [8, 3]}, "dimensions[1] must be an integer >= 4, got 3."),
        ({"dimensions": "88"}, "dimensions must be a list of at least 1 value(s), got '88'."),
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
