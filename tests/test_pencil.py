"""Oracles: scipy's dense generalised eigenproblem, exact equivariance, the estimator's own features."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import eigh

from hierlib import HierarchicalSpectralRegressor, HierarchicalTarget, predict
from hierlib.engine import pencil
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.krylov import by_modulus
from hierlib.engine.moment import MomentOperator, label_weights
from hierlib.engine.pencil import leading_pencil
from hierlib.model.metrics import alignment, normalized_mse

WHITEN = {"whiten": "sample", "label_transform": "tanh", "ranking": "edge", "n_jobs": 1}


def draw(d=30, q=1, n=600, **options):
    target = HierarchicalTarget(d, q=q, n_features=3, gamma=0.3, seed=1, **options)
    return target, *target.sample(n, seed=2)


def reference(F, w, k):
    values, vectors = eigh((F * w[:, None]).T @ F / len(F), F.T @ F / len(F))
    order = by_modulus(values)[:k]
    return values[order], vectors[:, order]


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_pairs_are_those_of_the_dense_problem(dense, scale, monkeypatch):
    if not dense:
        monkeypatch.setattr(pencil, "MAX_DENSE", 10)
    _, X, y = draw(d=60, n=900)
    X, w = scale * X, label_weights(y, "tanh")
    operator = MomentOperator((X, w), w, degree=1, dtype="float64", n_jobs=1)
    pairs = leading_pencil(operator, 3, rng=np.random.default_rng(0), tol=1e-9, max_products=300)
    values, vectors = reference(X, w, 3)
    assert pairs.converged
    assert pairs.n_products > 2 or dense
    assert_allclose(pairs.eigenvalues, values, rtol=1e-8)
    signs = np.sign(np.sum(pairs.eigenvectors * vectors, axis=0))
    assert_allclose(pairs.eigenvectors * signs, vectors, atol=1e-6 / scale)
    assert_allclose(pairs.eigenvectors.T @ X.T @ X @ pairs.eigenvectors / len(X), np.eye(3), atol=1e-9)


def test_restarts_and_starts_lead_to_the_same_pairs(monkeypatch):
    monkeypatch.setattr(pencil, "MAX_DENSE", 10)
    monkeypatch.setattr(pencil, "MAX_COLUMNS", 4)
    _, X, y = draw(d=80, n=1500)
    w = label_weights(y, "tanh")
    operator = MomentOperator((X, w), w, degree=1, dtype="float64", n_jobs=1)
    options = {"tol": 1e-7, "max_products": 2000}
    cold = leading_pencil(operator, 2, rng=np.random.default_rng(0), **options)
    warm = leading_pencil(operator, 2, rng=np.random.default_rng(1), start=cold.eigenvectors, **options)
    assert cold.converged
    assert warm.n_products < cold.n_products / 4
    assert_allclose(cold.eigenvalues, reference(X, w, 2)[0], rtol=1e-7)
    short = leading_pencil(operator, 2, rng=np.random.default_rng(0), tol=1e-9, max_products=3)
    assert not short.converged
    assert short.n_products == 3


def test_directions_in_which_nothing_varies_are_left_out():
    _, X, y = draw(d=6, q=2, n=500)
    w = label_weights(y)
    operator = MomentOperator((X, w), w, normalize=True, dtype="float64", n_jobs=1)
    pairs = leading_pencil(operator, 20, rng=np.random.default_rng(0))
    squares = np.equal(*HermiteFeatures(6, 2).index_tuples.T)
    assert_allclose(pairs.eigenvectors[squares].sum(axis=0), 0, atol=1e-9)
    with pytest.raises(ValueError, match="n_features must be <= 20"):
        leading_pencil(operator, 21, rng=np.random.default_rng(0))
    # Hermite features of coins: no square varies, and one input is constant.
    signs = np.sign(X)
    signs[:, 0] = 0.0
    coins = MomentOperator((signs, w), w, dtype="float64", n_jobs=1)
    assert np.isfinite(leading_pencil(coins, 10, rng=np.random.default_rng(0)).eigenvectors).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fit_is_equivariant_under_linear_maps_of_the_inputs(seed):
    _, X, y = draw(d=25, n=500)
    B = np.random.default_rng(seed).standard_normal((25, 25)) * np.geomspace(1e-2, 1e2, 25)
    options = WHITEN | {"second_layer": "least_squares", "leave_one_out": True}
    one = HierarchicalSpectralRegressor(3, 1, **options).fit(X, y)
    other = HierarchicalSpectralRegressor(3, 1, **options).fit(X @ B.T, y)
    assert_allclose(other.transform(X @ B.T), one.transform(X), atol=1e-9)
    assert_allclose(other.components_ @ B, one.components_, atol=1e-9)
    assert_allclose(other.eigenvalues_, one.eigenvalues_, rtol=1e-9)
    assert_allclose(other.predict(X @ B.T), one.predict(X), atol=1e-8)


def test_features_have_unit_second_moment_and_a_sign_of_their_own():
    _, X, y = draw()
    h = HierarchicalSpectralRegressor(3, 1, **WHITEN).fit(X, y).transform(X)
    assert_allclose(h.T @ h / len(h), np.eye(3), atol=1e-10)
    assert np.all(np.sum(h**3, axis=0) > 0)


def test_stream_and_arrays_give_the_same_fit(monkeypatch):
    monkeypatch.setattr(pencil, "MAX_DENSE", 10)
    target = HierarchicalTarget(12, n_features=2, seed=1)
    X, y = target.sample(9000, seed=1)
    fits = [
        HierarchicalSpectralRegressor.recommended(2, whiten="sample", tol=1e-8, max_passes=400, n_jobs=1).fit(X, y),
        HierarchicalSpectralRegressor.recommended(2, whiten="sample", tol=1e-8, max_passes=400, n_jobs=1).fit_stream(
            target.stream(9000, seed=1)
        ),
    ]
    assert_allclose(fits[0].components_, fits[1].components_, atol=1e-6)
    assert fits[0].converged_


def test_alignment_is_the_predicted_one():
    rows = []
    for seed in range(6):
        target = HierarchicalTarget(120, q=1, n_features=4, gamma=0.3, seed=seed)
        X, y = target.sample(1200, seed=50 + seed)
        found = alignment(HierarchicalSpectralRegressor(4, 1, **WHITEN).fit(X, y).components_, target.directions)
        rows.append([found.mean(), predict(target, 1200, "tanh", whiten="sample", ranking="edge").alignments.mean()])
    measured, expected = np.transpose(rows)
    error = np.std(measured - expected, ddof=1) / np.sqrt(6)
    # Four standard errors, and the finite size: 1/D^(2/3) = 0.04 near the weakest one's threshold, of four.
    assert abs(np.mean(measured - expected)) < 4 * error + 0.01


@pytest.mark.parametrize("normalize", [True, False])
def test_whitened_preset_is_better_than_the_preset_far_above_the_thresholds(normalize):
    overlaps, errors = np.zeros(2), np.zeros(2)
    for seed in range(3):
        target = HierarchicalTarget(14, n_features=2, gamma=0.2, seed=seed)
        train, (X, y) = target.sample(30 * target.dim, seed=seed), target.sample(4000, seed=9)
        for k, whiten in enumerate((None, "sample")):
            model = HierarchicalSpectralRegressor.recommended(2, whiten=whiten, normalize=normalize, n_jobs=1)
            model.fit(*train)
            overlaps[k] += alignment(model.components_, target.directions).mean()
            errors[k] += normalized_mse(y, model.predict(X))
    assert overlaps[1] > overlaps[0]
    assert errors[1] < errors[0]


def test_number_of_features_is_counted_where_there_is_nothing():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((600, 40)), rng.standard_normal(600)
    found = HierarchicalSpectralRegressor("auto", 1, **WHITEN).fit(X, y)
    assert len(found.components_) == 0
    assert_allclose(found.predict(X), y.mean())
    _, X, y = draw(d=40, n=1600)
    assert len(HierarchicalSpectralRegressor("auto", 1, **WHITEN).fit(X, y).components_) == 3


def test_leave_one_out_features_have_the_moments_of_fresh_ones():
    slopes = np.empty((6, 2))
    for seed in range(6):
        target = HierarchicalTarget(100, q=1, n_features=2, gamma=0.2, seed=seed)
        train, (X, y) = target.sample(1000, seed=1), target.sample(20_000, seed=2)
        for correct in (0, 1):
            model = HierarchicalSpectralRegressor(2, 1, leave_one_out=bool(correct), **WHITEN).fit(*train)
            fresh = np.mean((y - y.mean())[:, None] * model.transform(X) ** 2, axis=0)
            slopes[seed, correct] = np.diag(model.second_layer_) @ fresh / (fresh @ fresh)
    mean, error = slopes.mean(axis=0), slopes.std(axis=0, ddof=1) / np.sqrt(6)
    assert abs(mean[1] - 1) < 3 * error[1] + 1 / 100
    assert mean[0] - 1 > 5 * error[0]


@pytest.mark.parametrize("n", [20, 30])
def test_samples_no_larger_than_the_features_are_refused(n):
    _, X, y = draw(n=100)
    with pytest.raises(ValueError, match=rf"more samples than the D = 30 features.*got {n}"):
        HierarchicalSpectralRegressor(2, 1, **WHITEN).fit(X[:n], y[:n])
    with pytest.raises(ValueError, match="more samples"):
        leading_pencil(MomentOperator((X[:n], y[:n]), degree=1), 2, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="more samples"):
        HierarchicalSpectralRegressor(2, 1, holdout=0.8, **WHITEN).fit(X, y)
    HierarchicalSpectralRegressor(2, 1, holdout=0.3, **WHITEN).fit(X, y)


def test_options_that_do_not_go_together_are_refused():
    _, X, y = draw(n=100)
    with pytest.raises(ValueError, match="whiten must be one of 'sample', got 'truth'"):
        HierarchicalSpectralRegressor(2, 1, whiten="truth").fit(X, y)
    with pytest.raises(ValueError, match="label_transform must not be 'optimal' with whiten"):
        HierarchicalSpectralRegressor(2, 1, whiten="sample", label_transform="optimal").fit(X, y)


def test_pencil_of_no_columns_is_empty():
    _, X, y = draw(n=100)
    for part in MomentOperator((X, y), degree=1).pencil(np.empty((30, 0))):
        assert_array_equal(part, np.empty((30, 0)))
