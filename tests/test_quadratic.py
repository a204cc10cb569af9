"""Tests of the quadratic baselines, against exact forms, scikit-learn's ridge regression and each other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierlib.learn.real import QuadraticRidge, QuarticWhitening


@parametrize_with_checks([QuadraticRidge(), QuarticWhitening()])
def test_scikit_learn_conventions_hold(estimator, check):
    check(estimator)


def forms(n=400, d=6, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, d)) ** 3
    A = np.linalg.qr(rng.standard_normal((d, d)))[0]
    M = A.T @ np.diag([3.0, -2.0, *np.zeros(d - 2)]) @ A
    return X, np.einsum("mi,ij,mj->m", X, M, X) + 5 + noise * rng.standard_normal(n), M, A


@pytest.mark.parametrize("model", [QuadraticRidge(2), QuarticWhitening(2, ridge=1e-9)])
def test_exact_quadratic_form_of_any_inputs_is_found(model):
    X, y, M, A = forms()
    model.fit(X, y)
    # The smallest penalty of the ridge is 0.01, of n = 400 and products of unit variance.
    assert_allclose(model.form_, M, atol=1e-3)
    assert_allclose(model.eigenvalues_, [3, -2], atol=1e-3)
    assert_allclose(np.sum((model.components_ @ A[:2].T) ** 2, axis=1), 1, atol=1e-5)
    assert_allclose(model.predict(X), y, atol=1e-3)
    assert_allclose(model.transform(X), X @ model.components_.T)
    assert model.score(X, y) > 0.9999
    assert model.get_feature_names_out().tolist() == [f"{type(model).__name__.lower()}{i}" for i in range(2)]


def test_whitening_without_further_inputs_is_a_ridge_regression():
    X, y, *_ = forms(noise=0.5)
    i, j = np.triu_indices(6)
    Z = X[:, i] * X[:, j]
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    expected = np.linalg.solve(Z.T @ Z + 0.1 * len(X) * np.eye(21), Z.T @ (y - y.mean()))
    model = QuarticWhitening(ridge=0.1).fit(X, y)
    assert_allclose(model.predict(X), y.mean() + Z @ expected, atol=1e-10)


def test_further_inputs_serve_the_fourth_moments_only():
    X, y, *_ = forms(noise=0.5)
    again = QuarticWhitening(2).fit(X, y, unlabelled=X)
    assert_allclose(again.form_, QuarticWhitening(2).fit(X, y).form_, atol=1e-8)


def test_constant_products_get_no_weight():
    X, y, *_ = forms()
    X = np.column_stack([X, np.ones(len(X)), np.zeros(len(X))])
    for model in (QuadraticRidge(), QuarticWhitening()):
        assert np.isfinite(model.fit(X, y).form_).all()
        assert model.form_[7, 7] == 0


@pytest.mark.parametrize(
    ("model", "unlabelled", "message"),
    [
        (QuadraticRidge(7), None, "n_features must be an integer >= 1 and <= 6, got 7"),
        (QuarticWhitening(0), None, "n_features must be"),
        (QuarticWhitening(ridge=0.0), None, "ridge must be"),
        (QuarticWhitening(), np.ones((3, 5)), "unlabelled must have shape"),
        (QuarticWhitening(), np.full((3, 6), np.nan), "unlabelled must be finite"),
    ],
)
def test_bad_input_is_refused(model, unlabelled, message):
    X, y, *_ = forms()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, unlabelled) if unlabelled is not None else model.fit(X, y)
