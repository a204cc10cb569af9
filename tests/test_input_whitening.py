"""Oracles: the defining equations, equivariance, independence of the lengths, scikit-learn's own checks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierlib.learn.input_whitening import InputWhitening, tyler_scatter


def draw(seed=0, n=400, d=5, heavy=False):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X * (1 + rng.pareto(2.2, (n, 1))) if heavy else X


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([InputWhitening(), InputWhitening("tyler")])
def test_transformer_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("scatter", ["covariance", "tyler"])
def test_whitened_inputs_are_white_whatever_the_units(scatter):
    X = (draw() @ (np.eye(5) + 0.3) + 4.0) * [1e-3, 1.0, 1e2, 1.0, 3.0]
    model = InputWhitening(scatter).fit(X)
    Z = model.transform(X)
    assert_allclose(Z.mean(axis=0), 0, atol=1e-6)
    assert_allclose(np.mean(Z**2), 1, rtol=1e-6)
    weights = np.ones(len(Z)) if scatter == "covariance" else 5 / np.sum(Z**2, axis=1)
    second = (Z * weights[:, None]).T @ Z / len(Z)
    assert_allclose(second / np.trace(second) * 5, np.eye(5), atol=1e-5)
    assert_allclose(model.whitening_, model.whitening_.T)
    assert list(model.get_feature_names_out()) == [f"inputwhitening{k}" for k in range(5)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tyler_solves_its_equation_and_sees_no_lengths(seed):
    X = draw(seed) @ np.random.default_rng(seed).standard_normal((5, 5))
    scatter = tyler_scatter(X, tol=1e-12)
    quadratic = np.sum(X * np.linalg.solve(scatter, X.T).T, axis=1)
    assert_allclose((X / quadratic[:, None]).T @ X * 5 / len(X), scatter, atol=1e-9)
    assert_allclose(np.trace(scatter), 5)
    lengths = np.random.default_rng(seed).pareto(0.5, (len(X), 1)) + 1e-3
    assert_allclose(tyler_scatter(np.vstack([lengths * X, np.zeros((3, 5))]), tol=1e-12), scatter, atol=1e-9)


def test_tyler_is_better_than_the_covariance_for_heavy_tails():
    truth = np.diag([4.0, 1.0, 1.0, 1.0, 0.25])
    X = draw(n=2000, heavy=True) @ np.sqrt(truth)
    distances = []
    for scatter in ("covariance", "tyler"):
        found = np.linalg.inv(InputWhitening(scatter).fit(X).whitening_)
        found = found @ found
        distances.append(np.abs(found / np.trace(found) - truth / np.trace(truth)).max())
    # Entries fluctuate by sqrt(2/n) of their size, at most.
    assert distances[1] < 4 * np.sqrt(2 / 2000) * 4 / 7.25
    assert distances[0] > 2 * distances[1]


def test_inputs_that_cannot_be_whitened_are_refused():
    with pytest.raises(ValueError, match="scatter must be one of 'covariance', 'tyler'"):
        InputWhitening("huber").fit(draw())
    for scatter in ("covariance", "tyler"):
        with pytest.raises(ValueError, match="more samples than its 5 inputs"):
            InputWhitening(scatter).fit(draw(n=5))
        for column in (0.0, draw()[:, 1]):
            X = draw()
            X[:, 0] = column
            with pytest.raises(ValueError, match="linearly independent inputs"):
                InputWhitening(scatter).fit(X)
    with pytest.raises(ValueError, match=r"fixed point of Tyler's equation.*after 2 steps"):
        tyler_scatter(draw() * [1, 10, 100, 1, 1], max_iterations=2)
