"""Oracles: the formulas in closed form for two-valued weights, limits, simulation, and laws against samples of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import eigh
from scipy.optimize import brentq

from hierlib import HierarchicalTarget, predict
from hierlib.engine.moment import label_weights
from hierlib.theory.asymptotics import TargetParameters
from hierlib.theory.bulk import build_model
from hierlib.theory.shrinkage import SampleBulk, leave_one_out
from hierlib.theory.weight_law import ScaledLaw, joint_sample_law
from hierlib.theory.whitening import WhitenedBulk, whitened_outliers

MIXED = np.array([0.8, -0.5, 0.33])
MIXED /= np.linalg.norm(MIXED)


def bulk_of(parameters, n, transform="tanh", **options):
    settings = {"radial": False, "remainder": False, "normalize": False} | options
    model = build_model(parameters, transform, whiten=True, **settings)
    return WhitenedBulk(model.law, n / model.noise_dim, n, model.remainder)


def closed_form(values, masses, excess, delta):
    """Outlier of one feature above the bulk, from the equations in p = s/(1 + b)."""

    def mean(p, weights):
        return weights @ (1 / (1 - p * values))

    def condition(p):
        return (excess @ (p * values / (1 - p * values))) / mean(p, masses) - 1 / (delta - 1)

    p = brentq(condition, 1e-9, 0.999 / values.max())
    b = mean(p, masses) / (1 - 1 / delta) - 1
    t = 1 / ((1 + b) * (1 - p * values)) - 1
    slope = 1 / delta - masses @ t**2
    return b / (p * (1 + b)), slope / (slope + (masses + excess) @ t**2)


@pytest.mark.parametrize("delta", [1.5, 3.0, 20.0, 1000.0])
def test_outlier_solves_the_closed_form_for_few_values(delta):
    values, masses = np.array([-0.5, 0.2, 1.5]), np.array([0.5, 0.35, 0.15])
    values = values - masses @ values
    excess = np.array([-0.25, -0.1, 0.35])
    law = ScaledLaw(values, masses, (masses + excess)[None], masses, (masses + excess)[None])
    bulk = WhitenedBulk(law, delta, 10**6)
    (s,), (aligned,) = bulk.outliers(1)
    level, expected = closed_form(values, masses, excess, delta)
    if expected > 0:
        # The kernel 1/x is smoothed over 0.03.
        assert_allclose(bulk.levels(np.array([s]))[0], level, rtol=1e-4)
        assert_allclose(aligned, expected, atol=2e-3)
    else:
        assert aligned == 0


def test_many_samples_per_dimension_gain_one_dimension_over_n():
    parameters, n = TargetParameters(MIXED, 1000, 1), 1000 * 1000
    plain, whitened = (1 - predict(parameters, n, "tanh", whiten=w).alignments for w in (None, "sample"))
    assert_allclose((plain - whitened) * 1000, 1 - 3 / 1000, rtol=0.03)
    levels = predict(parameters, 10**9, "tanh", whiten="sample")
    assert_allclose(np.nanmax(np.abs(levels.eigenvalues), axis=1), np.abs(levels.strengths), rtol=1e-3)


def test_thresholds_lie_one_noise_dimension_higher():
    parameters = TargetParameters(MIXED, 500, 1)
    plain, whitened = (predict(parameters, 5000, "tanh", whiten=w).thresholds for w in (None, "sample"))
    assert_allclose(whitened - plain, 497)
    assert_allclose(
        predict(parameters, 5000, "tanh").strengths, predict(parameters, 5000, "tanh", whiten="sample").strengths
    )


def test_pencil_is_predicted_at_degree_one():
    d, n, rows = 200, 2400, []
    for seed in range(5):
        target = HierarchicalTarget(d, q=1, n_features=3, seed=seed)
        target.weights = MIXED
        X, y = target.sample(n, seed=20 + seed)
        w = label_weights(y, "tanh")
        values, vectors = eigh((X * w[:, None]).T @ X / n, X.T @ X / n)
        vectors = vectors[:, [-1, 0, -2]] / np.linalg.norm(vectors[:, [-1, 0, -2]], axis=0)
        rows.append([values[[-1, 0, -2]], np.sum((target.directions @ vectors) ** 2, axis=1), values[[1, -3, -4]]])
    levels, overlaps, edges = np.mean(rows, axis=0)
    error = np.std(rows, axis=0, ddof=1) / np.sqrt(len(rows))
    expected = predict(TargetParameters(MIXED, d, 1), n, "tanh", whiten="sample", ranking="edge")
    sides = np.array([1, 0, 1])
    assert np.all(np.abs(levels - expected.eigenvalues[range(3), sides]) < 4 * error[0] + 1 / d)
    assert np.all(np.abs(overlaps - expected.outlier_alignments[range(3), sides]) < 4 * error[1] + 2 / d)
    # The outermost noise lies within the Tracy-Widom scale of the edge, some D^(-2/3) of the width.
    width = np.ptp(expected.bulk_edges)
    assert np.all(np.abs(edges[:2] - expected.bulk_edges) < 2 * width * d ** (-2 / 3))


@pytest.mark.parametrize("normalize", [False, True])
def test_radius_enters_through_the_joint_law(normalize):
    target = HierarchicalTarget(24, n_features=3, seed=4)
    target.weights = MIXED
    n, overlaps = 20 * target.dim, []
    for seed in range(4):
        X, y = target.sample(n, seed=seed)
        w = label_weights(y, "tanh")
        F = target.features.transform(X * np.sqrt(24 / np.sum(X**2, axis=1))[:, None] if normalize else X)
        second = F.T @ F / n
        if normalize:  # the sum of squares is null
            squares = np.equal(*target.features.index_tuples.T) / np.sqrt(24)
            second += np.outer(squares, squares)
        vectors = np.linalg.qr(eigh((F * w[:, None]).T @ F / n, second)[1][:, [-1, 0, -2]])[0]
        overlaps.append(np.sum((target.directions @ vectors) ** 2, axis=1))
    expected = predict(target, n, "tanh", whiten="sample", ranking="edge", normalize=normalize)
    error = np.std(overlaps, axis=0, ddof=1) / 2
    # Powers of 1/d that are neglected: as in the chapter Sharp Constants.
    assert np.all(np.abs(np.mean(overlaps, axis=0) - expected.alignments) < 4 * error + 1 / 24)


def test_law_and_samples_of_it_agree():
    rng = np.random.default_rng(0)
    h = rng.standard_normal((400_000, 3))
    y = (h**2 - 1) @ MIXED / np.sqrt(2)
    drawn = whitened_outliers(np.tanh(y / y.std()), h**2, n=3600, dim=300)
    law = predict(TargetParameters(MIXED, 300, 1), 3600, "tanh", whiten="sample")
    assert_allclose(drawn.alignments, law.outlier_alignments, atol=0.01)
    assert_allclose(drawn.eigenvalues, law.eigenvalues, rtol=0.01)
    assert_allclose(drawn.edges, law.bulk_edges, rtol=0.01)


def test_units_of_the_weights_do_not_matter():
    rng = np.random.default_rng(0)
    h = rng.standard_normal((5000, 2))
    w = np.tanh(h[:, 0] ** 2 - h[:, 1] ** 2)
    one, other = whitened_outliers(w, h**2, 900, 100), whitened_outliers(1e-30 * w + 1e-30, 7 * h**2, 900, 100)
    assert_allclose(other.alignments, one.alignments, atol=1e-9)
    assert_allclose(other.edges, 1e-30 * one.edges, rtol=1e-9)


def test_prediction_for_one_sample_is_near_that_of_the_law():
    target = HierarchicalTarget(20, n_features=3, seed=0)
    target.weights = MIXED
    n = 20 * target.dim
    options = {"whiten": "sample", "ranking": "edge"}
    for normalize in (False, True):
        law = predict(target, n, "tanh", normalize=normalize, **options)
        X, _ = target.sample(n, seed=1)
        one = predict(target, n, "tanh", normalize=normalize, sample=X, **options)
        # A mean of h^2 over n samples fluctuates by 2/sqrt(n); the third feature, near its threshold, by far more.
        assert_allclose(one.alignments[:2], law.alignments[:2], atol=4 / np.sqrt(n))


def test_test_errors_are_those_of_the_alignments_on_fresh_samples():
    parameters = TargetParameters(MIXED, 2000, 1)
    found = predict(parameters, 40_000, "tanh", whiten="sample", ranking="edge")
    optimum = 1 - np.sum(MIXED**2 * found.alignments**2)
    assert optimum - 0.005 < found.mse_holdout < optimum + 0.05
    assert found.mse_holdout < found.mse_same_sample < 1


@pytest.mark.parametrize(
    ("ratio", "q", "weights", "transform", "radius"),
    [
        (1.5, 2, [0.56, -0.12, 0.44, -0.38, 0.35, -0.43], "tanh", 0.8),
        (1.02, 1, [-0.04, -1.0], None, 2.0),
        (1.02, 3, [0.7, 0.3], "tanh", 2.0),
        (3.0, 1, [0.17, -0.04, -0.22, -0.92, 0.25], np.sign, 2.0),
        (20.0, 2, [-1.0], None, 8.0),
        (1e4, 2, [0.21, 0.37, 0.71, -0.03], np.sign, 2.0),
        (1e4, 3, [0.8, -0.6], None, 0.0),
    ],
)
def test_prediction_is_one_for_any_target(ratio, q, weights, transform, radius):
    weights = np.array(weights) / np.linalg.norm(weights)
    parameters = TargetParameters(weights, 12 if q > 1 else 80, q, radius_variance=radius)
    found = predict(parameters, int(ratio * parameters.dim) + 1, transform, whiten="sample")
    assert found.bulk_edges[0] < found.bulk_edges[1]
    assert np.all((found.alignments >= 0) & (found.alignments <= 1))
    assert np.all((found.retention >= 0) & (found.retention <= 1 + 1e-9))
    assert found.mse_holdout > 0


def test_spread_and_counts_are_finite_where_labels_are_unbounded():
    bulk = bulk_of(TargetParameters(MIXED, 300, 1), 6000, None)
    (s,), level = bulk.outliers(1)[0][:1], bulk.levels(bulk.outliers(1)[0][:1])[0][0]
    places, parts = bulk.spread(0, 1, s, level, 0.5)
    assert_allclose(parts.sum(), 1)
    assert np.isfinite(places).all()
    assert bulk.tail_count(np.array([bulk.edges[1]]), 1)[0] > 1
    assert abs(bulk.pole(1)) <= abs(bulk.edges[1])


def test_bulk_of_a_sample_is_that_of_its_law():
    rng = np.random.default_rng(0)
    w = np.tanh(rng.standard_normal(6000))
    w -= w.mean()
    sizes = rng.chisquare(50, 6000) / 50
    for scale in (np.ones(6000), sizes):
        bulk = SampleBulk(w * scale, 300, 1, sizes=scale)
        exact = WhitenedBulk(
            ScaledLaw(w, np.full(6000, 1 / 6000), np.zeros((0, 6000)), w / 6000, np.zeros((0, 6000)), 0, scale),
            20.0,
            6000,
        )
        assert_allclose(bulk.edges, exact.levels(np.array([exact.edges[-1], exact.edges[1]]))[0], rtol=5e-3)
        inside, outside = bulk.edges, bulk.interval()
        assert outside[0] < inside[0] < inside[1] < outside[1]
        s = bulk.resolvent(1.2 * outside)
        assert_allclose(bulk.offsets(s) / s, 1.2 * outside, rtol=1e-6)
    law = joint_sample_law(w, sizes)
    assert_allclose(law.masses.sum(), 1)
    assert_allclose(law.masses @ (law.scale * law.values), np.mean(sizes * w), atol=2e-3)


def test_noise_stays_inside_the_interval_and_its_leave_one_out_features_have_unit_size():
    inside = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        F, w = rng.standard_normal((540, 60)), rng.uniform(-1, 1, 540)
        w -= w.mean()
        values, vectors = eigh((F * w[:, None]).T @ F / 540, F.T @ F / 540)
        bulk = SampleBulk(w, 60, 1, sizes=np.ones(540))
        low, high = bulk.interval()
        inside.append(low < values[0] and values[-1] < high)
        s = bulk.resolvent(values[-1:])
        fresh = leave_one_out(F @ vectors[:, -1:], w, s, np.ones(540), bulk.offsets(s))
        # Of a vector of length v, fresh features have the second moment |v|^2.
        assert_allclose(np.mean(fresh**2) / np.sum(vectors[:, -1] ** 2), 1, atol=0.25)
    assert sum(inside) >= 11


def test_sizes_that_cannot_be_whitened_by_are_refused():
    options = {"weights": np.array([1.0, -1.0] * 20), "d": 50, "degree": 1}
    with pytest.raises(ValueError, match="n must be above D = 50"):
        SampleBulk(**options, sizes=np.ones(40))
    with pytest.raises(ValueError, match="sizes must have shape"):
        SampleBulk(**options, sizes=np.ones(3))
    assert np.all(SampleBulk(np.array([1.0, -1.0] * 60), 50, 1).offsets(np.ones(2)) == 0)


@pytest.mark.parametrize("n", [100, 50, 1])
def test_samples_no_larger_than_the_features_are_refused(n):
    with pytest.raises(ValueError, match=rf"n must be above D = 100 with whiten='sample'.*got {n}"):
        predict(TargetParameters(MIXED, 100, 1), n, whiten="sample")
    with pytest.raises(ValueError, match="n must be above D = 100"):
        whitened_outliers(np.arange(5.0), np.ones((5, 1)), n, 100)


@pytest.mark.parametrize("whiten", ["truth", True, 1, ""])
def test_whitening_by_anything_else_is_refused(whiten):
    with pytest.raises(ValueError, match="whiten must be one of 'sample'"):
        predict(TargetParameters(MIXED, 100, 1), 1000, whiten=whiten)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones(5)}, "weights must not be constant"),
        ({"weights": np.empty(0), "squares": np.empty((0, 1))}, "weights must not be constant"),
        ({"weights": [1.0, np.nan, 1, 1, 1]}, "weights must be finite"),
        ({"squares": np.ones((4, 1))}, "squares must have shape"),
        ({"squares": -np.ones((5, 1))}, "squares"),
        ({"squares": np.zeros((5, 1))}, "squares"),
        ({"squares": np.ones((5, 0))}, "squares must hold"),
        ({"dim": 1}, "dim must be"),
        ({"n": 2.5}, "n must be an integer"),
    ],
)
def test_samples_of_a_law_that_cannot_be_used_are_refused(change, message):
    options = {"weights": np.arange(5.0), "squares": np.ones((5, 1)), "n": 1000, "dim": 100}
    with pytest.raises(ValueError, match=message):
        whitened_outliers(**(options | change))
