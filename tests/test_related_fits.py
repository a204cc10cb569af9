import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierlib.related.fits import fit_power_law, mean_ratio


def test_fit_recovers_an_exact_power_law():
    x = np.array([1.0, 3.0, 10.0, 50.0])
    fit = fit_power_law(x, 4.0 * x**-0.7, 0.01 * x**-0.7)
    assert_allclose((fit.exponent, fit.amplitude), (-0.7, 4.0))
    assert fit.reduced_chi2 < 1e-20


def test_two_points_are_joined_without_a_goodness_of_fit():
    fit = fit_power_law([1.0, 4.0], [1.0, 2.0], [0.1, 0.2])
    assert_allclose(fit.exponent, 0.5)
    assert_allclose(fit.exponent_sem, 0.1 * np.sqrt(2) / np.log(4))
    assert np.isnan(fit.reduced_chi2)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_standard_error_is_the_spread_over_repeated_experiments(seed):
    rng = np.random.default_rng(seed)
    x = np.geomspace(1, 100, 6)
    sem = np.array([0.01, 0.02, 0.01, 0.03, 0.01, 0.02]) / x
    fits = [fit_power_law(x, 1 / x + sem * rng.standard_normal(6), sem) for _ in range(800)]
    exponents = np.array([fit.exponent for fit in fits])
    # A standard deviation from 800 draws is known to 1/sqrt(1600) = 2.5 %; four of these.
    assert_allclose(exponents.std(), fits[0].exponent_sem, rtol=0.1 + 0.02)
    assert abs(exponents.mean() + 1) < 4 * exponents.std() / np.sqrt(800)
    # chi2/4 has mean 1 and variance 2/4.
    assert abs(np.mean([fit.reduced_chi2 for fit in fits]) - 1) < 4 * np.sqrt(0.5 / 800)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([0.0, 1.0], [1.0, 1.0], [0.1, 0.1]), "x must be positive"),
        (([1.0, 2.0], [1.0, -1.0], [0.1, 0.1]), "y must be positive"),
        (([1.0, 2.0], [1.0, 1.0], [0.1, 0.0]), "sem must be positive"),
        (([2.0, 2.0], [1.0, 1.0], [0.1, 0.1]), "x must hold at least two different values"),
        (([1.0, 2.0], [1.0], [0.1, 0.1]), "y must have shape"),
    ],
)
def test_fit_refuses_impossible_input(arguments, match):
    with pytest.raises(ValueError, match=match):
        fit_power_law(*arguments)


def test_mean_ratio_is_the_constant_that_a_law_is_wrong_by():
    expected = np.array([0.01, 3.0, 500.0])
    result = mean_ratio(1.3 * expected, [0.001, 0.0, 100.0], expected)
    assert_allclose(result.ratio, 1.3)
    assert_allclose(result.sem, np.sqrt(0.1**2 + 0.2**2) / 3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_standard_error_of_the_mean_ratio_is_its_spread_under_unequal_errors(seed):
    rng = np.random.default_rng(seed)
    expected, sem = np.array([1.0, 10.0, 0.1, 2.0]), np.array([0.1, 0.2, 0.02, 0.0])
    results = [mean_ratio(expected + sem * rng.standard_normal(4), sem, expected) for _ in range(800)]
    ratios = np.array([result.ratio for result in results])
    # As above: a standard deviation from 800 draws is known to 2.5 %.
    assert_allclose(ratios.std(), results[0].sem, rtol=0.1)
    assert abs(ratios.mean() - 1) < 4 * results[0].sem / np.sqrt(800)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([], [], []), "y must hold at least one measurement"),
        (([1.0], [0.1], [0.0]), "expected must be positive"),
        (([1.0], [-0.1], [1.0]), "sem must be at least 0"),
        (([1.0, 2.0], [0.1], [1.0, 1.0]), "sem must have shape"),
        (([1.0], [0.1], [1.0, 1.0]), "expected must have shape"),
        (([np.nan], [0.1], [1.0]), "y must"),
    ],
)
def test_mean_ratio_refuses_impossible_input(arguments, match):
    with pytest.raises(ValueError, match=match):
        mean_ratio(*arguments)
