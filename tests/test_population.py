"""Oracles: closed forms for localised features, Monte Carlo, and the Gaussian remainder of the perturbation theory."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.inputs import InputLaw, input_law
from hierlib.theory.perturbation import population_remainder
from hierlib.theory.population import population_matrix

SKEW = InputLaw("exponential", lambda rng, shape: rng.exponential(1.0, shape), (1, 1, 2, 6))


@pytest.mark.parametrize("s", [1, 2, 3, 6])
@pytest.mark.parametrize("law", ["rademacher", "uniform", "laplace", "student12"])
def test_localised_feature_has_its_factor_and_spurious_eigenvalues(law, s):
    A = np.r_[np.ones(s), np.zeros(9 - s)][None] / np.sqrt(s)
    share = input_law(law).excess_kurtosis / (2 * s)
    values = np.linalg.eigvalsh(population_matrix(law, A, [-0.7])) / (-0.7 * np.sqrt(2))
    assert_allclose(np.sort(values), np.sort(np.r_[1 + share, np.full(s - 1, share), np.zeros(9 - s)]), atol=1e-12)


@pytest.mark.parametrize("law", ["rademacher", "uniform", "laplace", "sphere", SKEW], ids=str)
def test_matrix_is_the_mean_of_the_sample_s(law):
    rng = np.random.default_rng(0)
    A = np.linalg.qr(rng.standard_normal((4, 2)))[0].T
    weights = np.array([0.8, -0.6])
    X = input_law(law).draw(rng, (200_000, 4))
    y = ((X @ A.T) ** 2 - 1) @ weights / np.sqrt(2)
    terms = y[:, None, None] * (X[:, :, None] * X[:, None, :] - np.eye(4))
    error = terms.std(axis=0) / np.sqrt(len(X))
    assert np.all(np.abs(terms.mean(axis=0) - population_matrix(law, A, weights)) <= 5 * error + 1e-12)


def test_gaussian_matrix_is_the_spikes_and_at_degree_two_the_known_remainder():
    rng = np.random.default_rng(0)
    A = np.linalg.qr(rng.standard_normal((10, 2)))[0].T
    spikes = np.sqrt(2) * (A.T * [0.8, -0.6]) @ A
    assert_allclose(population_matrix("gauss", A, [0.8, -0.6]), spikes, atol=1e-14)
    dim = HermiteFeatures(4, 2).dim
    rest = population_remainder(A, [0.8, -0.6]) @ np.eye(dim)
    assert_allclose(population_matrix("gauss", A, [0.8, -0.6], degree=2), spikes + rest, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": "student3"}, "fourth moment"),
        ({"inputs": "laplace", "degree": 2}, "eight moments.*degree 2 and inputs 'laplace'"),
        ({"degree": 3}, "degree must be an integer >= 1 and <= 2"),
        ({"degree": 0}, "degree must be"),
        ({"directions": [[1.0, 1.0]]}, r"norm 1.*got norm 1\.41421"),
        ({"directions": [1.0, 0.0]}, "directions must have shape"),
        ({"weights": [1.0, 2.0]}, "weights must have shape"),
        ({"weights": [np.inf]}, "weights must be finite"),
    ],
)
def test_what_is_not_known_is_refused(change, message):
    options = {"inputs": "gauss", "directions": [[1.0, 0.0]], "weights": [1.0]} | change
    with pytest.raises(ValueError, match=message):
        population_matrix(options.pop("inputs"), options.pop("directions"), options.pop("weights"), **options)
