"""Every refusal names the argument, shows the value and says what is allowed."""

import re

import numpy as np
import pytest

from hierlib.checks import check_array, check_choice, check_integer, check_jobs, check_real, check_seed


@pytest.mark.parametrize(
    ("value", "bounds"), [(3, {}), (1, {"low": 1}), (np.int32(4), {"high": 4}), (2, {"low": 1, "high": 3})]
)
def test_integers_inside_the_interval_are_returned_as_int(value, bounds):
    number = check_integer("k", value, **bounds)
    assert type(number) is int
    assert number == value


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, {"low": 1}, "k must be an integer >= 1, got 0."),
        (5, {"high": 4}, "k must be an integer <= 4, got 5."),
        (5, {"low": 1, "high": 4}, "k must be an integer >= 1 and <= 4, got 5."),
        (2.0, {}, "k must be an integer, got 2.0."),
        (True, {"low": 0}, "k must be an integer >= 0, got True."),
        (np.bool_(True), {}, "k must be an integer, got "),
        ("3", {}, "k must be an integer, got '3'."),
        (None, {}, "k must be an integer, got None."),
    ],
)
def test_integers_outside_the_interval_are_refused_by_name(value, bounds, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        check_integer("k", value, **bounds)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [(-1, {}), (0, {"low": 0}), (1.0, {"high": 1}), (np.float32(0.5), {"low": 0, "open_low": True})],
)
def test_reals_inside_the_interval_are_returned_as_float(value, bounds):
    number = check_real("x", value, **bounds)
    assert type(number) is float
    assert number == value


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (-0.1, {"low": 0}, "x must be a finite number >= 0, got -0.1."),
        (0.0, {"low": 0, "open_low": True}, "x must be a finite number > 0, got 0.0."),
        (1, {"low": 0, "high": 1, "open_high": True}, "x must be a finite number >= 0 and < 1, got 1."),
        (1.5, {"high": 1}, "x must be a finite number <= 1, got 1.5."),
        (float("nan"), {}, "x must be a finite number, got nan."),
        (float("inf"), {"low": 0}, "x must be a finite number >= 0, got inf."),
        (False, {}, "x must be a finite number, got False."),
        (1j, {}, "x must be a finite number, got 1j."),
    ],
)
def test_reals_outside_the_interval_are_refused_by_name(value, bounds, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        check_real("x", value, **bounds)


def test_choices_are_listed_when_another_is_given():
    assert check_choice("link", "tanh", ("tanh", "identity")) == "tanh"
    for value in ["sin", 3, None]:
        with pytest.raises(ValueError, match=rf"^link must be one of 'tanh', 'identity', got {value!r}\.$"):
            check_choice("link", value, ("tanh", "identity"))


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([[1, 2]], "f8"),
        ([[True, False]], "f8"),
        (np.ones((1, 2), "f4"), "f4"),
        ([[0.5, 1.0]], "f8"),
        (np.ones((1, 2), "f2"), "f8"),
        (np.ones((1, 2), ">f4"), "f8"),
        (np.ones((1, 2), "longdouble"), "f8"),
    ],
)
def test_arrays_of_reals_become_floating_point_and_keep_single_precision(value, dtype):
    array = check_array("X", value, shape=(None, 2))
    assert array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(array, value)


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        (np.ones(3), (None, 2), "X must have shape (any, 2), got (3,)."),
        (np.ones((2, 3)), (None, 2), "X must have shape (any, 2), got (2, 3)."),
        (np.ones((2, 3)), (3, None), "X must have shape (3, any), got (2, 3)."),
        (["a"], (None,), "X must be an array of real numbers, got dtype <U1."),
        ([1j], (None,), "X must be an array of real numbers, got dtype complex128."),
        ([0.0, np.nan], (None,), "X must be finite, got NaN or infinite entries."),
        ([0.0, -np.inf], (2,), "X must be finite, got NaN or infinite entries."),
    ],
)
def test_unfit_arrays_are_refused_by_name(value, shape, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        check_array("X", value, shape=shape)


@pytest.mark.parametrize("value", [None, 1, -1, np.int8(2)])
def test_numbers_of_jobs_are_those_of_joblib(value):
    assert check_jobs(value) == value


@pytest.mark.parametrize(
    ("value", "message"), [(0, "an integer other than 0"), (True, "an integer"), ("2", "an integer")]
)
def test_numbers_of_jobs_that_mean_nothing_are_refused(value, message):
    with pytest.raises(ValueError, match=f"^n_jobs must be {message}"):
        check_jobs(value)


@pytest.mark.parametrize("value", [None, 0, np.int64(3), np.random.default_rng(0), np.random.SeedSequence(1)])
def test_sources_of_random_numbers_pass(value):
    check_seed("random_state", value)
    np.random.default_rng(value)


@pytest.mark.parametrize("value", [-1, 1.5, True, "a"])
def test_seeds_that_are_none_are_refused(value):
    with pytest.raises(ValueError, match=r"^random_state must be an integer >= 0 or a numpy\.random\.Generator, got"):
        check_seed("random_state", value)


def test_entries_under_a_mask_are_no_numbers():
    masked = np.ma.masked_array([1.0, 2.0], mask=[False, True])
    with pytest.raises(ValueError, match=r"^x must have no masked entries: fill or drop them\.$"):
        check_array("x", masked, shape=(2,))
    assert check_array("x", np.ma.masked_array([1.0, 2.0]), shape=(2,)).tolist() == [1.0, 2.0]
